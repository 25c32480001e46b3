"""The networks: their sizes to the last parameter, their outputs, and that they learn."""

import functools
import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import log_softmax

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

keras = pytest.importorskip("keras")

from course_utils import models, training  # noqa: E402
from course_utils.errors import ArgumentError  # noqa: E402

CLASSIFIERS = {
    "fashion_mlp": models.fashion_mlp,
    **{f"fashion_model_{i}": lambda i=i: models.fashion_model(i) for i in range(1, 7)},
    "strided": models.strided_convnet,
    "pooled": models.pooled_convnet,
    "thin_deep": models.thin_deep_convnet,
    "compact": models.compact_convnet,
    "svhn_dcnn": models.svhn_dcnn,
    "vgg_like": models.vgg_like,
    "five_class_cnn": models.five_class_cnn,
    "resnet_8": lambda: models.resnet_v1(8),
    "plain_8": lambda: models.resnet_v1(8, shortcuts=False),
}


def trainable_count(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def numbers(layer):
    """The weights of a layer or model, less the integer state of its random number generators."""
    return [weight for weight in layer.get_weights() if np.issubdtype(weight.dtype, np.floating)]


def some_images(model, n, *, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, *model.input_shape[1:]), dtype=np.float32)


@pytest.fixture(autouse=True)
def _seeded():
    training.set_seed(0)


@pytest.mark.parametrize(
    ("build", "total", "trainable"),
    [
        (models.fashion_mlp, 101_770, 101_770),
        (lambda: models.fashion_model(2), 222_086, 222_086),
        (lambda: models.fashion_model(3), 222_342, 222_214),
        (lambda: models.fashion_model(6), 222_342, 222_214),
        (models.strided_convnet, 37_146, 37_146),
        (models.pooled_convnet, 37_146, 37_146),
        (models.thin_deep_convnet, 23_314, 23_314),
        (models.compact_convnet, 73_402, 72_954),
        (lambda: models.compact_convnet((32, 64, 128), input_shape=(28, 28, 1)), 289_066, 288_170),
        (models.svhn_dcnn, 437_026, 436_914),
        (models.siamese_branch, 1_108_616, 1_107_992),
        (models.five_class_cnn, 33_989, 30_405),
    ],
)
def test_parameter_counts_are_those_of_the_originals(build, total, trainable):
    model = build()
    assert model.count_params() == total
    assert trainable_count(model) == trainable


def test_strided_convnet_has_the_counts_of_the_sheet_layer_by_layer():
    counts = models.describe(models.strided_convnet())["parameters"]
    assert counts[counts > 0].tolist() == [448, 2_320, 4_640, 9_248, 20_490]
    assert counts.idxmax() == "logits"


@pytest.mark.parametrize("depth", [8, 14, 20])
@pytest.mark.parametrize("shortcuts", [True, False])
def test_resnet_has_its_depth(depth, shortcuts):
    model = models.resnet_v1(depth, shortcuts=shortcuts)
    main = [layer for layer in model.layers if hasattr(layer, "kernel") and not layer.name.endswith("_shortcut")]
    assert len(main) == depth
    adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(adds) == ((depth - 2) // 2 if shortcuts else 0)
    assert not any(layer.name.endswith("_shortcut") for layer in model.layers) or shortcuts


def test_without_shortcuts_a_resnet_only_loses_the_additions_and_the_projections():
    residual, plain = models.resnet_v1(14), models.resnet_v1(14, shortcuts=False)
    gone = {layer.name for layer in residual.layers} - {layer.name for layer in plain.layers}
    assert {layer.name for layer in plain.layers} < {layer.name for layer in residual.layers}
    assert all(re.fullmatch(r"stack\d_block\d_(add|shortcut)", name) for name in gone)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_gives_finite_logits_and_names_its_embedding(name):
    model = CLASSIFIERS[name]()
    images = some_images(model, 3)
    logits = training.predictor(model)(images)
    n_classes = model.output_shape[1]
    assert logits.shape == (3, n_classes)
    assert np.isfinite(logits).all()
    # No softmax inside: the outputs of fresh weights do not sum to 1.
    assert not np.allclose(logits.sum(axis=1), 1)
    embedding = training.predictor(models.embedding_model(model))(images)
    assert embedding.ndim == 2
    assert len(embedding) == 3
    # The embedding feeds the last layer: kernel and bias applied to it give the logits (dropout rests in inference).
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(embedding @ kernel + bias, logits, rtol=1e-3, atol=1e-4)


SMALL = {
    "fashion_model_5": lambda: models.fashion_model(5, input_shape=(8, 8, 1)),
    "pooled": lambda: models.pooled_convnet(input_shape=(8, 8, 3)),
    "compact": lambda: models.compact_convnet((8, 16), input_shape=(8, 8, 3)),
    "vgg_like": lambda: models.vgg_like(input_shape=(8, 8, 1)),
    "resnet_8": lambda: models.resnet_v1(8, input_shape=(8, 8, 1)),
    "five_class_cnn": lambda: models.five_class_cnn(input_shape=(12, 12, 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_classifier_can_learn_eight_images_by_heart_and_all_its_weights_move(name):
    model = training.compile_classifier(SMALL[name](), learning_rate=3e-3)
    images, labels = some_images(model, 8), np.arange(8) % model.output_shape[1]
    start = numbers(model)
    # Forty times the same batch in an epoch: that many steps for the price of one epoch's overhead.
    images, labels = np.tile(images, (40, 1, 1, 1)), np.tile(labels, 40)
    history = model.fit(images, labels, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["accuracy"][-1] > 0.9
    assert not any(np.array_equal(old, new) for old, new in zip(start, numbers(model), strict=True))


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


def test_penalties_act_on_the_dense_kernel_and_on_nothing_else():
    model = models.strided_convnet(l1=0.5, l2=0.25)
    kernel = model.get_layer("logits").get_weights()[0]
    expected = 0.5 * np.abs(kernel).sum() + 0.25 * np.square(kernel).sum()
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("number", "power"), [(5, 2), (6, 1)])
def test_fashion_models_5_and_6_penalise_every_kernel(number, power):
    model = models.fashion_model(number)
    kernels = [layer.get_weights()[0] for layer in model.layers if hasattr(layer, "kernel")]
    assert len(kernels) == 5
    expected = 1e-4 * sum((np.abs(kernel) ** power).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-3)


def test_norm_momentum_decides_how_far_one_step_moves_the_running_mean():
    def running_mean(momentum):
        training.set_seed(0)
        model = models.fashion_model(3, input_shape=(4, 4, 1), norm_momentum=momentum)
        training.compile_classifier(model).train_on_batch(np.ones((4, 4, 4, 1), "float32"), np.zeros(4, int))
        return np.asarray(model.get_layer("norm1").moving_mean)

    assert np.abs(running_mean(0.5)).max() > 0
    np.testing.assert_allclose(running_mean(0.5), 50 * running_mean(0.99), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "build", [models.five_class_cnn, models.compact_convnet, functools.partial(models.resnet_v1, 8)]
)
def test_norm_momentum_reaches_every_normalisation(build):
    norms = [layer for layer in build(norm_momentum=0.8).layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in norms} == {0.8}
    with pytest.raises(ArgumentError, match="norm_momentum is 1.5; .* from 0 to 1"):
        build(norm_momentum=1.5)


def test_a_strong_l1_penalty_leaves_the_dense_weights_near_zero():
    def size(l1):
        model = models.strided_convnet(input_shape=(8, 8, 3), l1=l1)
        training.compile_classifier(model, learning_rate=3e-3)
        images = np.tile(some_images(model, 8), (100, 1, 1, 1))
        model.fit(images, np.tile(np.arange(8), 100), batch_size=8, shuffle=False, verbose=0)
        return np.abs(model.get_layer("logits").get_weights()[0]).mean()

    assert size(10.0) < size(0.0) / 4


def test_fine_tune_copies_the_trunk_and_leaves_the_old_network_alone():
    old = training.compile_classifier(models.vgg_like(input_shape=(4, 4, 1)))
    images = some_images(old, 32)
    old.fit(images, np.arange(32) % 10, epochs=1, verbose=0)
    kept = old.get_weights()
    tuned = models.fine_tune(old, 4)
    np.testing.assert_allclose(
        training.predictor(models.embedding_model(tuned))(images),
        training.predictor(models.embedding_model(old))(images),
        rtol=1e-5,
        atol=1e-6,
    )
    training.compile_classifier(tuned).fit(images, np.arange(32) % 4, epochs=1, verbose=0)
    assert tuned.output_shape == (None, 4)
    for before, after in zip(kept, old.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_trunk_stays_as_it_is_in_training_and_an_unfrozen_one_does_not(freeze):
    old = models.vgg_like(input_shape=(4, 4, 1))
    tuned = training.compile_classifier(models.fine_tune(old, 4, freeze=freeze))
    images = some_images(tuned, 32)
    trunk, head = tuned.layers[:-1], tuned.layers[-1]
    before, head_before = [numbers(layer) for layer in trunk], numbers(head)
    tuned.fit(images, np.arange(32) % 4, epochs=2, verbose=0)
    same = [
        np.array_equal(old, new)
        for layer, kept in zip(trunk, before, strict=True)
        for old, new in zip(kept, numbers(layer), strict=True)
    ]
    # Batch normalisation's moving mean and variance are among them.
    assert all(same) if freeze else not any(same)
    assert not np.array_equal(head_before[0], numbers(head)[0])


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
    augmentation = training.digit_augmentation(degrees=10, shift=0, zoom=0, brightness=0, contrast=0)
    turned = keras.ops.convert_to_numpy(augmentation(images, training=True))[..., 0]
    bright = turned[:, 5:36].sum(axis=2)  # bright columns of each row; the corners left out
    slope = np.polyfit(np.arange(31), bright.T, 1)[0]
    degrees = np.abs(np.degrees(np.arctan(slope)))
    assert degrees.max() < 11
    assert degrees.max() > 8


def test_one_cycle_rises_once_to_its_peak_and_falls_to_zero():
    schedule = training.OneCycle(0.01, 200, warmup=0.3)
    rates = np.array([float(schedule(step)) for step in range(260)])
    top = int(rates.argmax())
    assert top == 60
    assert rates[top] == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.01 / 25)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:201]) < 0).all()
    assert rates[200:].max() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("warmup", [0, 1])
def test_one_cycle_is_finite_without_a_way_up_or_down(warmup):
    rates = [float(training.OneCycle(0.01, 10, warmup=warmup)(step)) for step in range(12)]
    assert np.isfinite(rates).all()
    assert 0.009 < max(rates) <= 0.0100001


def test_one_cycle_survives_saving(tmp_path):
    model = training.compile_one_cycle(models.fashion_mlp(input_shape=(4, 4, 1)), steps=10, peak=0.02)
    model.fit(some_images(model, 8), np.arange(8), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    config = loaded.optimizer.get_config()["learning_rate"]["config"]
    assert config == {"peak": 0.02, "steps": 10, "warmup": 0.25}


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


def test_most_frequent_baseline_scores_the_share_of_its_class():
    baseline = models.most_frequent_baseline([2, 2, 1])
    assert np.mean(baseline.predict(np.zeros((4, 5, 5, 3))) == np.array([2, 0, 1, 2])) == 0.5


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_describe_agrees_with_keras(name):
    model = CLASSIFIERS[name]()
    table = models.describe(model)
    assert table["parameters"].sum() == model.count_params()
    for row in table.itertuples():
        # The formula is arithmetic: it must come out at the count.
        value = eval(row.formula.replace("·", "*")) if row.formula else 0
        assert value == row.parameters
    last = table.iloc[-1]
    assert last["output shape"] == str(model.output_shape[1])
    assert (table["activation bytes"] > 0).all()


def test_multiply_adds_agree_with_counting_by_hand():
    table = models.describe(models.pooled_convnet())
    expected = [32 * 32 * 9 * 3 * 16, 32 * 32 * 9 * 16 * 16, 16 * 16 * 9 * 16 * 32, 16 * 16 * 9 * 32 * 32, 2048 * 10]
    assert table.loc[["conv1a", "conv1b", "conv2a", "conv2b", "logits"], "multiply-adds"].tolist() == expected
    assert table["multiply-adds"].sum() == sum(expected)
    # A stride of 2 leaves a quarter of the outputs to compute.
    strided = models.describe(models.strided_convnet())
    assert strided.loc["conv1b", "multiply-adds"] == table.loc["conv1b", "multiply-adds"] / 4


def test_describe_counts_a_network_inside_a_network_once():
    inner = models.svhn_dcnn()
    table = models.describe(training.with_augmentation(inner, training.digit_augmentation()))
    assert table["parameters"].sum() == inner.count_params()
    assert table.index.is_unique
    assert {"rotation", "conv1a"} < set(table.index)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.resnet_v1(2), "depth is 2; .* holds no residual block"),
        (lambda: models.resnet_v1(9), r"depth is 9; it must be 6n \+ 2 with n ≥ 1"),
        (lambda: models.resnet_v1(-4), "depth is -4"),
        (lambda: models.resnet_v1(8.0), "depth is 8.0; it must be an integer"),
        (lambda: models.fashion_model(7), "number is 7; .* from 1 to 6"),
        (lambda: models.fashion_model(3, norm_momentum=2), "norm_momentum is 2; .* from 0 to 1"),
        (lambda: models.fashion_mlp(input_shape=(28, 28)), r"input_shape is \(28, 28\); it must be"),
        (lambda: models.fashion_mlp(input_shape=28), "input_shape is 28; it must be a sequence"),
        (lambda: models.fashion_mlp(n_classes=1), "n_classes is 1; .* at least 2"),
        (lambda: models.strided_convnet(l1=-1), "l1 is -1; .* at least 0"),
        (lambda: models.vgg_like(filters=()), "filters is empty"),
        (lambda: models.five_class_cnn(activation="sigmod"), "activation is 'sigmod'"),
        (lambda: training.set_seed(-1), "seed is -1"),
        (
            lambda: models.embedding_model(models.fashion_mlp(), "nowhere"),
            "layer is 'nowhere'; fashion_mlp has .*'flatten'",
        ),
        (
            lambda: training.compile_classifier(models.fashion_mlp(), optimizer="adm"),
            "optimizer is 'adm'; it must be the name",
        ),
        (lambda: training.compile_classifier(models.fashion_mlp(), learning_rate=0), "learning_rate is 0"),
        (lambda: training.OneCycle(0, 10), "peak is 0; it must be greater"),
        (lambda: training.digit_augmentation(shift=2), "shift is 2; .* from 0 to 1"),
        (lambda: models.most_frequent_baseline([]), r"y_train has shape \(0,\)"),
        (lambda: training.predictor(models.fashion_mlp(), batch_size=0), "batch_size is 0"),
    ],
)
def test_a_bad_argument_is_named_with_what_is_legal(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


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
