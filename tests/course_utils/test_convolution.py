import cv2
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import convolution
from course_utils.convolution import KERNELS, METHODS, convolve, named_kernel, output_shape
from course_utils.errors import ArgumentError

DIRECT = ("loop", "shift", "windows", "im2col")
EVERY = (*DIRECT, "fft", "opencv", "auto")
TOLERANCE = 1e-6


def by_scipy(image, kernel, *, padding=((0, 0), (0, 0)), strides=(1, 1), dilation=(1, 1), mode="correlate"):
    """The definition through scipy: pad, spread the weights, correlate or convolve, apply the strides."""
    image = np.pad(np.asarray(image, dtype=np.float64), padding)
    spread = np.zeros([d * (k - 1) + 1 for d, k in zip(dilation, kernel.shape, strict=True)])
    spread[:: dilation[0], :: dilation[1]] = kernel
    function = scipy.signal.correlate2d if mode == "correlate" else scipy.signal.convolve2d
    return function(image, spread, "valid")[:: strides[0], :: strides[1]]


def values(rng, shape):
    return rng.uniform(-100, 100, shape)


@st.composite
def cases(draw):
    """A geometry in which the kernel fits into the padded image, and a seed for the numbers."""
    small = st.integers(1, 4)
    strides, dilation = (draw(small), draw(small)), (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    zeros = st.integers(0, 6)
    padding = ((draw(zeros), draw(zeros)), (draw(zeros), draw(zeros)))
    image = []
    for k, d, around in zip(kernel, dilation, padding, strict=True):
        least = max(1, d * (k - 1) + 1 - sum(around))
        image.append(draw(st.integers(least, least + 12)))
    options = {"padding": padding, "strides": strides, "dilation": dilation}
    return tuple(image), kernel, options, draw(st.integers(0, 2**32 - 1))


# -- agreement -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", EVERY)
@settings(max_examples=60, deadline=None)
@given(case=cases(), mode=st.sampled_from(["correlate", "convolve"]))
def test_every_method_agrees_with_scipy(method, case, mode):
    image_shape, kernel_shape, options, seed = case
    rng = np.random.default_rng(seed)
    image, kernel = values(rng, image_shape), values(rng, kernel_shape)
    result = convolve(image, kernel, mode=mode, method=method, **options)
    np.testing.assert_allclose(result, by_scipy(image, kernel, mode=mode, **options), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("method", EVERY)
@settings(max_examples=30, deadline=None)
@given(case=cases(), channels=st.tuples(*[st.integers(1, 3)] * 3))
def test_the_layer_form_sums_over_the_input_channels(method, case, channels):
    image_shape, kernel_shape, options, seed = case
    n, c_in, c_out = channels
    rng = np.random.default_rng(seed)
    batch, kernel = values(rng, (n, *image_shape, c_in)), values(rng, (*kernel_shape, c_in, c_out))
    expected = [
        [sum(by_scipy(image[..., i], kernel[..., i, o], **options) for i in range(c_in)) for o in range(c_out)]
        for image in batch
    ]
    expected = np.moveaxis(np.array(expected), 1, -1)
    result = convolve(batch, kernel, method=method, **options)
    np.testing.assert_allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE)
    np.testing.assert_allclose(
        convolve(batch[0], kernel, method=method, **options), expected[0], rtol=TOLERANCE, atol=TOLERANCE
    )


@pytest.mark.parametrize("method", EVERY)
def test_a_kernel_of_two_axes_filters_each_channel_by_itself(method):
    rng = np.random.default_rng(3)
    batch, kernel = values(rng, (2, 9, 7, 3)), values(rng, (3, 2))
    result = convolve(batch, kernel, padding=1, strides=(2, 1), method=method)
    for image, filtered in zip(batch, result, strict=True):
        for channel in range(3):
            alone = convolve(image[..., channel], kernel, padding=1, strides=(2, 1), method="loop")
            np.testing.assert_allclose(filtered[..., channel], alone, atol=TOLERANCE)
    np.testing.assert_allclose(
        convolve(batch[1], kernel, padding=1, strides=(2, 1), method=method), result[1], atol=TOLERANCE
    )


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kernel=st.tuples(st.sampled_from([1, 3, 5, 7, 9, 11]), st.sampled_from([1, 3, 5, 7, 9, 11])),
    method=st.sampled_from(EVERY),
    seed=st.integers(0, 2**32 - 1),
)
def test_same_padding_is_opencv_filter2d_with_a_border_of_zeros(shape, kernel, method, seed):
    rng = np.random.default_rng(seed)
    image, weights = values(rng, shape), values(rng, kernel)
    expected = cv2.filter2D(image, cv2.CV_64F, weights, borderType=cv2.BORDER_CONSTANT)
    result = convolve(image, weights, padding="same", method=method)
    np.testing.assert_allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("side", [40, 130])
@pytest.mark.parametrize("size", [3, 10, 15, 31])
@pytest.mark.parametrize("padding", [0, "same", "full"])
def test_auto_agrees_with_scipy_where_opencv_turns_to_its_own_fourier_transform(side, size, padding):
    rng = np.random.default_rng(size)
    image, kernel = values(rng, (side, side + 1)), values(rng, (size, size))
    if padding == "same":
        before, after = (size - 1) // 2, size // 2
        around = ((before, after), (before, after))
    else:
        around = (((size - 1) if padding else 0,) * 2,) * 2
    expected = by_scipy(image, kernel, padding=around)
    for method in ("auto", "opencv", "fft"):
        result = convolve(image, kernel, padding=padding, method=method)
        np.testing.assert_allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_auto_agrees_with_the_definition_whatever_it_chooses():
    rng = np.random.default_rng(0)
    chosen = set()
    for image_shape, kernel_shape, options in [
        ((64, 64), (3, 3), {}),
        ((64, 64), (62, 62), {}),
        ((256, 256), (9, 9), {}),
        ((256, 256), (8, 8), {"strides": 8}),
        ((20, 20, 3), (3, 3, 3, 1), {}),
        ((20, 20, 3), (3, 3, 3, 8), {}),
        ((20, 20, 8), (3, 3, 8, 4), {}),
        ((20, 20, 3), (7, 7, 3, 3), {"padding": "same"}),
        ((30, 25, 2), (5, 4), {"padding": 3, "strides": (1, 2)}),
    ]:
        image, kernel = values(rng, image_shape), values(rng, kernel_shape)
        result = convolve(image, kernel, **options)
        reference = convolve(image, kernel, method="shift", **options)
        np.testing.assert_allclose(result, reference, rtol=TOLERANCE, atol=TOLERANCE)
        arguments = {"padding": 0, "strides": 1, "dilation": 1} | options
        chosen.add(convolution._checked_geometry(image_shape, kernel_shape, **arguments).fastest)
    assert chosen == {"opencv", "im2col", "fft", "windows", "shift"}


def test_the_layer_form_is_keras_conv2d():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    for size, padding, strides, dilation in [
        (3, "valid", 1, 1),
        (3, "same", 1, 1),
        (4, "same", 1, 1),
        (3, "same", 2, 1),
        (2, "same", 3, 1),
        (5, "valid", 2, 1),
        (3, "same", 1, 2),
    ]:
        batch, kernel = rng.random((2, 13, 10, 3)), rng.normal(size=(size, size, 3, 4))
        layer = keras.layers.Conv2D(4, size, strides, padding, dilation_rate=dilation, use_bias=False, dtype="float64")
        layer.build(batch.shape)
        layer.set_weights([kernel])
        result = convolve(
            batch, kernel, padding=0 if padding == "valid" else "same", strides=strides, dilation=dilation
        )
        np.testing.assert_allclose(result, keras.ops.convert_to_numpy(layer(batch)), atol=TOLERANCE)


def test_im2col_in_blocks_gives_the_same(monkeypatch):
    rng = np.random.default_rng(5)
    batch, kernel = values(rng, (7, 11, 6, 2)), values(rng, (3, 3, 2, 4))
    whole = convolve(batch, kernel, padding="same", method="im2col")
    for block in (1, 500, 4000):
        monkeypatch.setattr(convolution, "_IM2COL_BLOCK", block)
        np.testing.assert_allclose(convolve(batch, kernel, padding="same", method="im2col"), whole, atol=1e-9)


# -- properties ----------------------------------------------------------------------------------------------


def test_convolution_is_correlation_with_the_kernel_turned():
    rng = np.random.default_rng(1)
    image, kernel = values(rng, (8, 9)), values(rng, (4, 3))
    np.testing.assert_array_equal(convolve(image, kernel, mode="convolve"), convolve(image, kernel[::-1, ::-1].copy()))
    assert not np.allclose(convolve(image, kernel, mode="convolve"), convolve(image, kernel))


def test_convolution_commutes_and_correlation_does_not():
    rng = np.random.default_rng(2)
    a, b = values(rng, (8, 9)), values(rng, (4, 3))
    ab, ba = (convolve(*pair, padding="full", mode="convolve") for pair in ((a, b), (b, a)))
    np.testing.assert_allclose(ab, ba, atol=TOLERANCE)
    np.testing.assert_allclose(ab, scipy.signal.convolve2d(a, b), atol=TOLERANCE)
    assert not np.allclose(*(convolve(*pair, padding="full") for pair in ((a, b), (b, a))))


@pytest.mark.parametrize("method", EVERY)
def test_an_impulse_paints_the_kernel(method):
    image = np.zeros((7, 7))
    image[3, 3] = 1
    kernel = np.arange(9.0).reshape(3, 3)
    painted = convolve(image, kernel, padding="same", mode="convolve", method=method)
    np.testing.assert_allclose(painted[2:5, 2:5], kernel, atol=1e-12)
    assert painted.sum() == pytest.approx(kernel.sum())


@settings(max_examples=60, deadline=None)
@given(case=cases(), batch=st.integers(0, 2), channels=st.integers(1, 3), layer=st.booleans())
def test_output_shape_tells_the_shape(case, batch, channels, layer):
    image_shape, kernel_shape, options, _ = case
    forms = [(batch, *image_shape, channels), (*image_shape, channels)]
    forms += [] if layer else [image_shape]
    kernel = (*kernel_shape, channels, 4) if layer else kernel_shape
    for form in forms:
        shape = output_shape(form, kernel, **options)
        assert convolve(np.zeros(form), np.ones(kernel), **options).shape == shape
        assert all(isinstance(side, int) for side in shape)


@pytest.mark.parametrize("strides", [1, 2, 3, (2, 3)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_same_keeps_the_size_divided_by_the_stride(size, strides):
    down, across = strides if isinstance(strides, tuple) else (strides, strides)
    shape = output_shape((10, 7), (size, size), padding="same", strides=strides)
    assert shape == (-(-10 // down), -(-7 // across))


def test_same_lays_the_odd_zero_at_the_bottom_right():
    image = np.arange(1.0, 7).reshape(2, 3)
    np.testing.assert_array_equal(
        convolve(image, [[1, 0], [0, 0]], padding="same"), image
    )  # the first weight lies on the pixel


def test_padding_may_be_written_in_several_ways():
    rng = np.random.default_rng(4)
    image, kernel = values(rng, (6, 5)), values(rng, (3, 3))
    expected = convolve(image, kernel, padding=((2, 2), (1, 1)))
    for padding in ((2, 1), [2, 1], [[2, 2], [1, 1]], np.array([2, 1]), (np.int64(2), 1)):
        np.testing.assert_array_equal(convolve(image, kernel, padding=padding), expected)
    np.testing.assert_array_equal(convolve(image, kernel, padding=1), convolve(image, kernel, padding="same"))


# -- numbers in, floats out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.uint16, np.int32, np.uint64, ">f8", ">u2"])
def test_whole_numbers_never_wrap(method, dtype):
    image = np.zeros((6, 8), dtype=dtype)
    image[2:4, 3:6] = min(255, np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else 1
    kernel = named_kernel("edge").astype(np.int8)
    result = convolve(image, kernel, padding=1, method=method)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, by_scipy(image, kernel, padding=1), atol=1e-9)
    assert result.min() < 0
    assert result.max() > image.max()


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_short_floats_give_float32(method, dtype):
    rng = np.random.default_rng(6)
    image, kernel = rng.random((30, 20)).astype(dtype), rng.normal(size=(3, 3))
    result = convolve(image, kernel, method=method)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, by_scipy(image, kernel), atol=1e-5)


@pytest.mark.parametrize("method", EVERY)
def test_arguments_are_left_as_they_are_and_need_not_be_contiguous(method):
    rng = np.random.default_rng(7)
    photograph, wide = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8), rng.normal(size=(3, 6))
    before = photograph.copy(), wide.copy()
    image, kernel = photograph[::-1, ::2, 1], wide[:, ::2].T
    np.testing.assert_allclose(convolve(image, kernel, method=method), by_scipy(image, kernel), atol=TOLERANCE)
    np.testing.assert_array_equal(photograph, before[0])
    np.testing.assert_array_equal(wide, before[1])


@pytest.mark.parametrize("method", EVERY)
def test_small_and_odd_shapes(method):
    one = convolve([[3]], [[2]], method=method)
    np.testing.assert_array_equal(one, [[6.0]])
    np.testing.assert_allclose(convolve(np.ones((2, 2)), np.ones((3, 3)), padding=1, method=method), 4)
    np.testing.assert_allclose(convolve(np.ones((1, 9)), np.ones((1, 2)), method=method), np.full((1, 8), 2))
    np.testing.assert_allclose(convolve(np.ones((4, 4)), np.ones((4, 4)), padding="full", method=method)[3, 3], 16)
    assert convolve(np.ones((0, 5, 5, 2)), np.ones((3, 3, 2, 4)), method=method).shape == (0, 3, 3, 4)
    assert convolve(np.ones((0, 5, 5, 2)), np.ones((3, 3)), method=method).shape == (0, 3, 3, 2)


# -- values that are not finite ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*DIRECT, "auto"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_pixel_stays_in_the_windows_that_hold_it(method, bad):
    image = np.ones((60, 60))
    image[20, 30] = bad
    kernel = named_kernel("laplacian")
    result = convolve(image, kernel, method=method)
    expected = np.zeros(result.shape, dtype=bool)
    expected[18:21, 28:31] = True
    np.testing.assert_array_equal(~np.isfinite(result), expected)
    if np.isinf(bad):
        assert result[19, 29] == -4 * bad
        assert result[19, 28] == bad
        assert np.isnan(result[18, 28])


@pytest.mark.parametrize("method", ["fft", "opencv"])
def test_methods_that_would_spread_a_bad_value_refuse_it(method):
    image = np.ones((8, 8))
    image[1, 1] = np.nan
    with pytest.raises(ArgumentError, match=f"method is '{method}'.*NaN.*'shift'"):
        convolve(image, np.ones((3, 3)), method=method)
    with pytest.raises(ArgumentError, match=f"method is '{method}'"):
        convolve(np.ones((8, 8)), [[np.inf]], method=method)


def test_a_bad_weight_gives_what_arithmetic_gives():
    for method in (*DIRECT, "auto"):
        assert np.isnan(convolve(np.ones((50, 50)), [[1, np.nan]], method=method)).all()
        assert np.isposinf(convolve(np.ones((50, 50)), [[1, np.inf]], method=method)).all()


def test_large_finite_values_are_not_taken_for_infinite():
    image = np.full((80, 80), 1e200)
    np.testing.assert_allclose(convolve(image, named_kernel("box"), method="opencv"), 1e200)


# -- errors --------------------------------------------------------------------------------------------------

IMAGE, KERNEL = np.ones((6, 6)), np.ones((3, 3))


@pytest.mark.parametrize(
    ("image", "kernel", "options", "message"),
    [
        (np.ones(5), KERNEL, {}, r"image has shape \(5,\); it must be"),
        (np.ones((1, 1, 5, 5, 1)), KERNEL, {}, "image has shape"),
        (IMAGE, np.ones(3), {}, r"kernel has shape \(3,\); it must be \(kh, kw\)"),
        (IMAGE, np.ones((3, 3, 1)), {}, "kernel has shape"),
        (3.0, KERNEL, {}, "image has shape"),
        (np.ones((0, 5)), KERNEL, {}, r"image has shape \(0, 5\); every axis"),
        (np.ones((2, 0, 5, 1)), KERNEL, {}, "every axis must have at least 1 entry"),
        (IMAGE, np.ones((0, 3)), {}, r"kernel has shape \(0, 3\); every axis"),
        (IMAGE, np.ones((3, 3, 1, 8)), {}, "needs an image with a channel axis"),
        (np.ones((5, 5, 3)), np.ones((3, 3, 1, 8)), {}, "kernel takes 1 channels, image has 3"),
        (IMAGE, np.ones((7, 2)), {}, "kernel spans 7x2 pixels, the padded image has 6x6"),
        (IMAGE, KERNEL, {"dilation": 3}, "kernel spans 7x7 pixels"),
        (IMAGE, KERNEL, {"strides": 0}, "strides is 0; it must be an integer of at least 1"),
        (IMAGE, KERNEL, {"strides": (1, -2)}, "strides is -2"),
        (IMAGE, KERNEL, {"strides": (1, 2, 3)}, r"strides is \(1, 2, 3\)"),
        (IMAGE, KERNEL, {"strides": 1.5}, "strides is 1.5"),
        (IMAGE, KERNEL, {"strides": 1.0}, "strides is 1.0"),
        (IMAGE, KERNEL, {"strides": True}, "strides is True"),
        (IMAGE, KERNEL, {"strides": None}, "strides is None"),
        (IMAGE, KERNEL, {"dilation": 0}, "dilation is 0"),
        (IMAGE, KERNEL, {"dilation": {}}, "dilation is {}"),
        (IMAGE, KERNEL, {"padding": -1}, "padding is -1; it must be an integer of at least 0"),
        (IMAGE, KERNEL, {"padding": "valid"}, "padding is 'valid'; it must be one of 'same', 'full'"),
        (IMAGE, KERNEL, {"padding": (1, 2, 3)}, r"padding is \(1, 2, 3\)"),
        (IMAGE, KERNEL, {"padding": ((1, 2, 3), 1)}, r"padding is \(1, 2, 3\)"),
        (IMAGE, KERNEL, {"padding": 0.5}, "padding is 0.5"),
        (IMAGE, KERNEL, {"mode": "flip"}, "mode is 'flip'; it must be one of 'correlate', 'convolve'"),
        (IMAGE, KERNEL, {"method": "magic"}, "method is 'magic'; it must be one of 'auto', 'loop'"),
        (IMAGE, KERNEL, {"method": None}, "method is None"),
        ([["a"]], KERNEL, {}, "image has dtype <U1; it must hold real numbers"),
        (IMAGE.astype(complex), KERNEL, {}, "image has dtype complex128"),
        (IMAGE, [[None]], {}, "kernel has dtype object"),
        ([[1, 2], [3]], KERNEL, {}, "image has rows of unequal length"),
    ],
)
def test_bad_arguments_are_named(image, kernel, options, message):
    with pytest.raises(ArgumentError, match=f"^.*{message}"):
        convolve(image, kernel, **options)


def test_output_shape_names_its_own_arguments():
    with pytest.raises(ArgumentError, match=r"^image_shape is 5; it must be a sequence"):
        output_shape(5, (3, 3))
    with pytest.raises(ArgumentError, match=r"^kernel_shape is 2\.5"):
        output_shape((5, 5), (3, 2.5))
    with pytest.raises(ArgumentError, match=r"^kernel spans 9x9"):
        output_shape((5, 5), (9, 9))


# -- named kernels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KERNELS)
def test_every_named_kernel_is_square_and_new_each_time(name):
    kernel = named_kernel(name)
    assert kernel.shape == (3, 3)
    assert kernel.dtype == np.float64
    kernel[:] = 7
    assert not np.array_equal(named_kernel(name), kernel)


def test_named_kernels_sum_to_one_or_to_zero():
    sums = {name: named_kernel(name).sum() for name in KERNELS}
    keep = {"box", "gaussian", "identity", "sharpen"}
    assert sums == pytest.approx({name: float(name in keep) for name in KERNELS})


def test_named_kernels_are_those_of_opencv():
    rng = np.random.default_rng(8)
    image = rng.random((12, 15))
    zeros = {"borderType": cv2.BORDER_CONSTANT}

    def filtered(name, **options):
        return convolve(image, named_kernel(name, **options), padding="same")

    np.testing.assert_allclose(filtered("box", size=5), cv2.blur(image, (5, 5), **zeros), atol=1e-12)
    np.testing.assert_allclose(filtered("laplacian"), cv2.Laplacian(image, -1, ksize=1, **zeros), atol=1e-12)
    np.testing.assert_allclose(filtered("sobel_x"), cv2.Sobel(image, -1, 1, 0, **zeros), atol=1e-12)
    np.testing.assert_allclose(filtered("sobel_y"), cv2.Sobel(image, -1, 0, 1, **zeros), atol=1e-12)
    np.testing.assert_array_equal(filtered("identity", size=7), image)
    for size, sigma in [(3, 0.5), (5, 1.0), (9, 2.5)]:
        column = cv2.getGaussianKernel(size, sigma)
        np.testing.assert_allclose(named_kernel("gaussian", size=size, sigma=sigma), column @ column.T)
    column = cv2.getGaussianKernel(11, 0)
    np.testing.assert_allclose(named_kernel("gaussian", size=11), column @ column.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("blur", {}, "name is 'blur'; it must be one of 'box', 'edge'"),
        ("box", {"size": 4}, "size is 4; it must be odd"),
        ("box", {"size": 0}, "size is 0"),
        ("box", {"sigma": 1}, "sigma is 1 for 'box'; only 'gaussian' takes it"),
        ("edge", {"size": 5}, "size is 5 for 'edge'; it must be 3"),
        ("gaussian", {"sigma": 0}, "sigma is 0; it must be a number above 0"),
        ("gaussian", {"sigma": np.nan}, "sigma is nan"),
    ],
)
def test_bad_kernel_names_and_sizes(name, options, message):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        named_kernel(name, **options)


def test_methods_lists_what_convolve_takes():
    assert set(METHODS) == set(EVERY)


@pytest.mark.parametrize("method", ["auto", "opencv", "fft", "im2col"])
def test_bytes_are_summed_in_double_precision(method):
    image = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    kernel = named_kernel("gaussian", size=15)
    exact = scipy.signal.correlate2d(image.astype(float), kernel, mode="valid")
    np.testing.assert_allclose(convolve(image, kernel, method=method), exact, rtol=0, atol=1e-9)
