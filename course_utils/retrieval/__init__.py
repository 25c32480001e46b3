"""Retrieval evaluated right: who is the nearest gallery item, how often is it a true match, and how many to look at.

A *probe* is a query, the *gallery* is what is searched, and a *match* is a gallery item of the probe's identity.
Features (from any framework) or distances go in; ranks, the cumulative match characteristic (CMC), average
precision and their kin come out. The gallery is never sorted and the probes × gallery matrix is never held:
memory is bounded whatever the sizes, and counts over parts of a gallery add up exactly.

Equal distances are a question of definition, so the definition is exact: the distance of two rows is computed
in float64 from these two rows alone. Equal rows always tie (for the cosine metric: equal rows, or rows that differ
by a power of two), whatever the block, the shard or the number of threads they were met in.

What is not as a function describes it is an :class:`~course_utils.errors.ArgumentError`: shapes or labels that do not
fit, features or distances that are not finite, a name or number that is not legal.
"""

from course_utils.retrieval.comparison import Comparison, Comparisons, bootstrap_interval, compare_all, compare_rankings
from course_utils.retrieval.decisions import (
    OpenSetResult,
    VerificationResult,
    open_set,
    verification,
    verify_pairs,
)
from course_utils.retrieval.evaluation import (
    cmc_curve,
    evaluate_retrieval,
    evaluate_single_shot,
    rank_gallery,
    ranked_histogram,
)
from course_utils.retrieval.graded import ndcg
from course_utils.retrieval.neighbours import evaluate_neighbours
from course_utils.retrieval.reranking import RerankedDistances, k_reciprocal
from course_utils.retrieval.result import Measures, NeighbourResult, RetrievalResult
from course_utils.retrieval.shards import Matches, ShardCounts, count_shard, evaluate_on_cluster, find_matches, merge

__all__ = [
    "Comparison",
    "Comparisons",
    "Matches",
    "Measures",
    "NeighbourResult",
    "OpenSetResult",
    "RerankedDistances",
    "RetrievalResult",
    "ShardCounts",
    "VerificationResult",
    "bootstrap_interval",
    "cmc_curve",
    "compare_all",
    "compare_rankings",
    "count_shard",
    "evaluate_neighbours",
    "evaluate_on_cluster",
    "evaluate_retrieval",
    "evaluate_single_shot",
    "find_matches",
    "k_reciprocal",
    "merge",
    "ndcg",
    "open_set",
    "rank_gallery",
    "ranked_histogram",
    "verification",
    "verify_pairs",
]
