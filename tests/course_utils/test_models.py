"""The networks: their sizes to the last parameter, their outputs, and that they learn."""

import functools
import os
import re

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

keras = pytest.importorskip("keras")

from course_utils import architecture, models, plots, training  # noqa: E402
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


def test_the_old_addresses_of_the_table_and_the_drawing_warn_and_work():
    with pytest.warns(FutureWarning, match="architecture.describe is now course_utils.models.describe"):
        assert architecture.describe is models.describe
    with pytest.warns(FutureWarning, match="architecture.diagram is now course_utils.plots.show_architecture"):
        assert architecture.diagram is plots.show_architecture
    with pytest.warns(FutureWarning, match="models.diagram is now course_utils.plots.show_architecture"):
        assert models.diagram is plots.show_architecture


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
        (lambda: models.compact_convnet(()), "filters is empty"),
        (lambda: models.fashion_convnet(dropout=2), "dropout is 2; .* from 0 to 1"),
        (lambda: models.five_class_cnn(activation="sigmod"), "activation is 'sigmod'"),
        (
            lambda: models.embedding_model(models.fashion_mlp(), "nowhere"),
            "layer is 'nowhere'; fashion_mlp has .*'flatten'",
        ),
        (lambda: models.most_frequent_baseline([]), r"y_train has shape \(0,\)"),
    ],
)
def test_a_bad_argument_is_named_with_what_is_legal(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
