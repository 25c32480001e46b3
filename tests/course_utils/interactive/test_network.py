"""Networks in the page answer as Keras does."""

import keras
import numpy as np
import onnxruntime
import pytest

from course_utils import datasets, evaluation, images, models, training
from course_utils.errors import ArgumentError, CourseError
from course_utils.interactive import LAYERS, export, pack

layers = keras.layers
PREDICT = """([exported, packed]) => {
    const network = course.network(exported), { shape, values } = course.unpack(packed);
    const size = values.length / shape[0];
    return Array.from({ length: shape[0] }, (_, i) =>
        [...network.predict(values.subarray(i * size, (i + 1) * size))]);
}"""
LAST = """([exported, packed]) => {
    const { shape, values } = course.network(exported).run(course.unpack(packed).values).at(-1);
    return [shape, [...values]];
}"""
# The data that each chapter shows its networks, and how it prepares them.
CHAPTERS = {
    "02 MLP": ("fashion_mnist", images.to_float, models.fashion_mlp),
    "06 strided": ("cifar10", images.to_float, models.strided_convnet),
    "10 scratch": ("svhn", "digits", models.svhn_dcnn),
    "10 tuned": ("svhn", "digits", lambda: models.fine_tune(models.vgg_like(), 10)),
    "10 better": ("svhn", "digits", lambda: models.compact_convnet((16, 32, 64), input_shape=(28, 28, 1))),
}


def prepare_digits(pixels):
    return images.to_float(images.resize(images.to_grayscale(pixels), 28))


def in_page(programs, model, x, dtype="float32"):
    page = programs("core.js", "network.js")
    return np.array(page.evaluate(PREDICT, [export(model, dtype=dtype), pack(x, "float32")]))


def stirred(model, seed=0):
    """Give a network weights unlike those that it starts with: with moments and biases, too."""
    rng = np.random.default_rng(seed)
    model.set_weights([np.abs(rng.normal(0.1, 0.3, each.shape)) if "variance" in weight.path
                       else rng.normal(0.02, 0.2, each.shape)
                       for each, weight in zip(model.get_weights(), model.weights, strict=True)])  # fmt: skip
    return model


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_networks_of_the_chapters_answer_as_in_keras_on_1000_test_pictures(programs, chapter):
    name, prepare, build = CHAPTERS[chapter]
    data = datasets.load(name, source="synthetic", train_limit=600, test_limit=1000)
    prepare = prepare_digits if prepare == "digits" else prepare
    x_train, x_test = prepare(data.x_train), prepare(data.x_test)
    training.set_seed(0)
    model = training.compile_classifier(build())
    model.fit(x_train, data.y_train, epochs=1, batch_size=32, verbose=0)
    expected = evaluation.softmax(training.predictor(model)(x_test))
    found = in_page(programs, model, x_test)
    assert found.shape == (1000, 10)
    assert np.abs(found - expected).max() <= 1e-4
    assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    # Stored in half the size the answers move, and hardly.
    half = in_page(programs, model, x_test[:100], "float16")
    assert np.abs(half - expected[:100]).max() <= 0.02
    quarter = in_page(programs, model, x_test[:100], "int8")
    assert np.abs(quarter - expected[:100]).max() <= 0.1
    assert np.mean(quarter.argmax(axis=1) == expected[:100].argmax(axis=1)) >= 0.97


OPTIONS = {
    "valid, strided": {"strides": (2, 1), "padding": "valid"},
    "same, strided": {"strides": 2, "padding": "same"},
    "same, even kernel": {"kernel_size": (2, 4), "strides": (3, 2), "padding": "same"},
    "dilated": {"dilation_rate": (2, 3), "padding": "same", "use_bias": False},
    "dilated, valid": {"dilation_rate": (3, 1), "activation": "tanh"},
}


@pytest.mark.browser
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(9, 11, 2), (8, 7, 1)])
def test_a_convolution_with_every_option(programs, options, shape):
    filters = layers.Conv2D(3, **{"kernel_size": 3, "strides": 1} | OPTIONS[options])
    compare(programs, stirred(keras.Sequential([keras.Input(shape), filters])), shape)


@pytest.mark.browser
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", [layers.MaxPooling2D, layers.AveragePooling2D])
def test_pooling(programs, kind, padding):
    model = keras.Sequential([keras.Input((7, 8, 3)), kind(3, strides=2, padding=padding)])
    compare(programs, model, (7, 8, 3))


def compare(programs, model, shape):
    x = np.random.default_rng(1).random((1, *shape), "float32")
    page = programs("core.js", "network.js")
    shape, values = page.evaluate(LAST, [export(model, dtype="float32"), pack(x[0], "float32")])
    expected = training.predictor(model)(x)[0]
    assert shape == list(expected.shape)
    assert np.abs(np.reshape(values, shape) - expected).max() < 2e-5 * max(1, np.abs(expected).max())


@pytest.mark.browser
def test_a_graph_that_forks_and_joins(programs):
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling([2.0, 1.0, 0.5], offset=-1)(inputs)
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same"), layers.ReLU()])
    y = layers.Activation("sigmoid")(inner(x))
    x = layers.Concatenate()([layers.Add()([x, y]), y, inputs])
    x = layers.BatchNormalization(center=False)(layers.Dropout(0.5)(x))
    x = layers.BatchNormalization(scale=False)(layers.GaussianNoise(0.5)(x))
    x = layers.GlobalAveragePooling2D()(layers.Dense(5, activation="softmax")(x))
    model = stirred(keras.Model(inputs, layers.Softmax()(layers.Dense(4)(x))))
    compare(programs, model, (8, 8, 3))


@pytest.mark.browser
def test_the_residual_network_and_an_augmented_one(programs):
    compare(programs, stirred(models.resnet_v1(8)), (28, 28, 1))
    augmented = training.with_augmentation(stirred(models.svhn_dcnn()), training.digit_augmentation())
    compare(programs, augmented, (28, 28, 1))


@pytest.mark.browser
def test_onnx_agrees_too(programs, tmp_path):
    model = stirred(models.compact_convnet((4, 6, 8)))
    model(np.zeros((1, 32, 32, 3), "float32"))
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    x = np.random.default_rng(2).random((20, 32, 32, 3), "float32")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    scores = session.run(None, {session.get_inputs()[0].name: x})[0]
    assert np.abs(in_page(programs, model, x) - evaluation.softmax(scores)).max() <= 1e-4


# -- what cannot be exported ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (
            layers.Conv2DTranspose(2, 3, name="up"),
            "layer up is a Conv2DTranspose, which pages cannot run; they run Act",
        ),
        (layers.Conv2D(2, 3, groups=2, name="split"), "layer split: groups is 2; pages run (1,) only"),
        (layers.Conv2D(2, 3, activation="gelu", name="odd"), "layer odd: activation is 'gelu'; pages run ('linear'"),
        (layers.ReLU(6.0, name="six"), "layer six: max_value is 6.0"),
        (layers.MaxPooling2D(data_format="channels_first", name="p"), "layer p: data_format is 'channels_first'"),
        (layers.BatchNormalization(axis=1, name="n"), "layer n: axis is 1"),
    ],
)
def test_what_pages_cannot_run_is_named(layer, told):
    model = keras.Sequential([keras.Input((8, 8, 4)), layer])
    with pytest.raises(CourseError, match=told.replace("(", r"\(").replace(")", r"\)")):
        export(model)


def test_graphs_that_pages_cannot_run_are_named():
    a, b = keras.Input((4,)), keras.Input((4,))
    with pytest.raises(CourseError, match="2 inputs"):
        export(keras.Model([a, b], layers.Add()([a, b])))
    shared = layers.Dense(4, name="shared")
    with pytest.raises(CourseError, match="layer shared is used 2 times"):
        export(keras.Model(a, shared(shared(a))))
    with pytest.raises(CourseError, match="outputs"):
        export(keras.Model(a, [layers.Dense(2)(a), layers.Dense(3)(a)]))
    with pytest.raises(CourseError, match="must be built"):
        export(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(CourseError, match=f"is a Relu, which pages cannot run; they run {LAYERS[0]}"):
        export(keras.Model(a, keras.ops.relu(a)))


@pytest.mark.parametrize(("value", "told"), [(70000.0, "float16 holds numbers"), (np.nan, "finite")])
def test_a_weight_that_cannot_be_stored_is_named(value, told):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="large")])
    model.set_weights([np.full((2, 2), value), np.zeros(2)])
    with pytest.raises(ArgumentError, match=rf"layer large: .*{told}"):
        export(model)
    if value == 70000.0:
        assert export(model, dtype="int8")["parameters"] == 6
        assert export(model, dtype="float32")["parameters"] == 6
