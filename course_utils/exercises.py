"""Self-checks for the exercises: they say right or wrong, and do not show the answer.

An answer is kept as salted digests. Whole numbers, words and truth values must be met exactly. Other numbers are
rounded to a step, and the digests of the neighbouring steps count as well: within one step is right, beyond two steps
is wrong. Digests keep an honest reader from seeing the answer by accident; they do not stop one who tries all numbers.
"""

import collections.abc
import dataclasses
import hashlib
import html
import json
import math
import numbers

import numpy as np

from course_utils.errors import ArgumentError, check_number
from course_utils.results import tell_runner

__all__ = ["Verdict", "check", "note", "seal"]

# Slow on purpose: trying all whole numbers up to a million takes minutes instead of a second.
_ROUNDS = 2_000
_MOST_SINGLE = 16
_SUMS = 8


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a self-check says.

    Attributes
    ----------
    label : str
        The exercise.
    state : {"right", "wrong", "open"}
        ``"open"`` as long as there is no answer.
    message : str
        What stands beside the mark, such as how many values the answer must have.
    """

    label: str
    state: str
    message: str

    def __repr__(self):
        mark = {"right": "✔", "wrong": "✘", "open": "◌"}[self.state]
        return f"{mark} {self.label}: {self.message}"

    def _repr_html_(self):
        return f'<p class="verdict verdict-{self.state}">{html.escape(repr(self))}</p>'


def seal(label, value, *, tolerance=None):
    """Make the key that :func:`check` compares an answer with.

    Parameters
    ----------
    label : str
        The exercise; it salts the digests.
    value : number, bool, str, or a sequence, mapping, array or table of these
        The expected answer. Of a mapping the values count, in their order.
    tolerance : float, optional
        How far numbers may be off. If not given, whole numbers must be exact, and others may be off by one in the third
        digit of the largest.

    Returns
    -------
    str
        JSON that holds digests, the shape of the answer and the step.

    Raises
    ------
    ArgumentError
        If `value` is nothing of the kind, or `tolerance` is below 1e-12.

    Examples
    --------
    >>> key = seal("ex-sum", 0.8852, tolerance=0.01)
    >>> check("ex-sum", 0.88, key), check("ex-sum", 0.8, key)
    (✔ ex-sum: right., ✘ ex-sum: not yet.)
    """
    shape, items = _flatten("seal", value)
    kind = _kind(items)
    if tolerance is not None:
        check_number("tolerance", tolerance, minimum=1e-12)
    if kind == "number" or (tolerance is not None and kind == "whole number"):
        kind, step = "number", float(tolerance or _default_step(items))
        digests = [_digest(label, place, round(number / step)) for place, number in enumerate(_numbers(label, items))]
    else:
        step, digests = None, [_digest(label, 0, items)]
    return json.dumps({"shape": list(shape), "kind": kind, "step": step, "digests": digests})


def check(label, answer, key, *, made_from=""):
    """Say whether an answer is right.

    Parameters
    ----------
    label : str
        The exercise.
    answer : object
        The student's answer; ``...`` if there is none yet.
    key : str
        What :func:`seal` returned.
    made_from : str, optional
        What the expected answer was computed with. It is shown beside a wrong answer, which may come from other
        parameters or other data.

    Returns
    -------
    Verdict

    Raises
    ------
    ArgumentError
        If `key` is not what :func:`seal` makes.

    Examples
    --------
    >>> key = seal("ex-size", (14, 14))
    >>> check("ex-size", [14, 14], key)
    ✔ ex-size: right.
    >>> check("ex-size", 14, key)
    ✘ ex-size: not yet. The answer must be 2 values, of the kind whole number; yours is one value.
    """
    try:
        expected = json.loads(key)
        shape, step, digests = tuple(expected["shape"]), expected["step"], expected["digests"]
    except (TypeError, KeyError, json.JSONDecodeError):
        raise ArgumentError(f"key is {key!r}; it must be what `seal` returned") from None
    wanted = f"The answer must be {_size(shape)}, of the kind {expected['kind']}"
    if answer is ...:
        return Verdict(label, "open", f"no answer yet. {wanted}.")
    try:
        found, items = _flatten("check", answer)
    except ArgumentError:
        return Verdict(label, "wrong", f"not yet. {wanted}; yours is a {type(answer).__name__}.")
    if found != shape:
        return Verdict(label, "wrong", f"not yet. {wanted}; yours is {_size(found)}.")
    if _meets(label, items, step, digests):
        return Verdict(label, "right", "right.")
    return Verdict(label, "wrong", f"not yet. {made_from}".rstrip())


def note(label, candidates, *, tolerance=None):
    """Keep the key of an executed solution in the notebook's outputs, for the student edition.

    Parameters
    ----------
    label : str
        The exercise.
    candidates : dict of str to callable
        Expressions, and functions without arguments that give their values. The first value that can be sealed counts.
    tolerance : float, optional
        As in :func:`seal`.

    Returns
    -------
    str or None
        The expression that counts; None if no value can be sealed.

    Examples
    --------
    >>> note("ex-size", {"model": lambda: print, "size": lambda: 14})
    'size'
    """
    if tolerance is not None:
        check_number("tolerance", tolerance, minimum=1e-12)
    for expression, value in candidates.items():
        try:
            key = seal(label, value(), tolerance=tolerance)
        except ArgumentError:
            continue
        tell_runner("answer", {"label": label, "expression": expression, "key": key})
        return expression
    tell_runner("answer", {"label": label, "expression": None, "key": None})
    return None


def _flatten(function, value):
    """Return the shape of an answer, and its numbers and words in one list."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif isinstance(value, collections.abc.Mapping):
        value = list(value.values())
    elif isinstance(value, (set, frozenset)):
        value = sorted(value)
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    # Text beside numbers would turn the numbers into text.
    if array.dtype.kind == "U" and not isinstance(value, (str, np.ndarray)):
        array = np.asarray(value, dtype=object)
    items = [_plain(item) for item in array.ravel().tolist()]
    if None in items or not items:
        raise ArgumentError(
            f"value is a {type(value).__name__}; it must be a number, a truth value, a word, "
            "or a sequence, mapping, array or table of these"
        )
    return array.shape, items


def _plain(item):
    if isinstance(item, str):
        return " ".join(item.split()).casefold()
    if isinstance(item, (bool, np.bool_)):
        return bool(item)
    if isinstance(item, numbers.Integral):
        return int(item)
    if isinstance(item, numbers.Real) and math.isfinite(item):
        return float(item)
    return None


def _kind(items):
    types = {type(item) for item in items}
    if types == {bool}:
        return "truth value"
    if types == {int}:
        return "whole number"
    if types <= {int, float}:
        return "number"
    return "word" if types == {str} else "numbers and words"


def _default_step(items):
    largest = max(abs(item) for item in items)
    return 10.0 ** (math.floor(math.log10(largest)) - 2) if largest else 1e-3


def _numbers(label, items):
    """Return the numbers to compare: a few one by one, many by weighted sums, each of which they all enter."""
    if len(items) <= _MOST_SINGLE:
        return items
    rng = np.random.default_rng(list(label.encode()))
    signs = rng.choice([-1.0, 1.0], size=(_SUMS, len(items)))
    return (signs @ np.asarray(items) / math.sqrt(len(items))).tolist()


def _meets(label, items, step, digests):
    if step is None:
        # 14.0 is as good as 14.
        exact = [int(item) if isinstance(item, float) and item.is_integer() else item for item in items]
        return _digest(label, 0, exact) == digests[0]
    if not all(isinstance(item, (int, float)) for item in items):
        return False
    return all(
        any(_digest(label, place, round(number / step) + shift) == digests[place] for shift in (0, -1, 1))
        for place, number in enumerate(_numbers(label, items))
    )


def _digest(label, place, content):
    text = json.dumps(content)
    return hashlib.pbkdf2_hmac("sha256", text.encode(), f"{label}/{place}".encode(), _ROUNDS).hex()[:16]


def _size(shape):
    if shape == ():
        return "one value"
    return f"{shape[0]} values" if len(shape) == 1 else f"{' × '.join(map(str, shape))} values"
