"""Self-checks for the exercises: they say right or wrong, and do not show the answer.

An answer is kept as salted digests. Whole numbers, words and truth values must be met exactly. Other numbers are
rounded to a step, and the digests of the neighbouring steps count as well: within one step is right, beyond two steps
is wrong. Digests keep an honest reader from seeing the answer by accident; they do not stop one who tries all numbers.
A tolerance, a key or an expected answer that cannot be one raises an :class:`~course_utils.errors.ArgumentError`.
"""

import collections.abc
import dataclasses
import hashlib
import html
import json
import math
import numbers

import numpy as np

from course_utils.errors import ArgumentError, check_number, moved_names
from course_utils.results import tell_runner

__all__ = ["Verdict", "check_answer", "note", "seal"]

__getattr__ = moved_names(__name__, {"check": "course_utils.exercises.check_answer"})

# Slow on purpose: trying all whole numbers up to a million takes minutes instead of a second.
_ROUNDS = 2_000
# So many numbers are compared one by one; of more, so many sums.
_MOST_SINGLE, _SUMS = 16, 8


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a self-check says: ``"right"``, ``"wrong"``, or ``"open"`` as long as there is no answer, and why."""

    label: str
    state: str
    message: str

    def __repr__(self):
        mark = {"right": "✔", "wrong": "✘", "open": "◌"}[self.state]
        return f"{mark} {self.label}: {self.message}"

    def _repr_html_(self):
        return f'<p class="verdict verdict-{self.state}">{html.escape(repr(self))}</p>'


def seal(label, value, *, tolerance=None):
    """Make the key that :func:`check_answer` compares an answer with.

    Parameters
    ----------
    label : str
        The exercise; it salts the digests.
    value : number, bool, str, or a sequence, mapping, array or table of these
        The expected answer. Of a mapping the values count, in their order.
    tolerance : float, optional
        How far numbers may be off, at least 1e-12. If not given, whole numbers must be exact, and others may be off by
        one in the third digit of the largest.

    Returns
    -------
    str
        JSON that holds digests, the shape of the answer and the step.

    Examples
    --------
    >>> key = seal("ex-sum", 0.8852, tolerance=0.01)
    >>> check_answer("ex-sum", 0.88, key), check_answer("ex-sum", 0.8, key)
    (✔ ex-sum: right., ✘ ex-sum: not yet.)
    """
    shape, items = _flatten(value)
    kind = _kind(items)
    if tolerance is not None:
        check_number("tolerance", tolerance, minimum=1e-12)
    if kind == "number" or (tolerance is not None and kind == "whole number"):
        largest = max(map(abs, items))
        third_digit = 10.0 ** (math.floor(math.log10(largest)) - 2) if largest else 1e-3
        kind, step = "number", float(tolerance or third_digit)
        digests = [_digest(label, place, number) for place, number in enumerate(_in_steps(label, items, step))]
    else:
        step, digests = None, [_digest(label, 0, items)]
    return json.dumps({"shape": list(shape), "kind": kind, "step": step, "digests": digests})


def check_answer(label, answer, key, *, made_from=""):
    """Say whether an answer is right.

    Parameters
    ----------
    label, key : str
        The exercise, and what :func:`seal` returned for it.
    answer : object
        The student's answer; ``...`` if there is none yet.
    made_from : str, optional
        What the expected answer was computed with, to be shown beside a wrong one, which may come from other data.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> check_answer("ex-size", 14, seal("ex-size", (14, 14)))
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
        found, items = _flatten(answer)
        yours = _size(found)
    except ArgumentError:
        found, yours = None, f"a {type(answer).__name__}"
    if found == shape and _meets(label, items, step, digests):
        return Verdict(label, "right", "right.")
    reason = made_from if found == shape else f"{wanted}; yours is {yours}."
    return Verdict(label, "wrong", f"not yet. {reason}".rstrip())


def note(label, expression, value, *, tolerance=None):
    """Keep the key of an executed solution in the notebook's outputs, for the student edition.

    Parameters
    ----------
    label, value, tolerance
        As for :func:`seal`.
    expression : str
        What gave the value.

    Returns
    -------
    str or None
        The key; None if the value cannot be sealed.

    Examples
    --------
    >>> note("ex-size", "print", print) is None
    True
    """
    if tolerance is not None:
        check_number("tolerance", tolerance, minimum=1e-12)
    try:
        key = seal(label, value, tolerance=tolerance)
    except ArgumentError:
        key = None
    tell_runner("answer", {"label": label, "expression": expression, "key": key})
    return key


def _flatten(value):
    """Return the shape of an answer, and its numbers and words in one list."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif isinstance(value, collections.abc.Mapping):
        value = list(value.values())
    elif isinstance(value, collections.abc.Set):
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
    if isinstance(item, numbers.Real) and math.isfinite(item):
        return int(item) if isinstance(item, numbers.Integral) else float(item)
    return None


def _kind(items):
    kinds = {(bool,): "truth value", (int,): "whole number", (float,): "number", (str,): "word"}
    types = {type(item) for item in items}
    return "number" if types == {int, float} else kinds.get(tuple(types), "numbers and words")


def _in_steps(label, items, step):
    """Return the numbers to compare: a few one by one, many by weighted sums, each of which they all enter."""
    if len(items) > _MOST_SINGLE:
        signs = np.random.default_rng(list(label.encode())).choice([-1.0, 1.0], size=(_SUMS, len(items)))
        items = (signs @ np.asarray(items) / math.sqrt(len(items))).tolist()
    return [round(item / step) for item in items]


def _meets(label, items, step, digests):
    if step is None:
        # 14.0 is as good as 14.
        exact = [int(item) if isinstance(item, float) and item.is_integer() else item for item in items]
        return _digest(label, 0, exact) == digests[0]
    if not all(isinstance(item, (int, float)) for item in items):
        return False
    return all(
        any(_digest(label, place, number + shift) == digests[place] for shift in (0, -1, 1))
        for place, number in enumerate(_in_steps(label, items, step))
    )


def _digest(label, place, content):
    text = json.dumps(content)
    return hashlib.pbkdf2_hmac("sha256", text.encode(), f"{label}/{place}".encode(), _ROUNDS).hex()[:16]


def _size(shape):
    return f"{' × '.join(map(str, shape))} values" if shape else "one value"
