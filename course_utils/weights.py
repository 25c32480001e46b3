"""Weights of trained networks: those that the full run keeps, each with its model card, to be loaded again.

The full run keeps the weights of its first training of each network. They lie in ``book/reference/CHAPTER/weights/``;
``weights.toml`` beside this module holds their checksums, so that where there is no checkout they can be fetched.
"""

import dataclasses
import functools
import hashlib
import importlib.resources
import io
import json
import os
import re
import tomllib
import zipfile
from pathlib import Path

import numpy as np

from course_utils.datasets import cache_folder
from course_utils.errors import ArgumentError, DataError, DownloadError, require

__all__ = ["Kept", "keep", "restore"]

_NAME = re.compile(r"\w+/\w+")
_FAILURES = 3


@dataclasses.dataclass(frozen=True)
class Kept:
    """What :func:`restore` says of the training that made the weights.

    Attributes
    ----------
    history : dict of str to list of float
        As ``fit`` gave it.
    seconds : float
        How long the training took.
    card : dict
        The model card.
    """

    history: dict
    seconds: float
    card: dict


def keep(network, name, *, report, data, seed, recipe, history, seconds):
    """Write the weights of a trained network, and its model card, beside the notebook.

    Parameters
    ----------
    network : keras.Model
        Trained.
    name : str
        ``"CHAPTER/NETWORK"``, such as ``"02_fashion_mlp/mlp"``: letters, digits and underscores.
    report : ClassifierReport
        What :func:`course_utils.evaluation.evaluate_classifier` found on the test images: the card gets the accuracy
        with its interval, and which classes the network takes for each other most often.
    data : Dataset
        What it was trained on.
    seed : int
        Of the training.
    recipe : str
        How it was trained, in a line.
    history, seconds : dict, float
        What ``fit`` returned in its attribute ``history``, and how long it took.

    Returns
    -------
    pathlib.Path
        The file of the weights, ``CHAPTER/weights/NETWORK.npz``. The card is ``NETWORK.json`` beside it.

    Examples
    --------
    >>> import contextlib, tempfile
    >>> from course_utils import datasets, evaluation, models, training
    >>> data = datasets.load("mnist", source="synthetic", train_limit=20, test_limit=20)
    >>> network = models.fashion_mlp()
    >>> predict = training.predictor(network)
    >>> report = evaluation.evaluate_classifier(predict, data.x_test, data.y_test, class_names=data.class_names)
    >>> facts = {"report": report, "data": data, "seed": 0, "recipe": "none", "history": {}, "seconds": 0}
    >>> with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    ...     keep(network, "02_fashion_mlp/mlp", **facts).as_posix()
    '02_fashion_mlp/weights/mlp.npz'
    """
    chapter, label = _checked(name)
    arrays = network.get_weights()
    content = io.BytesIO()
    np.savez_compressed(content, *arrays)
    facts = data.provenance
    low, high = report.interval
    card = {
        "network": label,
        "chapter": chapter,
        "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
        "n_parameters": int(sum(array.size for array in arrays)),
        "seed": int(seed),
        "recipe": recipe,
        "data": dataclasses.asdict(facts),
        "accuracy": float(report.accuracy),
        "low": float(low),
        "high": float(high),
        "n_test": len(report.correct),
        "failures": _failures(report),
        "seconds": float(seconds),
        "history": {metric: [float(value) for value in values] for metric, values in history.items()},
    }
    folder = Path(chapter, "weights")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{label}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    path = folder / f"{label}.npz"
    path.write_bytes(content.getvalue())
    return path


def restore(network, name):
    """Give a network the weights that the full run kept of its first training.

    They are taken from ``book/reference/`` of the checkout that the notebook runs in, or of the folder that
    ``COURSE_REFERENCE_DIR`` names; where there is neither, they are fetched from the book's repository and their
    checksums verified.

    Parameters
    ----------
    network : keras.Model
        Built, with the same layers; its weights are replaced.
    name : str
        As for :func:`keep`.

    Returns
    -------
    Kept
        History, seconds and card of the training.

    Raises
    ------
    DataError
        If there are no weights of that name, or they are damaged, or of a network with other layers.

    Examples
    --------
    >>> from course_utils import models
    >>> restore(models.fashion_mlp(), "02_fashion_mlp/cnn")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: 02_fashion_mlp/weights/cnn.json: the full run has kept no such weights; there are ...
    """
    chapter, label = _checked(name)
    card_file, weights_file = (_find(chapter, f"{label}.{ending}") for ending in ("json", "npz"))
    try:
        card = json.loads(card_file.read_text(encoding="utf-8"))
        history, seconds, expected = card["history"], card["seconds"], card["sha256"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{card_file}: is not a model card ({type(error).__name__}: {error})") from None
    content = weights_file.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise DataError(f"{weights_file}: is damaged, its checksum is not the one in {card_file.name}")
    _set_weights(network, content, weights_file)
    return Kept(history, seconds, card)


def _checked(name):
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ArgumentError(f"name is {name!r}; it must be CHAPTER/NETWORK, such as '02_fashion_mlp/mlp'")
    return name.split("/")


def _failures(report):
    """Say in a sentence each what the network gets wrong most often."""
    recall = report.per_class["recall"]
    worst = recall.idxmin()
    return [
        f"Of the test images of {worst}, its hardest class, it gets {recall[worst]:.3f} right.",
        *(
            f"It takes {row['true']} for {row['predicted']} {row['count']} times, {row['share']:.1%} of them."
            for row in report.most_confused(_FAILURES).to_dict("records")
        ),
    ]


def _set_weights(network, content, path):
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = [file[f"arr_{place}"] for place in range(len(file.files))]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is not a file of weights ({error})") from None
    kept, wanted = ([tuple(array.shape) for array in each] for each in (arrays, network.get_weights()))
    if kept != wanted:
        raise DataError(f"{path}: holds weights of the shapes {kept}; the network takes {wanted}")
    network.set_weights(arrays)


def _find(chapter, file):
    """Find a kept file: in the folder that the environment names, the checkout around us, or the book's repository."""
    for folder in _reference_folders():
        path = folder / chapter / "weights" / file
        if path.is_file():
            return path
    return _fetch(f"{chapter}/weights/{file}")


def _reference_folders():
    if named := os.environ.get("COURSE_REFERENCE_DIR"):
        yield Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "book" / "reference").is_dir():
            yield folder / "book" / "reference"


@functools.cache
def _registry():
    text = (importlib.resources.files("course_utils") / "weights.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _fetch(file):
    registry = _registry()
    digest = registry["sha256"].get(file)
    if digest is None:
        known = ", ".join(sorted(name for name in registry["sha256"] if name.endswith(".npz"))) or "none"
        raise DataError(f"{file}: the full run has kept no such weights; there are {known}")
    if not registry["address"]:
        raise DataError(
            f"{file}: is not in book/reference/ of a checkout around {Path.cwd()}, and the package knows no address "
            "to fetch it from; run the notebook in a checkout, or set COURSE_REFERENCE_DIR"
        )
    pooch, requests = require("pooch", "course"), require("requests", "course")
    address, folder = f"{registry['address']}/{file}", cache_folder() / "weights"
    try:
        return Path(pooch.retrieve(address, f"sha256:{digest}", file.replace("/", "-"), folder))
    except requests.RequestException as error:
        raise DownloadError(f"{address}: could not be fetched ({type(error).__name__})") from error
    except ValueError as error:
        raise DownloadError(f"{address}: sent a file with another checksum than sha256:{digest}") from error
