"""Saying yes or no at a threshold: are two pictures of one identity, and is a probe anybody in the gallery?

Ranking always finds somebody. A door, or a count of whales never seen before, needs a decision: *verification* asks
whether a pair is *genuine* (of one identity) or of *impostors*; *open-set identification* asks who a probe is, and
must reject a probe without a mate in the gallery. Names of rates follow ISO/IEC 19795-1.
"""

from dataclasses import dataclass

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number
from course_utils.retrieval.counting import offsets_of
from course_utils.retrieval.evaluation import parts_with_matches, plain_distances
from course_utils.retrieval.search import Search

__all__ = ["OpenSetResult", "VerificationResult", "open_set", "verification", "verify_pairs"]


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """Genuine pairs against impostors at every threshold; a pair is accepted if its distance is at most that.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (n,)
        The distances that occur among genuine pairs, ascending.
    genuine, impostors : ndarray of intp, shape (n,)
        Pairs accepted at each threshold.
    below : ndarray of float64, shape (n,)
        Impostor pairs nearer than each threshold, those equally near counted half.
    n_genuine, n_impostors : int
        Pairs in all.
    """

    thresholds: np.ndarray
    genuine: np.ndarray
    impostors: np.ndarray
    below: np.ndarray
    n_genuine: int
    n_impostors: int

    def det(self):
        """Return the detection error trade-off: both rates at each of `thresholds`, as ndarrays of float64, shape (n,).

        The first is the false match rate (impostors accepted), the second the false non-match rate (genuine pairs
        rejected). One minus the second against the first is the ROC curve.
        """
        return self.impostors / self.n_impostors, 1 - self.genuine / self.n_genuine

    def fnmr_at(self, fmr):
        """Return the least false non-match rate at which at most the share `fmr` (0 to 1) of impostors is accepted.

        Below ``1 / n_impostors`` that means: no impostor at all.
        """
        n = self._n_allowed(fmr)
        return 1 - float(self.genuine[n - 1] / self.n_genuine) if n else 1.0

    def tpr_at(self, fpr):
        """Return the true positive rate at a false positive rate (0 to 1): ``1 - fnmr_at(fpr)``."""
        return 1 - self.fnmr_at(check_number("fpr", fpr, minimum=0, maximum=1))

    def threshold_at(self, fmr):
        """Return the largest of `thresholds` at which at most the share `fmr` (0 to 1) of impostors is accepted.

        It is NaN if even the nearest genuine pair lets in more.
        """
        n = self._n_allowed(fmr)
        return float(self.thresholds[n - 1]) if n else float("nan")

    def _n_allowed(self, fmr):
        """Return how many of the thresholds, from the lowest, accept at most this share of impostors."""
        return np.count_nonzero(self.det()[0] <= check_number("fmr", fmr, minimum=0, maximum=1))

    @property
    def equal_error_rate(self):
        """Mean of both rates at the threshold where they are nearest to each other (float)."""
        rates = np.array(self.det())
        return float(rates[:, abs(rates[0] - rates[1]).argmin()].mean())

    @property
    def auc(self):
        """Chance that a genuine pair is nearer than an impostor pair, equally near ones counted half (float)."""
        each = np.diff(self.genuine, prepend=0)
        return float(1 - each @ self.below / (self.n_genuine * self.n_impostors))

    def __str__(self):
        """Show the usual numbers, at false match rates that this many impostors can tell."""
        rates = [rate for rate in (0.1, 0.01, 0.001, 1e-4) if rate * self.n_impostors >= 1]
        head = f"{self.n_genuine} genuine and {self.n_impostors} impostor pairs"
        lines = [f"{head}: EER {self.equal_error_rate:.3f}, AUC {self.auc:.3f}"]
        return "\n".join(lines + [f"FNMR {self.fnmr_at(rate):.3f} at FMR {rate:g}" for rate in rates])


def verify_pairs(distances, same):
    """Measure verification on given pairs, such as those of LFW.

    Parameters
    ----------
    distances : array_like of float, shape (n,)
        How far apart the pictures of each pair are; minus the similarity will do.
    same : array_like of bool, shape (n,)
        Whether the pair is genuine; there must be pairs of both kinds, here as in :func:`verification`.

    Returns
    -------
    VerificationResult

    Examples
    --------
    >>> result = verify_pairs([0.1, 0.4, 0.3, 0.9], [True, True, False, False])
    >>> result.fnmr_at(0), result.tpr_at(0.5), result.auc
    (0.5, 1.0, 0.75)
    """
    distances, same = np.asarray(distances, np.float64), np.asarray(same)
    if distances.ndim != 1 or same.shape != distances.shape or same.dtype.kind != "b":
        raise ArgumentError(
            f"distances has shape {distances.shape}, same has shape {same.shape} and type {same.dtype}; both must be "
            "1-D and equally long, and same must hold booleans"
        )
    wrong = np.flatnonzero(~np.isfinite(distances))
    if len(wrong):
        raise ArgumentError(f"distances[{wrong[0]}] is {distances[wrong[0]]}; every value must be finite")
    counts = _Counts(distances[same])
    counts.add(distances[~same])
    return counts.result()


def verification(probe, gallery=None, *, probe_ids, gallery_ids=None, metric="euclidean", **options):
    """Measure verification on all pairs of a probe and a gallery item.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, metric
        As in :func:`evaluate_retrieval`; without a gallery, all pairs of two probes.
    **options
        Those of :func:`evaluate_retrieval` but for `ties`. What is not ranked for a probe makes no pair with it.

    Returns
    -------
    VerificationResult

    Notes
    -----
    Every distance is computed exactly, in bounded memory; :func:`evaluate_retrieval`, which
    settles most distances by a matrix product, is much faster.

    Examples
    --------
    >>> result = verification([[0.0], [0.2], [1.0], [1.1]], probe_ids=["Ada", "Ada", "Bea", "Bea"])
    >>> print(result)
    2 genuine and 4 impostor pairs: EER 0.000, AUC 1.000
    """
    search = Search.of(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, metric=metric, **options)
    genuine = list(_distances(search, own=True))
    counts = _Counts(np.concatenate(genuine), lambda distances: plain_distances(distances, metric))
    for distances in _distances(search, own=False):
        counts.add(distances)
    return counts.result()


def _distances(search, *, own):
    """Yield each probe's distances to the items of its own identity, or to all others."""
    ranked = np.arange(len(search.gallery_ids)) if search.columns is None else search.columns
    ids = search.gallery_ids[ranked]
    for probes, part in search.parts():
        for row, identity in enumerate(part.probe_ids):
            keep = ids == identity if own else ids != identity
            if own and part.gallery_cameras is not None:
                keep &= part.gallery_cameras[ranked] != part.probe_cameras[row]
            if part.itself:  # each pair once
                keep &= ranked > probes.start + row
            items = ranked[keep]
            yield part.distances.pairs(np.full(len(items), row), items)


class _Counts:
    """Counts impostors at the distances of genuine pairs; all else follows from that."""

    def __init__(self, genuine, shown=np.asarray):
        self._genuine, self._shown = genuine, shown
        self._thresholds, self._each = np.unique(genuine, return_counts=True)
        self._reached, self._passed = np.zeros((2, len(self._thresholds) + 1), np.intp)

    def add(self, distances):
        """Count some impostors."""
        for counts, side in ((self._reached, "left"), (self._passed, "right")):
            counts += np.bincount(self._thresholds.searchsorted(distances, side), minlength=len(counts))

    def result(self):
        n_genuine, n_impostors = len(self._genuine), int(self._reached.sum())
        for kind, n in (("genuine", n_genuine), ("impostor", n_impostors)):
            if not n:
                raise ArgumentError(f"there is no {kind} pair; there must be at least 1 of each kind")
        at_most, below = (np.cumsum(counts)[:-1] for counts in (self._reached, self._passed))
        halves = (at_most + below) / 2
        thresholds = self._shown(self._thresholds)
        return VerificationResult(thresholds, np.cumsum(self._each), at_most, halves, n_genuine, n_impostors)


@dataclass(frozen=True, eq=False)
class OpenSetResult:
    """Who is found and who is let in, when probes may have no mate in the gallery; made by :func:`open_set`.

    A probe is accepted if its nearest gallery item is at most the threshold away. Ties count against the system.

    Attributes
    ----------
    nearest : ndarray of float64, shape (n_probes,)
        Distance to the nearest gallery item.
    mate : ndarray of float64, shape (n_probes,)
        Distance to the nearest match; NaN for a probe without one.
    ranks : ndarray of float64, shape (n_probes,)
        Rank of the nearest match, 0 for the best; NaN without one.
    n_mated, n_unmated : int
        Probes with and without a match.
    """

    nearest: np.ndarray
    mate: np.ndarray
    ranks: np.ndarray
    n_mated: int
    n_unmated: int

    def threshold_at(self, far):
        """Return the largest threshold at which at most the share `far` of the unmated probes is accepted.

        `far` is the false alarm rate (also called false positive identification rate), from 0 to 1; for 1 the threshold
        is infinite.
        """
        far = check_number("far", far, minimum=0, maximum=1)
        alarms = np.sort(self.nearest[np.isnan(self.mate)])
        allowed = int(far * self.n_unmated + 1e-9)  # 0.1 times 30 is 3, not 2.999…
        return float(np.nextafter(alarms[allowed], -np.inf)) if allowed < self.n_unmated else float("inf")

    def detection_rate(self, far, *, rank=1):
        """Return the detection and identification rate at a false alarm rate.

        It is the share of the mated probes whose mate is among the `rank` nearest items, and within
        :meth:`threshold_at` of that rate.
        """
        return self.rates_at(self.threshold_at(far), rank=rank)[0]

    def rates_at(self, threshold, *, rank=1):
        """Return the rates of detection and of false alarms at a threshold, the largest accepted distance.

        One minus the second is the share of unmated probes that is rightly rejected; `rank` is as for
        :meth:`detection_rate`.
        """
        rank = check_integer("rank", rank, minimum=1)
        unmated = np.isnan(self.mate)
        detected = (self.mate <= threshold) & (self.ranks < rank)
        return float(detected[~unmated].mean()), float((self.nearest[unmated] <= threshold).mean())

    def curve(self, *, rank=1):
        """Return the DIR curve: each possible rate of false alarms, and the best detection rate at it.

        Both are ndarrays of float64, shape (n_unmated + 1,); `rank` is as for :meth:`detection_rate`.
        """
        rank = check_integer("rank", rank, minimum=1)
        alarms = np.sort(self.nearest[np.isnan(self.mate)])
        thresholds = np.append(np.nextafter(alarms, -np.inf), np.inf)
        identified = np.sort(self.mate[self.ranks < rank])
        far = np.arange(self.n_unmated + 1) / self.n_unmated
        return far, identified.searchsorted(thresholds, "right") / self.n_mated

    def __str__(self):
        """Show detection rates at false alarm rates that this many unmated probes can tell."""
        rates = [rate for rate in (0.5, 0.1, 0.01, 0.001) if rate * self.n_unmated >= 1]
        lines = [f"{self.n_mated} probes with and {self.n_unmated} without a mate"]
        lines += [f"detected and identified {self.detection_rate(rate):.3f} at FAR {rate:g}" for rate in rates]
        return "\n".join(lines)


def open_set(probe, gallery=None, *, probe_ids, gallery_ids=None, metric="euclidean", **options):
    """Measure open-set identification: find those who are in the gallery, and reject those who are not.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, metric
        As in :func:`evaluate_retrieval`. Some probes must have a match in the gallery and some must have none.
    **options
        Those of :func:`evaluate_retrieval` but for `ties`.

    Returns
    -------
    OpenSetResult

    Notes
    -----
    Detection and identification rate as in Phillips, Grother and Micheals, "Evaluation methods in face recognition"
    (Handbook of Face Recognition, 2011).

    Examples
    --------
    >>> ids = {"probe_ids": ["Ada", "Bea", "Cyd", "Dot"], "gallery_ids": ["Ada", "Bea"]}
    >>> result = open_set([[0.1], [1.6], [3.0], [0.5]], [[0.0], [2.0]], **ids)
    >>> result.detection_rate(far=0), result.detection_rate(far=0.5)
    (1.0, 1.0)
    >>> result.rates_at(0.2)
    (0.5, 0.0)
    """
    search = Search.of(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, metric=metric, **options)
    columns = []
    for part, (offsets, distances) in parts_with_matches(search):
        mated = np.flatnonzero(np.diff(offsets))
        first = offsets[mated]
        mate, ranks = np.full((2, len(part.probe_ids)), np.nan)
        mate[mated] = distances[first]
        # Only each probe's nearest match is counted against; the others cannot stand before it.
        below, equal = part.count(offsets_of(np.diff(offsets) > 0), distances[first])
        ranks[mated] = below + equal
        columns.append((part.nearest(1)[1][:, 0], mate, ranks))
    nearest, mate, ranks = map(np.concatenate, zip(*columns, strict=True))
    n_mated = int(np.count_nonzero(~np.isnan(mate)))
    if n_mated in (0, len(mate)):
        raise ArgumentError(
            f"{n_mated} of {len(mate)} probes have a match in the gallery; an open set needs probes of both kinds: "
            "leave some identities out of the gallery"
        )
    nearest, mate = (plain_distances(values, metric) for values in (nearest, mate))
    return OpenSetResult(nearest, mate, ranks, n_mated, len(mate) - n_mated)
