"""What evaluators make of ties, of probes without a mate and of small galleries: run by hand, printed as a table.

Needs torchreid, pytorch-metric-learning, faiss-cpu, open-metric-learning and ranx in an environment of its own; those
that are missing are left out. ``book/your_embeddings.md`` quotes the table.
"""

import contextlib
import io
from importlib import metadata

import numpy as np

import course_utils
from course_utils.retrieval import evaluate_retrieval


def situations():
    """Give the cases: (name, probes, gallery, identities of both, k)."""
    ones = np.ones((160, 2), np.float32)
    mates_first = np.repeat(np.arange(40), 4)
    yield "all vectors equal, the 4 mates first in the gallery", ones[:1], ones, [0], mates_first, 1
    yield "all vectors equal, the 4 mates last in the gallery", ones[:1], ones, [0], mates_first[::-1].copy(), 1
    here = np.arange(10, dtype=np.float32)[:, None] * 10 + np.zeros((1, 2), np.float32)
    both = np.concatenate([here, here])
    yield "10 probes found at once, 10 without a mate", both, here, [*range(10), *range(100, 110)], np.arange(10), 1
    five = np.array([[1, 0], [2, 0], [3, 0], [4, 0], [5, 0]], np.float32)
    yield "the only mate second in a gallery of 5, k = 10", np.zeros((1, 2), np.float32), five, [1], np.arange(5), 10


def ours(probe, gallery, probe_ids, gallery_ids, k):
    result = evaluate_retrieval(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids)
    return {name: result.mean(name) for name in (f"top-{k}", f"precision@{k}", "mAP")}


def torchreid(probe, gallery, probe_ids, gallery_ids, k):
    from torchreid.reid.metrics.rank import evaluate_rank

    distances = np.sqrt(((probe[:, None] - gallery[None]) ** 2).sum(-1))
    cameras = np.zeros(len(probe), int), np.ones(len(gallery), int)
    cmc, mean = evaluate_rank(
        distances, np.asarray(probe_ids), np.asarray(gallery_ids), *cameras, max_rank=k, use_cython=False
    )
    return {f"top-{min(k, len(cmc))}": cmc[-1], "mAP": mean}


def pytorch_metric_learning(probe, gallery, probe_ids, gallery_ids, k):
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    calculator = AccuracyCalculator(include=("precision_at_1", "mean_average_precision"), k=None)
    vectors = torch.from_numpy(probe), torch.from_numpy(gallery)
    labels = torch.as_tensor(np.asarray(probe_ids)), torch.as_tensor(np.asarray(gallery_ids))
    found = calculator.get_accuracy(vectors[0], labels[0], vectors[1], labels[1])
    return {"top-1": found["precision_at_1"], "mAP": found["mean_average_precision"]}


def open_metric_learning(probe, gallery, probe_ids, gallery_ids, k):
    import torch
    from oml.functional.metrics import calc_retrieval_metrics

    distances = torch.cdist(torch.from_numpy(probe), torch.from_numpy(gallery))
    nearest = torch.topk(distances, k=len(gallery), largest=False)[1]
    mates = [torch.as_tensor(np.flatnonzero(np.asarray(gallery_ids) == each)) for each in probe_ids]
    found = calc_retrieval_metrics(nearest, mates, None, (k,), (k,), (len(gallery),), verbose=False)
    return {
        f"top-{k}": found["cmc"][k],
        f"precision@{k}": found["precision"][k],
        "mAP": found["map"][len(gallery)],
    }


def ranx(probe, gallery, probe_ids, gallery_ids, k):
    from ranx import Qrels, Run, evaluate

    distances = np.sqrt(((probe[:, None] - gallery[None]) ** 2).sum(-1))
    names = [f"g{j:03}" for j in range(len(gallery))]
    right = {
        f"q{i}": {names[j]: 1 for j in np.flatnonzero(np.asarray(gallery_ids) == each)}
        for i, each in enumerate(probe_ids)
    }
    scores = {f"q{i}": {name: -float(d) for name, d in zip(names, row, strict=True)} for i, row in enumerate(distances)}
    found = evaluate(Qrels(right), Run(scores), [f"hit_rate@{k}", f"precision@{k}", "map"], make_comparable=True)
    return {f"top-{k}": found[f"hit_rate@{k}"], f"precision@{k}": found[f"precision@{k}"], "mAP": found["map"]}


EVALUATORS = {
    "course-utils": ours,
    "torchreid": torchreid,
    "pytorch-metric-learning": pytorch_metric_learning,
    "open-metric-learning": open_metric_learning,
    "ranx": ranx,
}


def said(evaluator, data):
    """Give what an evaluator answers as text; an error is an answer, too."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            found = evaluator(*data)
        except ImportError:
            return "not installed"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return "  ".join(f"{measure} {float(value):.3f}" for measure, value in found.items())


def main():
    for case, *data in situations():
        print(f"\n{case}")
        for name, evaluator in EVALUATORS.items():
            version = course_utils.__version__ if evaluator is ours else metadata.version(name)
            print(f"  {name} {version}: {said(evaluator, data)}")


if __name__ == "__main__":
    main()
