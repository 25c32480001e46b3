"""How good is a classifier, how sure can we be, and is one better than another?

Everything here works on arrays (NumPy, SciPy), so it serves any framework: a classifier is a function from images
to scores or to labels. The results are small frozen objects; :mod:`course_utils.plots` draws them.

Where an argument is not what a docstring asks for, a function raises an
:class:`~course_utils.errors.ArgumentError` that says so: arrays that are empty or of unequal length, counts that are
negative, NaN and infinity.
"""

import hashlib
import time
import timeit
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special, stats

from course_utils import images
from course_utils.errors import ArgumentError, check_integer, check_number, require

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

_THUMBNAIL = 16  # side in pixels of the thumbnails in which near duplicates are looked for
_CROWD = 3  # most training images that are about as close as a near duplicate, itself included


def softmax(scores):
    """Turn scores (logits) into probabilities, row by row (``scipy.special.softmax``).

    Parameters
    ----------
    scores : array_like of float, shape (..., n_classes)
        Single precision will do: the answer is computed in double, where two nearly certain answers still differ.

    Returns
    -------
    ndarray of float64, shape (..., n_classes)
        Each row sums to 1.

    Examples
    --------
    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    scores = _finite_array("scores", scores)
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ArgumentError(f"scores has shape {scores.shape}; it must be (..., n_classes), n_classes ≥ 1")
    return special.softmax(scores, axis=-1)


def wilson_interval(successes, n):
    """95% score interval of a proportion (Wilson, 1927): honest near 0 and 1, where "± 2 standard errors" is not.

    Parameters
    ----------
    successes, n : int or array_like of int
        Numbers of successes and of trials. With ``n = 0`` nothing is known and the interval is 0 to 1.

    Returns
    -------
    (low, high) : tuple of float, or of ndarray of float64 where arrays were given

    Examples
    --------
    >>> low, high = wilson_interval(8852, 10_000)
    >>> round(low, 4), round(high, 4)
    (0.8788, 0.8913)
    """
    successes, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    for name, value in (("successes", successes), ("n", n)):
        if not np.all((value >= 0) & (value == np.floor(value)) & np.isfinite(value)):
            raise ArgumentError(f"{name} is {value}; counts must be whole numbers of at least 0")
    if np.any(successes > n):
        raise ArgumentError(f"successes is {successes}, n is {n}; successes must be at most n")
    # SciPy's binomtest(...).proportion_ci takes a millisecond for each proportion, and none without trials.
    z = stats.norm.ppf(0.975)
    trials = np.maximum(n, 1)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # At 0 and at n successes the bound is exactly 0 or 1; rounding would leave it a hair off.
    low = np.where(successes == 0, 0.0, centre - half)
    high = np.where(successes == n, 1.0, centre + half)
    return (low, high) if low.ndim else (float(low), float(high))


@dataclass(frozen=True, eq=False)
class ClassifierReport:
    """What a classifier did on labelled images; made by :func:`evaluate_classifier`.

    Attributes
    ----------
    class_names : tuple of str
        A label is an index into it.
    labels, predictions : ndarray of int64, shape (n,)
        True and predicted classes, in the order in which the images were given.
    scores : ndarray of float, shape (n, n_classes), or None
        As the classifier gave them (logits or probabilities); None if it gave labels.
    seconds : float
        Wall time of all the calls of the classifier; NaN if the predictions were made elsewhere.
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
        """Wilson's 95% interval of the accuracy, (low, high); it covers the choice of test images, not the seed's."""
        return wilson_interval(int(self.correct.sum()), self.n)

    @cached_property
    def confusion(self):
        """Counts of images, an ndarray of int64, shape (n_classes, n_classes); rows are true, columns predicted."""
        k = len(self.class_names)
        return np.bincount(self.labels * k + self.predictions, minlength=k * k).reshape(k, k)

    @cached_property
    def confusion_normalised(self):
        """:attr:`confusion` by its row sums; the diagonal is the accuracy per class, NaN where it has no images."""
        return _share(self.confusion, self.confusion.sum(axis=1, keepdims=True))

    @cached_property
    def per_class(self):
        """A DataFrame, one row per class: ``precision``, ``recall``, ``f1``, ``support``, and ``low`` to ``high``.

        ``recall`` is the accuracy per class, with its 95% Wilson interval. It is NaN where a class has no images
        (``support`` 0), precision where it was never predicted.
        """
        hits, support = np.diag(self.confusion), self.confusion.sum(axis=1)
        predicted = self.confusion.sum(axis=0)
        low, high = wilson_interval(hits, support)
        pd = require("pandas", "course")
        columns = {
            "precision": _share(hits, predicted),
            "recall": _share(hits, support),
            "f1": _share(2 * hits, support + predicted),
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
        """List the `k` largest confusions, fewer where fewer pairs were confused, as a DataFrame.

        Its columns are ``true``, ``predicted``, ``count`` and ``share``, the part of the true class's images that
        went to the wrong class. Largest count first; equal counts in the order of the classes.
        """
        pd = require("pandas", "course")
        k = check_integer("k", k, minimum=1)
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[: min(k, np.count_nonzero(wrong))]
        true, predicted = np.unravel_index(order, wrong.shape)
        names = np.array(self.class_names)
        share = self.confusion_normalised[true, predicted]
        columns = {"true": names[true], "predicted": names[predicted], "count": wrong[true, predicted], "share": share}
        return pd.DataFrame(columns)

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
        ``predict(images)`` returns scores, shape (m, n_classes), the largest wins, or labels, shape (m,) of int.
    x : array_like, shape (n, ...)
        The images, as `predict` wants them.
    y : array_like of int, shape (n,)
        True classes, as indices into `class_names`.
    class_names : sequence of str
        Names of the classes.
    batch_size : int or None
        Images given to `predict` at a time; None for all at once.

    Returns
    -------
    ClassifierReport
        Its ``seconds`` hold the first call's compilation too: to time inference use :func:`time_call`.

    Examples
    --------
    >>> brightness = np.array([[0.1], [0.4], [0.7], [0.9]])
    >>> report = evaluate_classifier(lambda x: np.hstack([0.5 - x, x - 0.5]), brightness, [0, 0, 1, 0],
    ...                              class_names=["dark", "bright"])
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
        batch = x[start : start + step]
        outputs.append(np.asarray(predict(batch)))
        if outputs[-1].shape[:1] != (len(batch),):
            shape = outputs[-1].shape
            raise ArgumentError(f"predict gave shape {shape} for {len(batch)} images; it must give a row or label each")
    seconds = time.perf_counter() - started
    return _report(np.concatenate(outputs), y, class_names, seconds)


def evaluate_predictions(predictions, y, *, class_names):
    """Report on predictions that are already there, for instance mapped to other classes.

    Parameters
    ----------
    predictions : array_like, shape (n,) of int or (n, n_classes) of float
        Predicted labels, or scores.
    y, class_names
        As in :func:`evaluate_classifier`.

    Returns
    -------
    ClassifierReport
        Its ``seconds`` is NaN.

    Examples
    --------
    >>> report = evaluate_predictions([0, 0, 1, 1], [0, 0, 0, 1], class_names=["cat", "dog"])
    >>> report
    <ClassifierReport: accuracy 0.750 (95% interval 0.301 to 0.954) on 4 images of 2 classes>
    >>> report.confusion
    array([[2, 1],
           [0, 1]])
    """
    return _report(np.asarray(predictions), y, class_names, float("nan"))


@dataclass(frozen=True)
class PairedComparison:
    """Two classifiers on the same test images; made by :func:`compare_paired`.

    Attributes
    ----------
    n : int
        Number of images.
    accuracy_a, accuracy_b : float
    only_a, only_b : int
        Images that only a, or only b, classified rightly. All the evidence is in these.
    difference, low, high : float
        ``accuracy_a - accuracy_b``, with its 95% interval (Bonett and Price, 2012).
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
        pd = require("pandas", "course")
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

    Images that both get right, or both wrong, say nothing about which is better. So two accuracies whose own
    intervals overlap can still differ clearly.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Which images each classified rightly, in the same order (``ClassifierReport.correct``).

    Returns
    -------
    PairedComparison
        It speaks of these two networks, not of their recipes (:func:`summarise_seeds`): another seed, another network.

    Examples
    --------
    >>> comparison = compare_paired([True] * 90 + [False] * 10, [True] * 80 + [False] * 20)
    >>> comparison.only_a, comparison.only_b, round(comparison.p_value, 4)
    (10, 0, 0.002)
    """
    a = _vector("correct_a", correct_a, "b", "booleans")
    b = _vector("correct_b", correct_b, "b", "booleans")
    if len(a) != len(b):
        raise ArgumentError(f"correct_a has {len(a)} entries, correct_b has {len(b)}; both must be of the same images")
    n, only_a, only_b = len(a), int(np.sum(a & ~b)), int(np.sum(b & ~a))
    discordant = only_a + only_b
    p_value = stats.binomtest(only_a, discordant, 0.5).pvalue if discordant else 1.0
    # Bonett and Price: one image is added to either kind, so that the interval is honest for small counts too.
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
    mean, std : float
        Their mean and standard deviation (divisor n - 1; NaN for one value).
    low, high : float
        95% interval of the mean (Student's t); NaN for fewer than three values, which say too little of their spread.
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
        """95% prediction interval of one more run, (low, high), beside which a single reported number belongs.

        `low` and `high` close in on the *mean* the more runs there are; one more run scatters as much as ever.
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
        The interval of one run or two is NaN: they say nothing, or next to nothing, about their spread.

    Examples
    --------
    >>> summary = summarise_seeds([0.88, 0.89, 0.87])
    >>> f"{summary.mean:.3f} ({summary.low:.3f} to {summary.high:.3f})"
    '0.880 (0.855 to 0.905)'
    """
    values = _vector("values", values)
    # Summed in a fixed order, so that the order of the seeds does not change a single bit.
    ordered = np.sort(values)
    mean = float(ordered.mean())
    if len(values) == 1:
        return SeedSummary(values, mean, float("nan"), float("nan"), float("nan"))
    std = float(ordered.std(ddof=1))
    if len(values) == 2:
        return SeedSummary(values, mean, std, float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, len(values) - 1) * std / np.sqrt(len(values)))
    return SeedSummary(values, mean, std, mean - half, mean + half)


@dataclass(frozen=True, eq=False)
class Timing:
    """Wall times of a call, `seconds`, an ndarray of float64, shape (repeats,); made by :func:`time_call`."""

    seconds: np.ndarray

    @property
    def median(self):
        """Median seconds per call (float), which is what to expect."""
        return float(np.median(self.seconds))

    @property
    def minimum(self):
        """Least seconds per call (float), which the machine can do when nothing else runs."""
        return float(self.seconds.min())


def time_call(fn, *, repeats=5, warmup=1):
    """Time a call (``timeit.repeat``), after warm-up calls that pay for compilation and cold caches.

    Parameters
    ----------
    fn : callable
        Called without arguments. It must wait for its result (return a NumPy array, not a promise of one).
    repeats, warmup : int
        Calls to time, at least 1, and calls before them, at least 0.

    Returns
    -------
    Timing

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
    return Timing(np.array(timeit.repeat(fn, number=1, repeat=repeats)))


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
    """

    sizes: np.ndarray
    errors: np.ndarray
    coefficient: float
    exponent: float
    exponent_interval: tuple

    def predict(self, sizes):
        """Extrapolate: return (error, low, high) at other sizes, with the 95% interval of one new measurement there.

        `sizes` is a positive float or an array of them; each result has its shape. The interval trusts that the law
        goes on to hold, and a curve that flattens breaks that trust: extrapolate to twice the largest size with
        confidence and to a hundred times with none.
        """
        sizes = _positive("sizes", sizes)
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
        Training-set sizes, greater than 0, at least two different ones. Several seeds: give a size several times.
    errors : array_like of float, shape (n,)
        Test errors (1 - accuracy), greater than 0.

    Returns
    -------
    PowerLawFit
        By least squares on the logarithms.

    Examples
    --------
    >>> fit = fit_power_law([5_000, 10_000, 20_000, 40_000], [0.51, 0.44, 0.37, 0.32])
    >>> error, low, high = fit.predict(80_000)
    >>> print(f"{error:.2f} ({low:.2f} to {high:.2f})")
    0.27 (0.26 to 0.29)
    """
    sizes, errors = _positive("sizes", _vector("sizes", sizes)), _positive("errors", _vector("errors", errors))
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
    )


def divergence_epoch(train, validation):
    """Find where two curves of the loss part: from which epoch on training is better than validation, for good.

    The noise of the gap (validation minus training) is estimated from its third differences `d`, which a smooth trend
    hardly enters: ``sigma = 1.4826 * median(abs(d)) / sqrt(20)``. The curves have parted at the first epoch from
    which the gap stays above ``2 * sigma`` to the end.

    Parameters
    ----------
    train, validation : array_like of float, shape (n_epochs,)
        The two curves, one value per epoch.

    Returns
    -------
    int or None
        The epoch, counted from 1; None if the curves have not parted by the end.

    Examples
    --------
    >>> divergence_epoch([1.0, 0.8, 0.6, 0.4, 0.2], [1.0, 0.8, 0.7, 0.7, 0.8])
    3
    """
    train, validation = _vector("train", train), _vector("validation", validation)
    if len(train) != len(validation):
        raise ArgumentError(f"train has {len(train)} epochs, validation has {len(validation)}; both must have the same")
    gap = validation - train
    bends = np.abs(np.diff(gap, n=3))
    noise = 1.4826 * np.median(bends) / np.sqrt(20) if len(bends) else 0.0
    together = np.flatnonzero(gap <= 2 * noise)
    first = int(together[-1]) + 1 if len(together) else 0
    return first + 1 if first < len(gap) else None


@dataclass(frozen=True, eq=False)
class LeakageReport:
    """Test images that are also in the training set; made by :func:`check_leakage`.

    Attributes
    ----------
    n_train, n_test : int
        Images compared.
    exact, near : ndarray of int64, shape (n, 2)
        (training index, test index) of copies byte for byte, and of others, in the order of the test images.
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


def check_leakage(x_train, x_test, *, min_similarity=0.95):
    """Look for test images that are in the training set too, byte for byte or nearly.

    Near duplicates (re-compressed, brightened, noisy, rescaled) are found by grey thumbnails of 16 x 16 pixels, of
    which the differences between neighbouring pixels are kept: a perceptual hash without its rounding. The similarity
    of two images is the cosine of these. Mirrored, turned, or shifted copies are not found.

    Simple shapes, such as trousers, look alike without being copies. So a near duplicate must stand out: at most 3
    training images are closer to the test image than twice the distance (1 - similarity) of the closest.

    Parameters
    ----------
    x_train, x_test : array_like, shape (n, h, w) or (n, h, w, c)
        The images of both splits, of the same shape and dtype.
    min_similarity : float
        Least similarity of a near duplicate, between 0 and 1.

    Returns
    -------
    LeakageReport

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x_train = rng.integers(0, 200, (50, 28, 28), dtype=np.uint8)
    >>> x_test = rng.integers(0, 200, (10, 28, 28), dtype=np.uint8)
    >>> x_test[3], x_test[5] = x_train[7], x_train[9] + 20
    >>> report = check_leakage(x_train, x_test)
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
    exact = _exact_duplicates(x_train, x_test)
    rest = np.setdiff1d(np.arange(len(x_test)), exact[:, 1])
    nearest, similarity, crowd = _nearest_lookalike(x_train, x_test[rest])
    chosen = (similarity >= min_similarity) & (crowd <= _CROWD)
    near = np.stack([nearest[chosen], rest[chosen]], axis=1)
    return LeakageReport(len(x_train), len(x_test), exact, near, similarity[chosen])


def _exact_duplicates(x_train, x_test):
    """Index pairs (training, test); of several equal training images the first."""
    seen = {}
    for i, image in enumerate(x_train):
        seen.setdefault(_digest(image), i)
    pairs = [(seen[digest], j) for j, digest in enumerate(map(_digest, x_test)) if digest in seen]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _digest(image):
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _nearest_lookalike(x_train, x_test):
    """For each test image: the most similar training image, how similar, and how many are about as close."""
    train, test = _fingerprints(x_train), _fingerprints(x_test)
    nearest, crowd = np.zeros((2, len(test)), dtype=np.int64)
    similarity = np.zeros(len(test))
    for start in range(0, len(test), 500):  # blocks of 500 rows keep the products in 120 MB for 60,000 images
        block = slice(start, start + 500)
        products = test[block] @ train.T
        nearest[block] = products.argmax(axis=1)
        similarity[block] = best = products[np.arange(len(products)), nearest[block]]
        crowd[block] = np.count_nonzero(products >= 1 - 2 * (1 - best[:, None]), axis=1)
    return nearest, similarity, crowd


def _fingerprints(x):
    """Unit vectors of differences between neighbouring pixels of grey thumbnails; zeros for a blank image."""
    grey = x.mean(axis=3, dtype=np.float32) if x.ndim == 4 else x.astype(np.float32)
    small = images.resize(grey[..., None], _THUMBNAIL, interpolation="area")[..., 0]
    across, down = np.diff(small, axis=2), np.diff(small, axis=1)
    vectors = np.concatenate([each.reshape(-1, _THUMBNAIL * (_THUMBNAIL - 1)) for each in (across, down)], axis=1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _report(output, y, class_names, seconds):
    class_names = tuple(str(name) for name in class_names)
    labels = _class_labels("y", y, len(class_names))
    if output.shape[:1] != labels.shape:
        raise ArgumentError(
            f"y has {len(labels)} labels for predictions of shape {output.shape}; the lengths must be equal"
        )
    if output.ndim == 1:
        predictions = _class_labels("predictions", output, len(class_names))
        return ClassifierReport(class_names, labels, predictions, None, seconds)
    if output.ndim != 2 or output.shape[1] != len(class_names):
        raise ArgumentError(
            f"predictions have shape {output.shape}; with {len(class_names)} class_names they "
            f"must be (n,) labels or (n, {len(class_names)}) scores"
        )
    _finite_array("scores", output)
    return ClassifierReport(class_names, labels, output.argmax(axis=1), output, seconds)


def _class_labels(name, values, n_classes):
    values = _vector(name, values, "iu", "integers")
    low, high = values.min(), values.max()
    if low < 0 or high >= n_classes:
        raise ArgumentError(
            f"{name} runs from {low} to {high}; with {n_classes} class_names it must lie in 0 to {n_classes - 1}"
        )
    return values.astype(np.int64)


def _finite_array(name, values):
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} is not an array of numbers ({error}); it must be one") from error
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise ArgumentError(f"{name} holds {bad} values that are NaN or infinite; all must be finite")
    return values


def _share(part, whole):
    """Divide; NaN where both are 0."""
    with np.errstate(invalid="ignore"):
        return part / whole


def _vector(name, values, kinds="f", what="numbers"):
    values = _finite_array(name, values) if kinds == "f" else np.asarray(values)
    if values.ndim != 1 or len(values) == 0 or values.dtype.kind not in kinds:
        raise ArgumentError(
            f"{name} has shape {values.shape} and dtype {values.dtype}; it must be a non-empty (n,) array of {what}"
        )
    return values


def _positive(name, values):
    values = _finite_array(name, values)
    if np.any(values <= 0):
        raise ArgumentError(f"{name} has a value of {values.min():g}; all must be greater than 0")
    return values
