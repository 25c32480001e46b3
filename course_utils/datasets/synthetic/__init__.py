"""Synthetic images with the shapes, classes and kinds of difficulty of each real data set.

They let every chapter run with no network and no licence to mind, in any number. They are never the real
thing: a score on them says nothing about the real set, and the loaders warn so (``SyntheticDataWarning``).
What is not as a generator describes it is an :class:`~course_utils.errors.ArgumentError`.
"""

from course_utils.datasets.catalog import CATALOG
from course_utils.datasets.synthetic.characters import characters, kuzushiji_like
from course_utils.datasets.synthetic.garments import garments
from course_utils.datasets.synthetic.houses import house_digits
from course_utils.datasets.synthetic.objects import objects
from course_utils.datasets.synthetic.people import pedestrians
from course_utils.datasets.synthetic.products import products
from course_utils.datasets.synthetic.strokes import plain_digits

__all__ = [
    "CLASS_NAMES",
    "VERSION",
    "characters",
    "garments",
    "house_digits",
    "kuzushiji_like",
    "objects",
    "pedestrians",
    "plain_digits",
    "products",
]

VERSION = "5"
"""Changes whenever any generator's output changes: part of the fingerprint of synthetic data."""

CLASS_NAMES = {item.generator: item.class_names for item in CATALOG.values() if item.class_names}
"""Generator name to its ten class names, in label order."""
