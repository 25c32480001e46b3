"""Helpers of the course book *Deep Vision, Measured*.

The submodules load on first use, so that ``import course_utils`` is instant and only those who build a model wait
for Keras:

>>> import course_utils
>>> course_utils.errors.CourseError.__name__
'CourseError'
"""

import importlib

__version__ = "0.1.0"

__all__ = [
    "augment",
    "convolution",
    "datasets",
    "errors",
    "evaluation",
    "exercises",
    "images",
    "interactive",
    "metric_learning",
    "models",
    "plots",
    "projector",
    "results",
    "retrieval",
    "training",
    "weights",
]


def __getattr__(name):
    if name in __all__ or name in ("architecture", "reranking", "retrieval_dask"):  # these until the next release
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
