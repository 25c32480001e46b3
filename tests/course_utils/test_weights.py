"""Weights: what a run keeps of its networks, and loading it again, from a checkout or from afar."""

import dataclasses
import functools
import hashlib
import http.server
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from course_utils import weights
from course_utils.errors import ArgumentError, DataError, DownloadError

ROOT = Path(__file__).parents[2]
NAME = "02_fashion_mlp/mlp"


class Network:
    """As much of a network of Keras as is needed."""

    def __init__(self, *shapes, seed=0):
        rng = np.random.default_rng(seed)
        self.arrays = [rng.random(shape, dtype=np.float32) for shape in shapes]

    def get_weights(self):
        return [array.copy() for array in self.arrays]

    def set_weights(self, arrays):
        self.arrays = arrays


@dataclasses.dataclass
class Facts:
    title: str = "Toy"
    licence: str = "CC0"


def keep(name=NAME, network=None):
    confused = pd.DataFrame({"true": ["a"], "predicted": ["b"], "count": [3], "share": [0.25]})
    report = SimpleNamespace(
        accuracy=0.75,
        interval=(0.7, 0.8),
        correct=np.ones(8, bool),
        per_class=pd.DataFrame({"recall": [0.5, 1.0]}, index=["a", "b"]),
        most_confused=lambda k: confused,
    )
    data = SimpleNamespace(provenance=Facts())
    return weights.keep(
        network or Network((2, 3), (3,)), name, report=report, data=data, seed=4, recipe="Adam, 2 epochs",
        history={"loss": [np.float32(2), np.float32(1)]}, seconds=1.5,
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout that keeps one network; the working folder is below it."""
    reference = tmp_path / "book" / "reference"
    reference.mkdir(parents=True)
    monkeypatch.chdir(reference)
    keep()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return reference / "02_fashion_mlp" / "weights"


def test_the_same_weights_come_back_with_how_they_were_trained(checkout):
    network = Network((2, 3), (3,), seed=1)
    kept = weights.restore(network, NAME)
    for ours, theirs in zip(network.arrays, Network((2, 3), (3,)).arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert kept.history == {"loss": [2.0, 1.0]}
    assert kept.seconds == 1.5
    card = kept.card
    assert card["n_parameters"] == 9
    assert card["seed"] == 4
    assert card["recipe"] == "Adam, 2 epochs"
    assert card["data"] == {"title": "Toy", "licence": "CC0"}
    assert (card["accuracy"], card["low"], card["high"], card["n_test"]) == (0.75, 0.7, 0.8, 8)
    assert card["failures"][0] == "Of the test images of a, its hardest class, it gets 0.500 right."
    assert card["failures"][1] == "It takes a for b 3 times, 25.0% of them."


def test_a_named_folder_comes_before_the_checkout(checkout, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    keep(network=Network((2, 3), (3,), seed=7))
    monkeypatch.setenv("COURSE_REFERENCE_DIR", str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path / "notebooks")
    network = Network((2, 3), (3,))
    weights.restore(network, NAME)
    np.testing.assert_array_equal(network.arrays[0], Network((2, 3), seed=7).arrays[0])


@pytest.mark.parametrize("name", ["mlp", "a/b/c", "../up/mlp", "a/", "a/b.c", None])
def test_wrong_names(name):
    for call in (lambda: keep(name), lambda: weights.restore(Network((2,)), name)):
        with pytest.raises(ArgumentError, match="it must be CHAPTER/NETWORK"):
            call()


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("mlp.npz", b"PK", "mlp.npz: is damaged, its checksum is not the one in mlp.json"),
        ("mlp.json", b"{", "mlp.json: is not a model card"),
        ("mlp.json", b'{"history": {}}', "mlp.json: is not a model card"),
        ("mlp.json", b"[]", "mlp.json: is not a model card"),
    ],
)
def test_damaged_files(checkout, file, content, problem):
    (checkout / file).write_bytes(content)
    network = Network((2, 3), (3,), seed=1)
    before = network.get_weights()
    with pytest.raises(DataError, match=problem):
        weights.restore(network, NAME)
    np.testing.assert_array_equal(network.arrays[0], before[0])


@pytest.mark.parametrize("shapes", [[(2, 3)], [(3, 2), (3,)], [(2, 3), (3,), (1,)]])
def test_another_network_is_refused(checkout, shapes):
    with pytest.raises(DataError, match=r"holds weights of the shapes \[\(2, 3\), \(3,\)\]; the network takes"):
        weights.restore(Network(*shapes), NAME)


def test_pickles_are_not_read(checkout):
    path = checkout / "mlp.npz"
    np.savez(path, np.array([{"a": 1}], dtype=object))
    card = json.loads((checkout / "mlp.json").read_text())
    (checkout / "mlp.json").write_text(json.dumps(card | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
    with pytest.raises(DataError, match="is not a file of weights"):
        weights.restore(Network((2, 3)), NAME)


@pytest.fixture
def published(checkout, tmp_path, monkeypatch):
    """The kept files on a server, and a package that knows their checksums; the working folder is in no checkout."""
    files = {f"02_fashion_mlp/weights/{path.name}": path.read_bytes() for path in checkout.iterdir()}
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "book" / "reference")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    registry = {"address": f"http://127.0.0.1:{server.server_port}", "sha256": sums}
    monkeypatch.setattr(weights, "_registry", lambda: registry)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_reference_folders", list)
    yield registry
    server.shutdown()


def test_without_a_checkout_they_are_fetched_and_verified(published, checkout):
    network = Network((2, 3), (3,), seed=1)
    assert weights.restore(network, NAME).seconds == 1.5
    np.testing.assert_array_equal(network.arrays[0], Network((2, 3)).arrays[0])
    # Once fetched they stay.
    published["address"] = "http://127.0.0.1:1"
    weights.restore(network, NAME)


def test_another_file_than_the_kept_one_is_refused(published, checkout):
    (checkout / "mlp.npz").write_bytes(b"other")
    with pytest.raises(DownloadError, match="sent a file with another checksum than sha256"):
        weights.restore(Network((2, 3), (3,)), NAME)


def test_what_cannot_be_fetched(published):
    with pytest.raises(DataError, match="has kept no such weights; there are 02_fashion_mlp/weights/mlp.npz"):
        weights.restore(Network((2,)), "02_fashion_mlp/absent")
    published["address"] = "http://127.0.0.1:1"
    with pytest.raises(DownloadError, match="could not be fetched"):
        weights.restore(Network((2,)), NAME)
    published["address"] = ""
    with pytest.raises(DataError, match="the package knows no address to fetch it from"):
        weights.restore(Network((2,)), NAME)
