"""A confusion matrix whose cells show their pictures."""

import numpy as np

from course_utils import plots
from course_utils.errors import ArgumentError, check_integer
from course_utils.evaluation import softmax
from course_utils.interactive.widget import Widget, drawn, pack, thumbnails

__all__ = ["confusion_explorer"]

_MOST = 500  # thumbnails
_RIGHT = 4  # So many mistakes of a cell are kept for each right answer: there is more to see in them.


def confusion_explorer(reports, images, *, limit=_MOST):
    """Let readers open the cells of confusion matrices, of several models and runs, and see the pictures in them.

    The matrices count all pictures. Thumbnails are kept of at most `limit`: of each cell those about which the models
    are most confident, more of large cells than of small ones, and more mistakes than right answers.

    Parameters
    ----------
    reports : mapping of str to ClassifierReport, or to a sequence of them
        By name of the model, one report per run, as :func:`course_utils.evaluation.evaluate_classifier` makes them;
        all on the same pictures and classes, 256 at most. Without scores there is no confidence.
    images : array_like of uint8, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        The pictures, in the order of the reports.
    limit : int
        Thumbnails to keep, 1 to 500.

    Returns
    -------
    Widget

    Raises
    ------
    ArgumentError
        If the arguments are not as described above.

    Examples
    --------
    >>> from course_utils.evaluation import evaluate_predictions
    >>> report = evaluate_predictions([0, 0, 1], [0, 1, 1], class_names=["cat", "dog"])
    >>> confusion_explorer({"guess": report}, np.zeros((3, 8, 8), "uint8")).data["models"][0]["runs"][0]["matrix"]
    [[1, 0], [1, 1]]
    """
    named = {str(name): [each] if hasattr(each, "labels") else list(each) for name, each in dict(reports).items()}
    runs = [run for model in named.values() for run in model]
    if not all(named.values()) or not runs:
        raise ArgumentError(
            f"reports holds { ({name: len(each) for name, each in named.items()}) }; each needs a report"
        )
    first, images = runs[0], np.asarray(images)
    if any(run.class_names != first.class_names or not np.array_equal(run.labels, first.labels) for run in runs):
        raise ArgumentError("reports are about different pictures or classes; they must be about the same")
    if len(first.class_names) > 256:
        raise ArgumentError(f"reports have {len(first.class_names)} classes; there may be 256")
    if len(images) != first.n:
        raise ArgumentError(f"images holds {len(images)} pictures for {first.n} labels; the numbers must be equal")
    if check_integer("limit", limit, minimum=1) > _MOST:
        raise ArgumentError(f"limit is {limit}; it may be {_MOST}")
    chosen = _chosen(runs, limit)
    data = {
        "classes": list(first.class_names),
        "truths": pack(first.labels[chosen], "uint8"),
        "pictures": thumbnails(images[chosen]),
        "models": [{"name": name, "runs": [_packed(run, chosen) for run in each]} for name, each in named.items()],
    }
    name = next(iter(named))
    caption = (
        "A confusion matrix to open: rows are true classes, columns answers. Choose a cell, and its test pictures "
        "come, the most confident answer first."
    )
    picture = drawn(plots.plot_confusion(first).figure)
    return Widget("confusion", data, picture=picture, alt=_alt(name, first), caption=caption)


def _confidence(report):
    """The probability of each answer, or None."""
    if report.scores is None:
        return None
    scores = np.asarray(report.scores, dtype=float)
    shares = scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    return (scores if shares else softmax(scores)).max(axis=1)


def _chosen(runs, limit):
    """Take pictures from all cells of all runs, the most confident first."""
    best = np.full(runs[0].n, np.inf)
    for run in runs:
        confidence = _confidence(run)
        cells = run.labels * len(run.class_names) + run.predictions
        order = np.lexsort((np.zeros(run.n) if confidence is None else -confidence, cells))
        sizes = np.bincount(cells)
        starts = np.cumsum(sizes) - sizes
        turns = np.empty(run.n)
        turns[order] = np.arange(run.n) - starts[cells[order]]
        # Of a cell with four times as many pictures, twice as many are kept.
        turns = (turns + 1) / np.sqrt(sizes[cells])
        best = np.minimum(best, np.where(run.correct, _RIGHT * turns, turns))
    return np.sort(np.argsort(best, kind="stable")[:limit])


def _packed(run, chosen):
    confidence = _confidence(run)
    return {
        "accuracy": round(run.accuracy, 6),
        "matrix": run.confusion.tolist(),
        "answers": pack(run.predictions[chosen], "uint8"),
        "confidence": None if confidence is None else pack(confidence[chosen], "float32"),
    }


def _alt(name, report):
    mistakes = report.confusion - np.diag(np.diag(report.confusion))
    true, said = np.unravel_index(mistakes.argmax(), mistakes.shape)
    names = report.class_names
    most = f"Most often, {mistakes[true, said]} times, {names[true]} is taken for {names[said]}."
    return f"Confusion matrix of {name}, true classes down and answers across. {most if mistakes.any() else ''}".strip()
