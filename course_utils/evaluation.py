"""How good is a classifier, how sure can we be, and is one better than another?

Everything here works on arrays (NumPy, SciPy, pandas), so it serves any framework: a classifier is a function
from images to scores or to labels. The results are small frozen objects; ``course_utils.plots`` draws them.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import special, stats

from course_utils.errors import ArgumentError, check_integer, check_number

__all__ = [
    "ClassifierReport",
    "evaluate_classifier",
    "evaluate_predictions",
    "softmax",
    "wilson_interval",
]


def softmax(scores):
    """Turn scores (logits) into probabilities, row by row.

    Parameters
    ----------
    scores : array_like of float, shape (..., n_classes)
        Any finite real numbers.

    Returns
    -------
    ndarray of float64, shape (..., n_classes)
        Non-negative; each row sums to 1.

    Raises
    ------
    ArgumentError
        If `scores` is a single number, is empty along its last axis, or holds NaN or infinity.

    Examples
    --------
    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    scores = _finite_array("softmax", "scores", scores)
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ArgumentError(
            f"softmax: scores has shape {scores.shape}; it must be (..., n_classes), n_classes ≥ 1"
        )
    return special.softmax(scores, axis=-1)


def wilson_interval(successes, n, *, confidence=0.95):
    """Score interval of a proportion (Wilson, 1927): honest near 0 and 1, where "± 2 standard errors" is not.

    Parameters
    ----------
    successes : int or array_like of int
        Number of successes, for instance of images classified rightly.
    n : int or array_like of int
        Number of trials. With ``n = 0`` nothing is known and the interval is 0 to 1.
    confidence : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    (low, high) : tuple of float, or of ndarray of float64 where arrays were given

    Raises
    ------
    ArgumentError
        If a count is negative or not whole, `successes` exceeds `n`, or `confidence` is not between 0 and 1.

    Examples
    --------
    >>> low, high = wilson_interval(8852, 10_000)
    >>> round(low, 4), round(high, 4)
    (0.8788, 0.8913)
    >>> low, high = wilson_interval(10, 10)
    >>> round(low, 3), high
    (0.722, 1.0)
    """
    successes, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    for name, value in (("successes", successes), ("n", n)):
        if not np.all((value >= 0) & (value == np.floor(value)) & np.isfinite(value)):
            raise ArgumentError(
                f"wilson_interval: {name} is {value}; counts must be whole numbers of at least 0"
            )
    if np.any(successes > n):
        raise ArgumentError(
            f"wilson_interval: successes is {successes}, n is {n}; successes must be at most n"
        )
    z = stats.norm.ppf(0.5 + _confidence("wilson_interval", confidence) / 2)
    trials = np.maximum(n, 1)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # At 0 and at n successes the bound is exactly 0 or 1; rounding would leave it a hair off.
    low = np.where(successes == 0, 0.0, centre - half)
    high = np.where(successes == n, 1.0, centre + half)
    if low.ndim == 0:
        return float(low), float(high)
    return low, high


@dataclass(frozen=True, eq=False)
class ClassifierReport:
    """What a classifier did on one set of labelled images; made by :func:`evaluate_classifier`.

    Attributes
    ----------
    class_names : tuple of str
        Names of the classes; a label is an index into it.
    labels : ndarray of int64, shape (n,)
        True classes, in the order in which the images were given.
    predictions : ndarray of int64, shape (n,)
        Predicted classes.
    scores : ndarray of float, shape (n, n_classes), or None
        The scores as the classifier gave them (logits or probabilities); None if it gave labels.
    seconds : float
        Wall time of all the calls of the classifier; NaN if the predictions were made elsewhere.

    Examples
    --------
    >>> report = evaluate_predictions([0, 0, 1, 1], [0, 0, 0, 1], class_names=["cat", "dog"])
    >>> report
    <ClassifierReport: accuracy 0.750 (95 % interval 0.301 to 0.954) on 4 images of 2 classes>
    >>> report.confusion
    array([[2, 1],
           [0, 1]])
    """

    class_names: tuple
    labels: np.ndarray
    predictions: np.ndarray
    scores: np.ndarray | None = None
    seconds: float = float("nan")

    @property
    def n(self):
        """Number of images (int)."""
        return len(self.labels)

    @cached_property
    def correct(self):
        """Which images were classified rightly: ndarray of bool, shape (n,)."""
        return self.predictions == self.labels

    @property
    def accuracy(self):
        """Share of images classified rightly (float)."""
        return float(self.correct.mean())

    @property
    def interval(self):
        """Wilson's 95 % interval of the accuracy: (low, high).

        It covers the choice of test images only, not that of the seed; see :func:`summarise_seeds` for that.
        """
        return wilson_interval(int(self.correct.sum()), self.n)

    @cached_property
    def confusion(self):
        """Counts: ndarray of int64, shape (n_classes, n_classes); rows are true and columns predicted ones."""
        k = len(self.class_names)
        return np.bincount(self.labels * k + self.predictions, minlength=k * k).reshape(k, k)

    @cached_property
    def confusion_normalised(self):
        """:attr:`confusion` divided by its row sums; its diagonal is the accuracy per class.

        The row of a class without images is NaN.
        """
        return _divide(self.confusion, self.confusion.sum(axis=1, keepdims=True))

    @cached_property
    def per_class(self):
        """One row a class: DataFrame with columns precision, recall, f1, support, low, high.

        ``recall`` is the accuracy per class and ``low`` to ``high`` its 95 % Wilson interval. Precision is
        NaN where the class was never predicted; recall is NaN where it has no images (``support`` 0).
        """
        hits, support = np.diag(self.confusion), self.confusion.sum(axis=1)
        predicted = self.confusion.sum(axis=0)
        low, high = wilson_interval(hits, support)
        columns = {
            "precision": _divide(hits, predicted),
            "recall": _divide(hits, support),
            "f1": _divide(2 * hits, support + predicted),
            "support": support,
            "low": np.where(support > 0, low, np.nan),
            "high": np.where(support > 0, high, np.nan),
        }
        return pd.DataFrame(columns, index=pd.Index(self.class_names, name="class"))

    @property
    def balanced_accuracy(self):
        """Mean recall of the classes that have images (float): each class counts the same, however small."""
        return float(self.per_class["recall"].mean())

    def most_confused(self, k=5):
        """The k largest confusions, as a DataFrame with columns true, predicted, count, share.

        Parameters
        ----------
        k : int
            Most rows to return. Pairs that were never confused are left out, so there may be fewer.

        Returns
        -------
        DataFrame
            ``share`` is the part of the true class's images that went to the wrong class. Largest count
            first; equal counts in the order of the classes.

        Raises
        ------
        ArgumentError
            If `k` is not a whole number of at least 1.
        """
        k = check_integer("most_confused", "k", k, minimum=1)
        off_diagonal = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-off_diagonal, axis=None, kind="stable")[:k]
        true, predicted = np.unravel_index(order, off_diagonal.shape)
        table = pd.DataFrame(
            {
                "true": [self.class_names[i] for i in true],
                "predicted": [self.class_names[j] for j in predicted],
                "count": off_diagonal[true, predicted],
                "share": self.confusion_normalised[true, predicted],
            }
        )
        return table[table["count"] > 0]

    def __repr__(self):
        low, high = self.interval
        return (
            f"<ClassifierReport: accuracy {self.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}) "
            f"on {self.n} images of {len(self.class_names)} classes>"
        )


def evaluate_classifier(predict, x, y, *, class_names, batch_size=1000):
    """Run a classifier over labelled images and report on every side of its accuracy.

    Parameters
    ----------
    predict : callable
        ``predict(images)`` returns scores, shape (m, n_classes), logits or probabilities (the largest wins;
        of equal ones the first), or labels, shape (m,) of int.
    x : array_like, shape (n, ...)
        The images, as `predict` wants them.
    y : array_like of int, shape (n,)
        True classes, 0 to ``n_classes - 1``.
    class_names : sequence of str
        Names of the classes.
    batch_size : int or None
        Images given to `predict` at a time; None for all at once.

    Returns
    -------
    ClassifierReport
        Its ``seconds`` is the time spent in `predict`, the first call's compilation included: for a fair
        timing of inference use :func:`time_call`.

    Raises
    ------
    ArgumentError
        If `predict` cannot be called, lengths do not fit, a label is not a class, or a score is NaN or
        infinite.

    Examples
    --------
    >>> import numpy as np
    >>> brightness = np.array([[0.1], [0.4], [0.7], [0.9]])
    >>> report = evaluate_classifier(lambda x: np.hstack([0.5 - x, x - 0.5]), brightness, [0, 0, 1, 0],
    ...                              class_names=["dark", "bright"])
    >>> report.accuracy
    0.75
    >>> report.most_confused()
        true predicted  count     share
    0   dark    bright      1  0.333333
    """
    if not callable(predict):
        raise ArgumentError(
            f"evaluate_classifier: predict is {type(predict).__name__}; it must be a function of images"
        )
    x = np.asarray(x)
    n = len(x) if x.ndim else 0
    if n == 0:
        raise ArgumentError(f"evaluate_classifier: x has shape {x.shape}; it must hold at least one image")
    step = (
        n if batch_size is None else check_integer("evaluate_classifier", "batch_size", batch_size, minimum=1)
    )
    outputs = []
    started = time.perf_counter()
    for start in range(0, n, step):
        outputs.append(np.asarray(predict(x[start : start + step])))
    seconds = time.perf_counter() - started
    for start, output in zip(range(0, n, step), outputs, strict=True):
        if output.ndim == 0 or len(output) != min(step, n - start):
            raise ArgumentError(
                f"evaluate_classifier: predict gave shape {output.shape} for {min(step, n - start)} images; "
                "it must give one row or one label an image"
            )
    return _report("evaluate_classifier", np.concatenate(outputs), y, class_names, seconds)


def evaluate_predictions(predictions, y, *, class_names):
    """Report on predictions that are already there, for instance after mapping them to other classes.

    Parameters
    ----------
    predictions : array_like, shape (n,) of int or (n, n_classes) of float
        Predicted labels, or scores.
    y : array_like of int, shape (n,)
        True classes, 0 to ``n_classes - 1``.
    class_names : sequence of str
        Names of the classes.

    Returns
    -------
    ClassifierReport
        Its ``seconds`` is NaN.

    Raises
    ------
    ArgumentError
        As :func:`evaluate_classifier`.

    Examples
    --------
    >>> evaluate_predictions([[0.2, 0.8], [0.6, 0.4]], [1, 1], class_names=["no", "yes"]).correct
    array([ True, False])
    """
    return _report("evaluate_predictions", np.asarray(predictions), y, class_names, float("nan"))


def _report(function, output, y, class_names, seconds):
    class_names = tuple(str(name) for name in class_names)
    labels = _class_labels(function, "y", y, len(class_names))
    if output.shape[:1] != labels.shape:
        raise ArgumentError(
            f"{function}: y has {len(labels)} labels for predictions of shape {output.shape}; the lengths "
            "must be equal"
        )
    if output.ndim == 1:
        predictions = _class_labels(function, "predictions", output, len(class_names))
        return ClassifierReport(class_names, labels, predictions, None, seconds)
    if output.ndim != 2 or output.shape[1] != len(class_names):
        raise ArgumentError(
            f"{function}: predictions have shape {output.shape}; with {len(class_names)} class_names they "
            f"must be (n,) labels or (n, {len(class_names)}) scores"
        )
    _finite_array(function, "scores", output)
    return ClassifierReport(class_names, labels, output.argmax(axis=1), output, seconds)


def _class_labels(function, name, values, n_classes):
    values = np.asarray(values)
    if values.ndim != 1 or len(values) == 0 or values.dtype.kind not in "iu":
        raise ArgumentError(
            f"{function}: {name} has shape {values.shape} and dtype {values.dtype}; it must be a non-empty "
            "(n,) array of integers"
        )
    low, high = values.min(), values.max()
    if low < 0 or high >= n_classes:
        raise ArgumentError(
            f"{function}: {name} runs from {low} to {high}; with {n_classes} class_names it must lie in 0 "
            f"to {n_classes - 1}"
        )
    return values.astype(np.int64)


def _finite_array(function, name, values):
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{function}: {name} is no array of numbers ({error}); it must be one") from error
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise ArgumentError(
            f"{function}: {name} holds {bad} values that are NaN or infinite; all must be finite"
        )
    return values


def _confidence(function, confidence):
    confidence = check_number(function, "confidence", confidence, minimum=0, maximum=1)
    if confidence in (0.0, 1.0):
        raise ArgumentError(
            f"{function}: confidence is {confidence:g}; it must lie between 0 and 1, without the ends"
        )
    return confidence


def _divide(numerator, denominator):
    """Divide; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
