"""How good is a classifier, how sure can we be, and is one better than another?

Everything here works on arrays (NumPy, SciPy, pandas), so it serves any framework: a classifier is a function
from images to scores or to labels. The results are small frozen objects; :mod:`course_utils.plots` draws them.
"""

import hashlib
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import special, stats

from course_utils import images
from course_utils.errors import ArgumentError, check_integer, check_number

__all__ = [
    "ClassifierReport",
    "LeakageReport",
    "PairedComparison",
    "PowerLawFit",
    "SeedSummary",
    "Timing",
    "check_leakage",
    "compare_paired",
    "divergence_epoch",
    "evaluate_classifier",
    "evaluate_predictions",
    "fit_power_law",
    "softmax",
    "summarise_seeds",
    "time_call",
    "wilson_interval",
]

THUMBNAIL = 16  # side in pixels of the thumbnails in which near duplicates are looked for


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
        raise ArgumentError(f"scores has shape {scores.shape}; it must be (..., n_classes), n_classes ≥ 1")
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
            raise ArgumentError(f"{name} is {value}; counts must be whole numbers of at least 0")
    if np.any(successes > n):
        raise ArgumentError(f"successes is {successes}, n is {n}; successes must be at most n")
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
    <ClassifierReport: accuracy 0.750 (95% interval 0.301 to 0.954) on 4 images of 2 classes>
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
        """Which images were classified rightly, an ndarray of bool, shape (n,)."""
        return self.predictions == self.labels

    @property
    def accuracy(self):
        """Share of images classified rightly (float)."""
        return float(self.correct.mean())

    @property
    def interval(self):
        """Wilson's 95% interval of the accuracy, a pair of float (low, high).

        It covers the choice of test images only, not that of the seed; see :func:`summarise_seeds` for that.
        """
        return wilson_interval(int(self.correct.sum()), self.n)

    @cached_property
    def confusion(self):
        """Counts of images, an ndarray of int64, shape (n_classes, n_classes); rows are true, columns predicted."""
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
        """A DataFrame with one row a class, columns ``precision``, ``recall``, ``f1``, ``support``, ``low``, ``high``.

        ``recall`` is the accuracy per class and ``low`` to ``high`` its 95% Wilson interval. Precision is
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
        """Mean recall of the classes that have images (float); each class counts the same, however small."""
        return float(self.per_class["recall"].mean())

    def most_confused(self, k=5):
        """List the `k` largest confusions.

        Parameters
        ----------
        k : int
            Most rows to return. Pairs that were never confused are left out, so there may be fewer.

        Returns
        -------
        pandas.DataFrame
            Columns ``true``, ``predicted``, ``count``, ``share``, the part of the true class's images that went to
            the wrong class. Largest count first; equal counts in the order of the classes.

        Raises
        ------
        ArgumentError
            If `k` is not a whole number of at least 1.
        """
        k = check_integer("k", k, minimum=1)
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
            f"<ClassifierReport: accuracy {self.accuracy:.3f} (95% interval {low:.3f} to {high:.3f}) "
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
        raise ArgumentError(f"predict is {type(predict).__name__}; it must be a function of images")
    x = np.asarray(x)
    n = len(x) if x.ndim else 0
    if n == 0:
        raise ArgumentError(f"x has shape {x.shape}; it must hold at least one image")
    step = n if batch_size is None else check_integer("batch_size", batch_size, minimum=1)
    outputs = []
    started = time.perf_counter()
    for start in range(0, n, step):
        outputs.append(np.asarray(predict(x[start : start + step])))
    seconds = time.perf_counter() - started
    for start, output in zip(range(0, n, step), outputs, strict=True):
        if output.ndim == 0 or len(output) != min(step, n - start):
            raise ArgumentError(
                f"predict gave shape {output.shape} for {min(step, n - start)} images; "
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


@dataclass(frozen=True)
class PairedComparison:
    """Two classifiers on the same test images; made by :func:`compare_paired`.

    Attributes
    ----------
    n : int
        Number of images.
    accuracy_a, accuracy_b : float
        Share that each classified rightly.
    only_a, only_b : int
        Images that only a, or only b, classified rightly. All the evidence is in these.
    difference : float
        ``accuracy_a - accuracy_b``.
    low, high : float
        95% interval of the difference (Bonett and Price, 2012).
    p_value : float
        McNemar's exact two-sided test of "a and b are equally often right".
    """

    n: int
    accuracy_a: float
    accuracy_b: float
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p_value: float

    def _repr_html_(self):
        row = {
            "accuracy of a": f"{self.accuracy_a:.3f}",
            "accuracy of b": f"{self.accuracy_b:.3f}",
            "only a right": self.only_a,
            "only b right": self.only_b,
            "a - b": f"{self.difference:+.3f}",
            "95% interval": f"{self.low:+.3f} to {self.high:+.3f}",
            "p": f"{self.p_value:.2g}",
        }
        return pd.DataFrame([row]).to_html(index=False, border=0)


def compare_paired(correct_a, correct_b):
    """Compare two classifiers image by image on the same test images (McNemar, 1947, exact).

    Images that both get right, or both wrong, say nothing about which is better. That is why two accuracies
    whose own intervals overlap can still differ clearly.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Which images each classified rightly, in the same order (``ClassifierReport.correct``).

    Returns
    -------
    PairedComparison
        It speaks of these two trained networks, not of their recipes: another seed gives another network. For
        that see :func:`summarise_seeds`.

    Raises
    ------
    ArgumentError
        If the arrays are no booleans, are empty, or differ in length.

    Examples
    --------
    >>> a = [True] * 90 + [False] * 10
    >>> b = [True] * 80 + [False] * 20
    >>> comparison = compare_paired(a, b)
    >>> comparison.only_a, comparison.only_b, round(comparison.p_value, 4)
    (10, 0, 0.002)
    """
    a, b = (
        _booleans("compare_paired", name, values)
        for name, values in (("correct_a", correct_a), ("correct_b", correct_b))
    )
    if len(a) != len(b):
        raise ArgumentError(f"correct_a has {len(a)} entries, correct_b has {len(b)}; both must be of the same images")
    n, only_a, only_b = len(a), int(np.sum(a & ~b)), int(np.sum(b & ~a))
    discordant = only_a + only_b
    p_value = stats.binomtest(only_a, discordant, 0.5).pvalue if discordant else 1.0
    # Bonett and Price: one image is added to either kind, so that the interval is honest for small counts
    # too.
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = stats.norm.ppf(0.975) * np.sqrt((share_a + share_b - (share_a - share_b) ** 2) / (n + 2))
    centre = share_a - share_b
    return PairedComparison(
        n=n,
        accuracy_a=float(a.mean()),
        accuracy_b=float(b.mean()),
        only_a=only_a,
        only_b=only_b,
        difference=(only_a - only_b) / n,
        low=float(max(-1.0, centre - half)),
        high=float(min(1.0, centre + half)),
        p_value=float(p_value),
    )


@dataclass(frozen=True, eq=False)
class SeedSummary:
    """One number measured from several seeds; made by :func:`summarise_seeds`.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        The values, as given.
    mean : float
        Their mean.
    std : float
        Their standard deviation (divisor n - 1); NaN for one value.
    low, high : float
        95% interval of the mean (Student's t); NaN for one value.
    """

    values: np.ndarray
    mean: float
    std: float
    low: float
    high: float

    @property
    def n(self):
        """Number of seeds (int)."""
        return len(self.values)

    @property
    def next_run(self):
        """95% prediction interval of one more run, (low, high); NaN for one value.

        A single number, such as one that somebody reports, belongs beside this interval. `low` and `high` say where
        the *mean* lies, and they close in on it the more runs there are; one more run scatters as much as ever.
        """
        half = float(stats.t.ppf(0.975, max(self.n - 1, 1)) * self.std * np.sqrt(1 + 1 / self.n))
        return self.mean - half, self.mean + half

    @property
    def spread(self):
        """Greatest minus least value (float)."""
        return float(np.ptp(self.values))


def summarise_seeds(values):
    """Mean and 95% t interval of one number over training runs that differ only in the seed.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        For instance the test accuracies.

    Returns
    -------
    SeedSummary
        The interval of one run is NaN: a single run says nothing about its own spread.

    Raises
    ------
    ArgumentError
        If there is no value, or one is NaN or infinite.

    Examples
    --------
    >>> summary = summarise_seeds([0.88, 0.89, 0.87])
    >>> f"{summary.mean:.3f} ({summary.low:.3f} to {summary.high:.3f})"
    '0.880 (0.855 to 0.905)'
    """
    values = _vector("summarise_seeds", "values", values)
    # Summed in a fixed order, so that the order of the seeds does not change a single bit.
    ordered = np.sort(values)
    mean = float(ordered.mean())
    if len(values) == 1:
        return SeedSummary(values, mean, float("nan"), float("nan"), float("nan"))
    std = float(ordered.std(ddof=1))
    half = float(stats.t.ppf(0.975, len(values) - 1) * std / np.sqrt(len(values)))
    return SeedSummary(values, mean, std, mean - half, mean + half)


@dataclass(frozen=True, eq=False)
class Timing:
    """Wall times of a call; made by :func:`time_call`.

    Attributes
    ----------
    seconds : ndarray of float64, shape (repeats,)
        Seconds of each call, in order, the warm-up calls left out.
    """

    seconds: np.ndarray

    @property
    def median(self):
        """Median seconds a call (float), which is what to expect."""
        return float(np.median(self.seconds))

    @property
    def minimum(self):
        """Least seconds a call (float), which the machine can do when nothing else runs."""
        return float(self.seconds.min())


def time_call(fn, *, repeats=5, warmup=1):
    """Time a call, after warm-up calls that pay for compilation and cold caches.

    Parameters
    ----------
    fn : callable
        Called without arguments. It must wait for its result (return a NumPy array, not a promise of one).
    repeats : int
        Calls to time, at least 1.
    warmup : int
        Calls before them, at least 0.

    Returns
    -------
    Timing

    Raises
    ------
    ArgumentError
        If `fn` cannot be called, or a count is too small.

    Examples
    --------
    >>> timing = time_call(lambda: sum(range(1000)), repeats=3)
    >>> 0 < timing.minimum <= timing.median < 1
    True
    """
    if not callable(fn):
        raise ArgumentError(f"fn is {type(fn).__name__}; it must be a function without arguments")
    repeats = check_integer("repeats", repeats, minimum=1)
    for _ in range(check_integer("warmup", warmup, minimum=0)):
        fn()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        fn()
        seconds.append(time.perf_counter() - started)
    return Timing(np.array(seconds))


@dataclass(frozen=True, eq=False)
class PowerLawFit:
    """``error = coefficient * size ** -exponent``; made by :func:`fit_power_law`.

    Attributes
    ----------
    sizes, errors : ndarray of float64, shape (n,)
        The measurements.
    coefficient, exponent : float
        The fitted law. With exponent 0.5 four times the data halve the error.
    exponent_interval : tuple of float
        95% interval of the exponent; NaN if there are only two measurements.
    r_squared : float
        Share of the variance of the log errors that the law explains.
    """

    sizes: np.ndarray
    errors: np.ndarray
    coefficient: float
    exponent: float
    exponent_interval: tuple
    r_squared: float

    def predict(self, sizes):
        """Extrapolate: the error at other sizes, with the 95% interval of one new measurement there.

        Parameters
        ----------
        sizes : float or array_like of float
            Training-set sizes, greater than 0.

        Returns
        -------
        (error, low, high) : tuple of ndarray of float64, each of the shape of `sizes`
            The interval trusts that the law goes on to hold. A curve that flattens breaks that trust, so
            extrapolate to twice the largest size with confidence and to a hundred times with none.

        Raises
        ------
        ArgumentError
            If a size is not positive.
        """
        sizes = _positive("PowerLawFit.predict", "sizes", sizes)
        x, y = np.log(self.sizes), np.log(self.errors)
        centred = np.log(sizes) - x.mean()
        error = self.coefficient * sizes**-self.exponent
        freedom = len(x) - 2
        if freedom == 0:
            return error, np.full_like(error, np.nan), np.full_like(error, np.nan)
        residuals = y - np.log(self.coefficient) + self.exponent * x
        noise = np.sqrt(np.sum(residuals**2) / freedom)
        leverage = 1 / len(x) + centred**2 / np.sum((x - x.mean()) ** 2)
        factor = np.exp(stats.t.ppf(0.975, freedom) * noise * np.sqrt(1 + leverage))
        return error, error / factor, error * factor


def fit_power_law(sizes, errors):
    """Fit a learning curve, error against training-set size: straight on log axes (Hestness et al., 2017).

    Parameters
    ----------
    sizes : array_like of float, shape (n,)
        Training-set sizes, greater than 0, at least two different ones. Several seeds: give a size several
        times.
    errors : array_like of float, shape (n,)
        Test errors (1 - accuracy), greater than 0.

    Returns
    -------
    PowerLawFit
        By least squares on the logarithms.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is not positive, or there are fewer than two different sizes.

    Examples
    --------
    >>> fit = fit_power_law([5_000, 10_000, 20_000, 40_000], [0.51, 0.44, 0.37, 0.32])
    >>> round(fit.exponent, 2)
    0.23
    >>> error, low, high = fit.predict(80_000)
    >>> print(f"{error:.2f} ({low:.2f} to {high:.2f})")
    0.27 (0.26 to 0.29)
    """
    sizes = _positive("fit_power_law", "sizes", _vector("fit_power_law", "sizes", sizes))
    errors = _positive("fit_power_law", "errors", _vector("fit_power_law", "errors", errors))
    if len(sizes) != len(errors):
        raise ArgumentError(f"sizes has {len(sizes)} values, errors has {len(errors)}; the numbers must be equal")
    if len(np.unique(sizes)) < 2:
        raise ArgumentError(f"sizes is {sizes}; it must hold at least two different sizes")
    line = stats.linregress(np.log(sizes), np.log(errors))
    freedom = len(sizes) - 2
    half = stats.t.ppf(0.975, freedom) * line.stderr if freedom else np.nan
    return PowerLawFit(
        sizes=sizes,
        errors=errors,
        coefficient=float(np.exp(line.intercept)),
        exponent=float(-line.slope),
        exponent_interval=(float(-line.slope - half), float(-line.slope + half)),
        r_squared=float(line.rvalue**2),
    )


def divergence_epoch(train, validation, *, higher_is_better=False, threshold=2.0):
    """Find where two learning curves part: from which epoch on training is better than validation, for good.

    The gap (validation loss minus training loss) is noisy. Its noise is estimated from its third
    differences `d`, which a smooth trend hardly enters: ``sigma = 1.4826 * median(abs(d)) / sqrt(20)``. The curves
    have parted at the first epoch from which the gap stays above ``threshold * sigma`` to the end.

    Parameters
    ----------
    train, validation : array_like of float, shape (n_epochs,)
        The two curves, one value an epoch.
    higher_is_better : bool
        True for accuracies, False for losses and errors.
    threshold : float
        How far above its noise the gap must be, at least 0.

    Returns
    -------
    int or None
        The epoch, counted from 1; None if the curves have not parted by the end.

    Raises
    ------
    ArgumentError
        If the curves are empty, differ in length, or hold NaN or infinity.

    Examples
    --------
    >>> divergence_epoch([1.0, 0.8, 0.6, 0.4, 0.2], [1.0, 0.8, 0.7, 0.7, 0.8])
    3
    >>> divergence_epoch([1.0, 0.8, 0.6], [0.9, 0.7, 0.5]) is None
    True
    """
    train = _vector("divergence_epoch", "train", train)
    validation = _vector("divergence_epoch", "validation", validation)
    threshold = check_number("threshold", threshold, minimum=0)
    if len(train) != len(validation):
        raise ArgumentError(f"train has {len(train)} epochs, validation has {len(validation)}; both must have the same")
    gap = train - validation if higher_is_better else validation - train
    bends = np.abs(np.diff(gap, n=3))
    noise = 1.4826 * np.median(bends) / np.sqrt(20) if len(bends) else 0.0
    together = np.flatnonzero(gap <= threshold * noise)
    first = int(together[-1]) + 1 if len(together) else 0
    return first + 1 if first < len(gap) else None


@dataclass(frozen=True, eq=False)
class LeakageReport:
    """Test images that are also in the training set; made by :func:`check_leakage`.

    Attributes
    ----------
    n_train, n_test : int
        Images compared.
    exact : ndarray of int64, shape (n_exact, 2)
        One row a test image that is, byte for byte, a training image: (training index, test index), the first
        such training image, in the order of the test images.
    near : ndarray of int64, shape (n_near, 2)
        The same for near duplicates, exact ones left out.
    similarity : ndarray of float64, shape (n_near,)
        How alike the pairs in `near` are, 1 at most.
    """

    n_train: int
    n_test: int
    exact: np.ndarray
    near: np.ndarray
    similarity: np.ndarray

    @property
    def n_exact(self):
        """Test images with an exact duplicate in the training set (int)."""
        return len(self.exact)

    @property
    def n_near(self):
        """Test images with a near duplicate only (int)."""
        return len(self.near)

    def __repr__(self):
        return (
            f"<LeakageReport: of {self.n_test} test images {self.n_exact} are exact and {self.n_near} near "
            f"duplicates of one of {self.n_train} training images>"
        )


def check_leakage(x_train, x_test, *, min_similarity=0.95, max_crowd=3):
    """Look for test images that are in the training set too, byte for byte or nearly.

    Exact duplicates are found by a hash of their bytes. For near ones (re-compressed, brightened, noisy,
    rescaled) every image becomes a grey thumbnail of 16 x 16 pixels, of which the differences between
    neighbouring pixels are kept: a perceptual hash without its rounding. The similarity of two images is the
    cosine of these. Mirrored, turned, or shifted copies are not found.

    Simple shapes look alike without being copies: thousands of trousers, or of handwritten ones. So a pair
    counts as near duplicate only if it stands out, that is, if at most `max_crowd` training images are closer
    to the test image than twice the distance (1 - similarity) of the closest.

    Parameters
    ----------
    x_train, x_test : array_like, shape (n, h, w) or (n, h, w, c)
        The images of both splits, of the same shape and dtype.
    min_similarity : float
        Least similarity of a near duplicate, between 0 and 1.
    max_crowd : int
        Most training images that may be about as close as the closest, itself included.

    Returns
    -------
    LeakageReport

    Raises
    ------
    ArgumentError
        If a split is empty, or shapes or dtypes differ.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x_train = rng.integers(0, 200, (50, 28, 28), dtype=np.uint8)
    >>> x_test = rng.integers(0, 200, (10, 28, 28), dtype=np.uint8)
    >>> x_test[3] = x_train[7]
    >>> x_test[5] = x_train[9] + 20
    >>> report = check_leakage(x_train, x_test)
    >>> report
    <LeakageReport: of 10 test images 1 are exact and 1 near duplicates of one of 50 training images>
    >>> report.exact, report.near
    (array([[7, 3]]), array([[9, 5]]))
    """
    x_train, x_test = np.asarray(x_train), np.asarray(x_test)
    for name, x in (("x_train", x_train), ("x_test", x_test)):
        if x.ndim not in (3, 4) or x.size == 0:
            raise ArgumentError(f"{name} has shape {x.shape}; it must be (n, h, w) or (n, h, w, c), n ≥ 1")
    if x_train.shape[1:] != x_test.shape[1:] or x_train.dtype != x_test.dtype:
        raise ArgumentError(
            f"x_train is {x_train.dtype} of shape {x_train.shape}, x_test {x_test.dtype} of "
            f"shape {x_test.shape}; image shape and dtype must be equal"
        )
    min_similarity = check_number("min_similarity", min_similarity, minimum=0, maximum=1)
    max_crowd = check_integer("max_crowd", max_crowd, minimum=1)
    exact = _exact_duplicates(x_train, x_test)
    rest = np.setdiff1d(np.arange(len(x_test)), exact[:, 1])
    nearest, similarity, crowd = _nearest_lookalike(x_train, x_test[rest], min_similarity)
    chosen = (similarity >= min_similarity) & (crowd <= max_crowd)
    near = np.stack([nearest[chosen], rest[chosen]], axis=1)
    return LeakageReport(len(x_train), len(x_test), exact, near, similarity[chosen])


def _exact_duplicates(x_train, x_test):
    seen = {}
    for i, image in enumerate(x_train):
        seen.setdefault(_digest(image), i)
    pairs = [(seen[digest], j) for j, digest in enumerate(map(_digest, x_test)) if digest in seen]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _digest(image):
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _nearest_lookalike(x_train, x_test, min_similarity):
    """For each test image: the most similar training image, how similar, and how many are about as close."""
    train, test = _fingerprints(x_train), _fingerprints(x_test)
    nearest = np.zeros(len(test), dtype=np.int64)
    similarity = np.zeros(len(test))
    crowd = np.zeros(len(test), dtype=np.int64)
    for start in range(0, len(test), 500):  # blocks of 500 rows keep the products in 120 MB for 60,000 images
        block = slice(start, start + 500)
        products = test[block] @ train.T
        nearest[block] = products.argmax(axis=1)
        best = products[np.arange(len(products)), nearest[block]]
        similarity[block] = best
        for row in np.flatnonzero(best >= min_similarity):
            crowd[start + row] = np.count_nonzero(products[row] >= 1 - 2 * (1 - best[row]))
    return nearest, similarity, crowd


def _fingerprints(x):
    """Unit vectors of differences between neighbouring pixels of grey thumbnails; zeros for a blank image."""
    grey = x.mean(axis=3, dtype=np.float32) if x.ndim == 4 else x.astype(np.float32)
    small = images.resize(grey[..., None], THUMBNAIL, interpolation="area")[..., 0]
    size = THUMBNAIL * (THUMBNAIL - 1)
    across = np.diff(small, axis=2).reshape(-1, size)
    down = np.diff(small, axis=1).reshape(-1, size)
    vectors = np.concatenate([across, down], axis=1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _report(function, output, y, class_names, seconds):
    class_names = tuple(str(name) for name in class_names)
    labels = _class_labels(function, "y", y, len(class_names))
    if output.shape[:1] != labels.shape:
        raise ArgumentError(
            f"y has {len(labels)} labels for predictions of shape {output.shape}; the lengths must be equal"
        )
    if output.ndim == 1:
        predictions = _class_labels(function, "predictions", output, len(class_names))
        return ClassifierReport(class_names, labels, predictions, None, seconds)
    if output.ndim != 2 or output.shape[1] != len(class_names):
        raise ArgumentError(
            f"predictions have shape {output.shape}; with {len(class_names)} class_names they "
            f"must be (n,) labels or (n, {len(class_names)}) scores"
        )
    _finite_array(function, "scores", output)
    return ClassifierReport(class_names, labels, output.argmax(axis=1), output, seconds)


def _class_labels(function, name, values, n_classes):
    values = np.asarray(values)
    if values.ndim != 1 or len(values) == 0 or values.dtype.kind not in "iu":
        raise ArgumentError(
            f"{name} has shape {values.shape} and dtype {values.dtype}; it must be a non-empty (n,) array of integers"
        )
    low, high = values.min(), values.max()
    if low < 0 or high >= n_classes:
        raise ArgumentError(
            f"{name} runs from {low} to {high}; with {n_classes} class_names it must lie in 0 to {n_classes - 1}"
        )
    return values.astype(np.int64)


def _finite_array(function, name, values):
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} is no array of numbers ({error}); it must be one") from error
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise ArgumentError(f"{name} holds {bad} values that are NaN or infinite; all must be finite")
    return values


def _confidence(function, confidence):
    confidence = check_number("confidence", confidence, minimum=0, maximum=1)
    if confidence in (0.0, 1.0):
        raise ArgumentError(f"confidence is {confidence:g}; it must lie between 0 and 1, without the ends")
    return confidence


def _divide(numerator, denominator):
    """Divide; NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def _vector(function, name, values):
    values = _finite_array(function, name, values)
    if values.ndim != 1 or len(values) == 0:
        raise ArgumentError(f"{name} has shape {values.shape}; it must be (n,), n ≥ 1")
    return values


def _positive(function, name, values):
    values = _finite_array(function, name, values)
    if np.any(values <= 0):
        raise ArgumentError(f"{name} has a value of {values.min():g}; all must be greater than 0")
    return values


def _booleans(function, name, values):
    values = np.asarray(values)
    if values.ndim != 1 or len(values) == 0 or values.dtype != bool:
        raise ArgumentError(
            f"{name} has shape {values.shape} and dtype {values.dtype}; it must be a non-empty (n,) array of booleans"
        )
    return values
