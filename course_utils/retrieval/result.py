"""What a ranking is worth: measures of each probe by their usual names, their means, and tables of both."""

import re
from dataclasses import dataclass, field

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer, require
from course_utils.retrieval.counting import Places, discounts

__all__ = ["Measures", "NeighbourResult", "RetrievalResult"]

_WHOLE = ("mAP", "mAP@R", "MRR", "mINP", "R-precision", "nDCG")
_TRUNCATED = ("top", "precision", "recall", "nDCG", "mAP", "MRR")
_SHOWN = (1, 5, 10)


class Measures:
    """What :class:`RetrievalResult` and :class:`NeighbourResult` have in common: measures by name, and tables.

    Examples
    --------
    >>> from course_utils.retrieval import evaluate_retrieval
    >>> result = evaluate_retrieval([[0.0], [0.1], [0.3], [0.4]], probe_ids=["Ada", "Bea", "Ada", "Bea"])
    >>> result.per_probe("MRR").round(3), result.mean("precision@2")
    (array([0.5  , 0.333, 0.333, 0.5  ]), 0.25)
    """

    # `places`, `probe_ids`, `n_gallery` and `depth`, how many items of each list are known, come from the result.
    draws = ()

    def per_probe(self, measure):
        """Return a measure of each probe.

        Parameters
        ----------
        measure : str
            Of the whole ranking: ``"mAP"`` (average precision), ``"mAP@R"`` (the same of the first `R` items, `R` the
            probe's number of matches; Musgrave et al. 2020), ``"MRR"`` (1 / place of the first match), ``"mINP"``,
            ``"R-precision"``, ``"nDCG"``. Of the first `k` items: ``"top-k"`` (is a match among them?),
            ``"precision@k"``, ``"recall@k"``, ``"nDCG@k"``, ``"mAP@k"``, ``"MRR@k"``, with a number for `k`.

        Returns
        -------
        ndarray of float64, shape (n_probes,)
            With ties an expected value. A probe without a match in the gallery misses: it has 0 where that is defined
            (top, precision, MRR), else NaN.

        Notes
        -----
        precision@k divides by `k`, recall@k by `R`, mAP@k by the smaller of the two, so that the best ranking has 1
        (trec_eval and ranx divide mAP@k by `R`). nDCG counts 1 for a match, 0 for another item, discounted by
        log2(place + 1); :func:`ndcg` takes grades.
        """
        name, k = self._parse(measure)
        if self.draws:
            return np.mean([draw.per_probe(measure) for draw in self.draws], axis=0)
        places, total = self.places, self.places.n_matches
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "top":
                return places.hits(k)
            if name == "precision":
                return places.found(k) / k
            if name == "recall":
                return places.found(k) / total
            if name == "R-precision":
                return places.found(total) / total
            if name == "MRR":
                return places.reciprocal_rank(k)
            if name == "mINP":
                return places.inverse_negative_penalty()
            if name == "nDCG":
                best = np.append(0, np.cumsum(discounts(k)))[np.minimum(total, k)]
                return places.gain(k) / np.where(total, best, np.nan)
            if k == "R":
                return places.precisions(total) / total
            return places.precisions(k) / (total if k is None else np.minimum(total, k))

    def mean(self, measure):
        """Return the mean of a measure over the probes for which it is defined; NaN if it is defined for none."""
        return mean_of_valid(self.per_probe(measure))

    def measures(self, ks=_SHOWN):
        """Return the usual measures' means by name; of the list lengths `ks`, those that the lists have."""
        names = [name for name in _WHOLE if self._is_whole]
        names += [self._named(name, k) for name in _TRUNCATED for k in ks if k <= self.depth]
        return {name: self.mean(name) for name in names}

    def to_frame(self, by="probe", *, measures=None):
        """Return measures as a table.

        Parameters
        ----------
        by : {"probe", "identity"}
            A row for each probe, or the means over each identity's probes, the worst first.
        measures : sequence of str, optional
            As for :meth:`Measures.per_probe`; by default top-1 and mAP, or mAP@k of lists that are not whole.

        Returns
        -------
        pandas.DataFrame
            Probes: identity, number of matches, and the measures. Identities: number of probes, and the measures.
        """
        check_choice("by", by, ["probe", "identity"])
        pd = require("pandas", "course")
        names = list(measures or ["top-1", "mAP" if self._is_whole else f"mAP@{self.depth}"])
        frame = pd.DataFrame({name: self.per_probe(name) for name in names})
        frame.insert(0, "identity", self.probe_ids)
        if by == "probe":
            frame.insert(1, "matches", (self.draws[0] if self.draws else self).places.n_matches)
            return frame.rename_axis("probe")
        groups = frame.groupby("identity")
        table = groups[names].mean()
        table.insert(0, "probes", groups.size())
        return table.sort_values(names[::-1])

    def __str__(self):
        """Show a table of means; probes without a match are mentioned."""
        means = self.measures()
        ks = [k for k in _SHOWN if k <= self.depth]
        missing = self.n_probes - self.n_valid_probes
        lines = [f"{self.n_probes} probes ({missing} without a match) in a gallery of {self.n_gallery}"]
        if self._is_whole:
            halves = (_WHOLE[:3], _WHOLE[3:])
            lines += ["  ".join(f"{name} {means[name]:.3f}" for name in names) for names in halves]
        rows = [["", *(f"@{k}" for k in ks)]]
        rows += [[name, *(f"{means[self._named(name, k)]:.3f}" for k in ks)] for name in _TRUNCATED]
        lines += ["  ".join([name.ljust(9), *(cell.rjust(5) for cell in cells)]).rstrip() for name, *cells in rows]
        return "\n".join(lines)

    def _parse(self, measure):
        """Return a measure's name, and the list length, None for the whole list, or "R"."""
        found = re.fullmatch(r"(?:(top)-|(\w+)@)([1-9]\d*)", str(measure))
        if found and (found[1] or found[2]) in _TRUNCATED:
            name, k = found[1] or found[2], int(found[3])
            if k > self.depth:
                raise ArgumentError(f"measure is {measure!r}; {self._why_no_more()}")
            return name, k
        truncated = ", ".join(repr(self._named(name, "k")) for name in _TRUNCATED)
        if measure not in _WHOLE:
            names = f"{', '.join(map(repr, _WHOLE))}, or with a number for k {truncated}"
            raise ArgumentError(f"measure is {measure!r}; it must be one of {names}")
        if not self._is_whole:
            why = f"it needs whole rankings; lists of {self.depth} items have {truncated}"
            raise ArgumentError(f"measure is {measure!r}; {why}")
        name, _, k = measure.partition("@")
        return name, k or (self.n_gallery if name == "nDCG" else None)

    @staticmethod
    def _named(name, k):
        return f"top-{k}" if name == "top" else f"{name}@{k}"

    @property
    def _is_whole(self):
        return self.depth >= self.n_gallery

    def _why_no_more(self):
        if self._is_whole:
            return f"the gallery has {self.n_gallery} items, so k must be at most {self.n_gallery}"
        return f"the lists tell of the first {self.depth} items, so k must be at most {self.depth}"


@dataclass(frozen=True, eq=False)
class RetrievalResult(Measures):
    """What :func:`evaluate_retrieval` found out. Arrays named below have one entry per probe, in the probes' order.

    Printed, it is a table of means. The methods of :class:`Measures` give any measure by name, and tables.

    Attributes
    ----------
    ranks : ndarray of float64
        Rank of the first match, 0 for the best; with ties its expected value; NaN for a probe without a match.
    average_precision : ndarray of float64
        Mean over the probe's matches of the share of matches among the items down to that match, not
        interpolated. NaN without a match.
    inverse_negative_penalty : ndarray of float64
        Number of matches, divided by the place (from 1) of the last one (Ye et al. 2021). NaN without a match.
    r_precision : ndarray of float64
        Share of matches among the first `R` items, `R` the number of matches. NaN without a match.
    ranked_histogram : ndarray of float64, shape (n_gallery,)
        Probes whose first match is at exactly this rank. Ties make fractions.
    cmc : ndarray of float64, shape (n_gallery,)
        Share of *all* probes whose first match is at this rank or better.
    n_probes, n_valid_probes : int
        All probes, and those that have a match in the gallery. A probe without one counts as a miss in the CMC and is
        left out of the three means, where it is not defined.
    n_gallery : int
        Gallery items ranked for a probe, junk excluded; identities for :func:`evaluate_single_shot`.
    probe_ids : ndarray of int or str
        The probes' identities.
    draws : tuple of RetrievalResult
        Of :func:`evaluate_single_shot`, the result of each draw; everything else here is then the mean over draws.
    """

    ranks: np.ndarray
    average_precision: np.ndarray
    inverse_negative_penalty: np.ndarray
    r_precision: np.ndarray
    ranked_histogram: np.ndarray
    cmc: np.ndarray
    n_probes: int
    n_valid_probes: int
    n_gallery: int
    probe_ids: np.ndarray
    draws: tuple = ()
    places: Places | None = field(default=None, repr=False)

    __repr__ = __str__ = Measures.__str__

    @property
    def depth(self):
        """How many items of each ranked list are known: all."""
        return self.n_gallery

    @property
    def mean_average_precision(self):
        """Mean of `average_precision` over the valid probes (mAP, float); NaN if there are none."""
        return mean_of_valid(self.average_precision)

    @property
    def mean_inverse_negative_penalty(self):
        """Mean of `inverse_negative_penalty` over the valid probes (mINP, float); NaN if there are none."""
        return mean_of_valid(self.inverse_negative_penalty)

    @property
    def mean_r_precision(self):
        """Mean of `r_precision` over the valid probes (float); NaN if there are none."""
        return mean_of_valid(self.r_precision)

    def top(self, k):
        """Return the share of probes with a match among the first `k` items, 1 or more; it never falls as `k` grows.

        Examples
        --------
        >>> from course_utils.retrieval import evaluate_retrieval
        >>> gallery = [[0.1], [1.0], [2.1]]
        >>> result = evaluate_retrieval([[0.0], [2.0]], gallery, probe_ids=[7, 8], gallery_ids=[7, 8, 9])
        >>> result.top(1), result.top(2)
        (0.5, 1.0)
        """
        complete = len(self.cmc) >= self.n_gallery
        k = check_integer("k", k, minimum=1, maximum=None if complete else len(self.cmc))
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def probe_cmc(self, n_ranks):
        """Return each probe's own CMC, the chance that its first match is at rank `r` or better.

        It is an ndarray of float64, shape (n_probes, n_ranks), of 0 and 1, or between them where distances tie. The
        mean over probes is the CMC.
        """
        n_ranks = check_integer("n_ranks", n_ranks, minimum=1)
        if self.draws:
            return np.mean([draw.probe_cmc(n_ranks) for draw in self.draws], axis=0)
        before, tied, _ = self.places.first.T
        curves = ((before[:, None] <= np.arange(n_ranks)) & (tied[:, None] > 0)).astype(np.float64)
        for probe, ranks, chances in self.places.tied_firsts(n_ranks):
            curves[probe, ranks] = np.minimum(np.cumsum(chances), 1)
        return curves


@dataclass(frozen=True, eq=False)
class NeighbourResult(Measures):
    """What the nearest neighbours alone tell; made by :func:`evaluate_neighbours`.

    It has the methods of :class:`Measures`. What needs whole rankings, such as mAP, cannot be known from the beginnings
    of lists: asking for it is an error.

    Attributes
    ----------
    depth : int
        How many items of every list are known.
    n_probes, n_valid_probes : int
        All probes, and those that have a match in the gallery (found or not).
    n_gallery : int
        Gallery items that could have been listed for a probe.
    probe_ids : ndarray of int or str
        The probes' identities.
    """

    depth: int
    n_probes: int
    n_valid_probes: int
    n_gallery: int
    probe_ids: np.ndarray
    places: Places = field(repr=False)

    __repr__ = __str__ = Measures.__str__

    def top(self, k):
        """Return the share of probes with a match among the first `k` items, at most `depth`."""
        return self.mean(f"top-{check_integer('k', k, minimum=1, maximum=self.depth)}")


def mean_of_valid(values):
    """Return the mean of what is not NaN; NaN if there is nothing."""
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")
