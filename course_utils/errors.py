"""Errors and argument checks shared by the whole package.

Every error that the package raises on purpose is a :class:`CourseError`. Its message names the argument or the
file, the value found, and what would have been legal.
"""

import importlib
import math
import numbers
import warnings

import numpy as np

__all__ = [
    "ArgumentError",
    "CourseError",
    "DataError",
    "DownloadError",
    "MissingExtraError",
    "RunnerError",
    "SyntheticDataWarning",
    "check_choice",
    "check_integer",
    "check_number",
    "moved_names",
    "require",
]


class CourseError(Exception):
    """Base class of every error that ``course_utils`` raises on purpose."""


class ArgumentError(CourseError, ValueError):
    """A function was given a bad value. It is a ``ValueError`` too, so that users' habits hold."""


class DataError(CourseError):
    """A data file is missing, damaged, unsafe, or not what it claims to be."""


class DownloadError(DataError):
    """No mirror delivered the file that was asked for."""


class MissingExtraError(CourseError, ImportError):
    """A library that only an extra of the distribution brings is not installed."""


class RunnerError(CourseError):
    """The runner cannot plan, execute or render what it was asked to."""


class SyntheticDataWarning(UserWarning):
    """Synthetic data take the place of a real data set: numbers made from them are not the real set's."""


def check_choice(name, value, choices):
    """Return `value` if it is one of `choices`, an iterable of str; else raise an :class:`ArgumentError`.

    The message names the argument `name`, the value found, and what is legal; so it does in the checks below.

    Examples
    --------
    >>> check_choice("source", "cloud", ["local", "download"])
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: source is 'cloud'; it must be one of 'local', 'download'
    """
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        legal = ", ".join(repr(choice) for choice in choices)
        raise ArgumentError(f"{name} is {value!r}; it must be one of {legal}")
    return value


def check_integer(name, value, *, minimum=None, maximum=None):
    """Return `value`, of Python or NumPy, as an ``int`` if it is a whole number within the bounds, which are inclusive.

    ``True`` is not a number. Anything else raises an :class:`ArgumentError`.

    Examples
    --------
    >>> check_integer("train_limit", 100, minimum=1)
    100
    >>> check_integer("train_limit", 0, minimum=1)
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: train_limit is 0; it must be an integer of at least 1
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))
    if not whole or not _within(value, minimum, maximum):
        raise ArgumentError(f"{name} is {value!r}; it must be an integer{_bounds(minimum, maximum)}")
    return int(value)


def check_number(name, value, *, minimum=None, maximum=None):
    """Return `value` as a ``float`` if it is a finite real number within the bounds; as :func:`check_integer` does.

    Examples
    --------
    >>> check_number("probability", 1.5, minimum=0, maximum=1)
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: probability is 1.5; it must be a number from 0 to 1
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if not real or not math.isfinite(value) or not _within(value, minimum, maximum):
        raise ArgumentError(f"{name} is {value!r}; it must be a number{_bounds(minimum, maximum)}")
    return float(value)


def moved_names(module, addresses):
    """Make the ``__getattr__`` of a module from which public names have moved; each warns, and works.

    `addresses` says of each name where it is now: ``{"set_seed": "course_utils.training.set_seed"}``.

    Examples
    --------
    >>> lookup = moved_names("old", {"sqrt": "math.sqrt"})
    >>> lookup("cbrt")
    Traceback (most recent call last):
    ...
    AttributeError: module 'old' has no attribute 'cbrt'
    """

    def lookup(name):
        if name not in addresses:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        message = f"{module}.{name} is now {addresses[name]}; the old address goes with the next release"
        warnings.warn(message, FutureWarning, stacklevel=2)
        home, _, own = addresses[name].rpartition(".")
        return getattr(importlib.import_module(home), own)

    return lookup


def require(name, extra):
    """Import and return a module, such as ``"cv2"``, that only an `extra` of the distribution installs.

    Where it is not installed that is a :class:`MissingExtraError`.

    Examples
    --------
    >>> require("no_such_module", "course")
    Traceback (most recent call last):
    ...
    course_utils.errors.MissingExtraError: this needs no_such_module: pip install 'course-utils[course]'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Another module that is missing inside an installed one is a fault of its own.
        if error.name not in (name, name.partition(".")[0]):
            raise
        raise MissingExtraError(f"this needs {name}: pip install 'course-utils[{extra}]'", name=name) from error


def _within(value, minimum, maximum):
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def _bounds(minimum, maximum):
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    if maximum is not None:
        return f" of at most {maximum}"
    return ""
