import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

keras = pytest.importorskip("keras")

from book_runner import execute, kernel, plan  # noqa: E402
from book_runner.project import read_record  # noqa: E402
from course_utils import models, training  # noqa: E402
from course_utils.augment import AugmentedBatches, compose  # noqa: E402


def test_pipelines_do_not_tune_themselves_and_the_training_stays_the_same(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has these pipelines")
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
    from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    images = np.random.default_rng(0).random((48, 4, 4, 1), dtype=np.float32)
    labels = np.arange(48) % 10

    def train():
        training.set_seed(3)
        model = training.compile_classifier(models.fashion_model(4, input_shape=(4, 4, 1)))
        return model.fit(images, labels, epochs=2, batch_size=16, verbose=0).history["loss"]

    batches = AugmentedBatches(images, labels, transform=compose(), batch_size=16, seed=0)
    adapters = [
        ArrayDataAdapter(images, labels, batch_size=16),
        GeneratorDataAdapter(iter([(images, labels)])),
        PyDatasetAdapter(batches, class_weight=None),
    ]
    before = train()
    assert isinstance(adapters[0].get_tf_dataset(), tf.data.Dataset)
    assert adapters[0].get_tf_dataset().options().autotune.enabled is not False
    for adapter in adapters:
        # Put back after the test, whatever patches the class.
        monkeypatch.setattr(type(adapter), "get_tf_dataset", type(adapter).get_tf_dataset)
    kernel.stop_tuning_pipelines()
    for adapter in adapters:
        assert adapter.get_tf_dataset().options().autotune.enabled is False
    assert train() == before


def test_the_extension_acts_once_and_only_when_keras_is_there(monkeypatch):
    listening, calls = [], []
    events = SimpleNamespace(
        register=lambda event, listener: listening.append((event, listener)),
        unregister=lambda event, listener: listening.remove((event, listener)),
    )
    monkeypatch.setattr(kernel, "stop_tuning_pipelines", lambda: calls.append(1))
    kernel.load_ipython_extension(SimpleNamespace(events=events))
    (event, before_cell) = listening[0]
    assert event == "pre_run_cell"
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "keras")
        before_cell(None)
    assert (len(listening), calls) == (1, [])
    before_cell(None)
    assert (len(listening), calls) == (0, [1])


TRAINING = """
import os, sys
import numpy as np
from course_utils import models, results, training
results.record(memory=os.environ.get("GLIBC_TUNABLES", ""), extension="book_runner.kernel" in sys.modules)
training.set_seed(3)
images, labels = np.random.default_rng(0).random((48, 4, 4, 1), dtype=np.float32), np.arange(48) % 10
model = training.compile_classifier(models.fashion_mlp(input_shape=(4, 4, 1)))
"""
FITTING = "results.record('losses', model.fit(images, labels, epochs=3, batch_size=16, verbose=0).history['loss'])"


def test_a_notebook_gives_the_same_numbers_with_and_without(make_project, monkeypatch):
    project = make_project({"01_one": ["n = 2", TRAINING, FITTING]})
    records = {}
    for setting in ("1", "0"):
        monkeypatch.setenv("COURSE_TUNED_KERNELS", setting)
        assert execute.run_jobs(project, plan.plan(project), force=True) == {"01_one": "done"}
        found = read_record(project.record("quick", "01_one"))["records"]
        records[setting] = {name: entry["value"] for name, entry in found.items()}
    assert records["1"]["losses"] == records["0"]["losses"]
    assert "glibc.malloc.mmap_threshold" in records["1"]["memory"]
    assert [records[setting]["extension"] for setting in "10"] == [True, False]
    assert records["0"]["memory"] == ""


def test_what_a_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    monkeypatch.delenv("COURSE_TUNED_KERNELS", raising=False)
    assert kernel.start_options() == (["--ext=book_runner.kernel"], {"GLIBC_TUNABLES": "glibc.malloc.check=1"})
    monkeypatch.setenv("COURSE_TUNED_KERNELS", "0")
    assert kernel.start_options() == ([], {})
