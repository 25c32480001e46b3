"""Training: seeds, recipes, augmentation and gradients."""

import functools
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import log_softmax

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

keras = pytest.importorskip("keras")

from course_utils import models, training  # noqa: E402
from course_utils.errors import ArgumentError  # noqa: E402


def some_images(model, n):
    return np.random.default_rng(0).random((n, *model.input_shape[1:]), dtype=np.float32)


@pytest.fixture(autouse=True)
def _seeded():
    training.set_seed(0)


def test_the_same_seed_gives_the_same_training_and_another_seed_does_not():
    def train(seed):
        training.set_seed(seed)
        model = training.compile_classifier(models.fashion_model(4, input_shape=(4, 4, 1)))
        images = np.random.default_rng(0).random((64, 4, 4, 1), dtype=np.float32)
        return model.fit(images, np.arange(64) % 10, epochs=2, batch_size=16, verbose=0).history["loss"]

    first = train(3)
    assert train(3) == first
    assert train(4) != first


@pytest.mark.parametrize(
    "compile_model", [training.compile_classifier, functools.partial(training.compile_one_cycle, steps=4)]
)
def test_tensorflow_traces_the_first_step_once(compile_model, monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow traces")
    model = compile_model(models.fashion_model(1, input_shape=(4, 4, 1)))
    traced = []
    step = type(model).train_step
    monkeypatch.setattr(type(model), "train_step", lambda self, data: traced.append(1) or step(self, data))
    history = model.fit(np.zeros((8, 4, 4, 1), np.float32), np.zeros(8, int), batch_size=4, verbose=0).history
    assert list(history) == ["accuracy", "loss"]
    assert len(traced) == 1


def test_augmentation_changes_images_in_training_only():
    augmentation = training.digit_augmentation()
    images = some_images(models.svhn_dcnn(), 6)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(augmentation(images, training=False)), images)
    changed = keras.ops.convert_to_numpy(augmentation(images, training=True))
    assert changed.shape == images.shape
    assert (np.abs(changed - images).mean(axis=(1, 2, 3)) > 0.02).all()
    assert changed.min() >= 0
    assert changed.max() <= 1
    again = keras.ops.convert_to_numpy(augmentation(images, training=True))
    assert not np.array_equal(changed, again)


def test_an_augmented_network_sees_changed_images_in_training_only_and_trains_the_network_inside():
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            seen.append(inputs)
            return inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    inputs = keras.Input((28, 28, 1), name="image")
    outputs = keras.layers.Dense(10, name="logits")(keras.layers.Flatten()(Spy()(inputs)))
    inner = keras.Model(inputs, outputs)
    augmented = training.with_augmentation(inner, training.digit_augmentation())
    training.compile_classifier(augmented, optimizer="sgd", learning_rate=0.1)
    augmented.run_eagerly = True
    images = some_images(inner, 4)
    before = inner.get_weights()[0]
    augmented.train_on_batch(images, np.arange(4))
    assert np.abs(keras.ops.convert_to_numpy(seen[-1]) - images).mean() > 0.02
    assert not np.array_equal(before, inner.get_weights()[0])
    augmented.predict_on_batch(images)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(seen[-1]), images)


def test_a_digit_is_never_turned_by_more_than_was_asked():
    # A bright half plane: its edge's angle tells the rotation.
    images = np.zeros((200, 41, 41, 1), "float32")
    images[:, :, 21:] = 1
    augmentation = training.digit_augmentation().get_layer("rotation")
    turned = keras.ops.convert_to_numpy(augmentation(images, training=True))[..., 0]
    bright = turned[:, 5:36].sum(axis=2)  # bright columns of each row; the corners left out
    slope = np.polyfit(np.arange(31), bright.T, 1)[0]
    degrees = np.abs(np.degrees(np.arctan(slope)))
    assert degrees.max() < 11
    assert degrees.max() > 8


def test_one_cycle_rises_once_to_its_peak_and_falls_to_zero():
    schedule = training.OneCycle(0.01, 200)
    rates = np.array([float(schedule(step)) for step in range(260)])
    top = int(rates.argmax())
    assert top == 50
    assert rates[top] == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.01 / 25)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:201]) < 0).all()
    assert rates[200:].max() == pytest.approx(0, abs=1e-9)


def test_one_cycle_survives_saving(tmp_path):
    model = training.compile_one_cycle(models.fashion_mlp(input_shape=(4, 4, 1)), steps=10, peak=0.02)
    model.fit(some_images(model, 8), np.arange(8), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    config = loaded.optimizer.get_config()["learning_rate"]["config"]
    assert config == {"peak": 0.02, "steps": 10}


def test_compile_one_cycle_decays_kernels_only():
    model = training.compile_one_cycle(models.fashion_model(3, input_shape=(8, 8, 1)), steps=10)
    model.optimizer.build(model.trainable_variables)
    decayed = {v.path for v in model.trainable_variables if model.optimizer._use_weight_decay(v)}
    assert decayed == {v.path for v in model.trainable_variables if v.path.endswith("kernel")}


def test_gradient_norms_agree_with_the_formula_for_a_linear_network():
    inputs = keras.Input((2, 3, 1), name="image")
    model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(keras.layers.Flatten()(inputs)))
    images, labels = some_images(model, 5), np.array([0, 1, 2, 3, 0])
    kernel, bias = model.get_weights()
    flat = images.reshape(5, -1)
    errors = np.exp(log_softmax(flat @ kernel + bias, axis=1)) - np.eye(4)[labels]
    expected = np.linalg.norm(flat.T @ errors / 5)
    assert training.gradient_norms(model, images, labels)["logits"] == pytest.approx(expected, rel=1e-3)
    np.testing.assert_array_equal(model.get_weights()[0], kernel)


def test_gradient_norms_leave_a_compiled_network_with_state_alone():
    model = training.compile_classifier(models.resnet_v1(8, input_shape=(8, 8, 1)))
    before = model.get_weights()
    norms = training.gradient_norms(model, some_images(model, 4), np.arange(4))
    assert norms.index[0] == "stem"
    assert norms.index[-1] == "logits"
    assert (norms > 0).all()
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_the_networks_train_on_the_jax_backend():
    code = (
        "import numpy as np; from course_utils import models; training.set_seed(1);"
        "x = np.random.default_rng(0).random((32, 28, 28, 1), dtype='float32'); y = np.arange(32) % 10;"
        "net = training.with_augmentation(models.svhn_dcnn(), training.digit_augmentation());"
        "training.compile_one_cycle(net, steps=4).fit(x, y, batch_size=16, epochs=2, verbose=0);"
        "assert np.isfinite(training.predictor(net)(x)).all();"
        "assert (training.gradient_norms(models.resnet_v1(8, n_classes=10), x, y) > 0).all();"
        "assert len(models.describe(net)) == 28; import keras; print(keras.backend.backend())"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "jax"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: training.compile_classifier(models.fashion_mlp(), optimizer="adm"),
            "optimizer is 'adm'; it must be the name",
        ),
        (lambda: training.set_seed(-1), "seed is -1"),
        (lambda: training.compile_classifier(models.fashion_mlp(), learning_rate=0), "learning_rate is 0"),
        (lambda: training.OneCycle(0, 10), "peak is 0; it must be greater"),
    ],
)
def test_a_bad_argument_is_named_with_what_is_legal(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
