"""How long a convolution takes: ``method="auto"`` beside OpenCV and SciPy, and every method beside the plain loop.

Run it as ``python benchmarks/bench_convolution.py``. Every line is measured in this run, on float64: the candidates
take turns, and each one's fastest call counts. A line over the limit is measured up to three times more, all candidates
alike, because a busy machine disturbs calls of milliseconds. The rivals compute the same numbers as ``auto``.
"""

import math

import cv2
import numpy as np
import scipy.signal

from course_utils.convolution import METHODS, convolve
from course_utils.evaluation import time_call

IMAGES = (64, 128, 256, 512, 1024, 2048)
KERNELS = (3, 5, 7, 9, 11, 15, 21, 31, 63)
LIMIT = 1.3

# The direct sum is left out where it would take longer than a tenth of a second: it has lost long before.
MOST_PRODUCTS = 4e7


def fastest(candidates, *, times=None, rounds=3, seconds=0.02):
    """Let the candidates take turns; return each one's fastest call, earlier `times` included."""
    times = dict(times or {})
    for name, call in candidates.items():
        first = time_call(call, repeats=2, warmup=1).minimum
        times[name] = min(first, times.get(name, first))
    for _ in range(rounds):
        for name, call in candidates.items():
            repeats = max(1, min(200, math.ceil(seconds / times[name])))
            times[name] = min(times[name], time_call(call, repeats=repeats, warmup=0).minimum)
    return times


def multiple_of_the_best(seconds):
    return seconds["auto"] / min(value for name, value in seconds.items() if name != "auto")


def by_opencv(image, kernel, padding):
    """Call OpenCV as one would by hand: the whole image, then the part whose windows lie inside."""
    result = cv2.filter2D(image, cv2.CV_64F, kernel, borderType=cv2.BORDER_CONSTANT)
    if padding == "same":
        return result
    before, size = kernel.shape[0] // 2, image.shape[0] - kernel.shape[0] + 1
    return result[before : before + size, before : before + size]


def grid(padding):
    rng = np.random.default_rng(0)
    scipy_mode = "same" if padding == "same" else "valid"
    print(f"\npadding={padding!r}: microseconds, and the time of auto as a multiple of the best rival's")
    print(f"{'image':>6s}{'kernel':>7s}{'auto':>10s}{'OpenCV':>10s}{'direct':>10s}{'FFT':>10s}{'auto/best':>11s}")
    ratios = []
    for side in IMAGES:
        image = rng.random((side, side))
        for size in KERNELS:
            kernel = rng.random((size, size))
            turned = kernel[::-1, ::-1]
            candidates = {
                "auto": lambda image=image, kernel=kernel: convolve(image, kernel, padding=padding),
                "OpenCV": lambda image=image, kernel=kernel: by_opencv(image, kernel, padding),
                "FFT": lambda image=image, kernel=turned: scipy.signal.fftconvolve(image, kernel, scipy_mode),
            }
            results = (side - size + 1) ** 2 if padding != "same" else side**2
            if results * size**2 <= MOST_PRODUCTS:
                candidates["direct"] = lambda image=image, kernel=kernel: scipy.signal.correlate2d(
                    image, kernel, scipy_mode
                )
            expected = candidates["auto"]()
            for call in candidates.values():
                np.testing.assert_allclose(call(), expected, rtol=1e-6, atol=1e-6)
            seconds = fastest(candidates)
            for _ in range(3):
                if multiple_of_the_best(seconds) > LIMIT:
                    seconds = fastest(candidates, times=seconds)
            ratio = multiple_of_the_best(seconds)
            ratios.append(ratio)
            columns = "".join(
                f"{seconds[name] * 1e6:10.0f}" if name in seconds else f"{'-':>10s}"
                for name in ("auto", "OpenCV", "direct", "FFT")
            )
            print(f"{side:6d}{size:7d}{columns}{ratio:11.2f}{'' if ratio <= LIMIT else '  *'}", flush=True)
    within = sum(ratio <= LIMIT for ratio in ratios)
    print(f"within {LIMIT} times the best rival: {within} of {len(ratios)} (the others are marked *)")


def methods():
    """Time every method on the exercise's image, beside the plain loop."""
    rng = np.random.default_rng(0)
    image, kernel = rng.random((200, 200)), rng.random((3, 3))
    seconds = fastest({method: lambda m=method: convolve(image, kernel, method=m) for method in METHODS})
    print("\n200x200, 3x3: microseconds, and how many times faster than the plain loop")
    for method, value in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{method:8s}{value * 1e6:10.0f}{seconds['loop'] / value:10.0f}x")


def layers():
    """Time the layer form, beside what a network's layer takes in Keras."""
    import keras

    rng = np.random.default_rng(0)
    print("\nThe layer form, float32, padding='same': milliseconds")
    print(f"{'batch':>18s}{'kernel':>16s}{'auto':>10s}{'keras.ops.conv':>16s}{'auto/Keras':>12s}")
    for batch_shape, kernel_shape in [
        ((32, 28, 28, 1), (3, 3, 1, 32)),
        ((32, 14, 14, 32), (3, 3, 32, 32)),
        ((1, 200, 200, 3), (3, 3, 3, 1)),
        ((1, 200, 200, 3), (15, 15, 3, 3)),
    ]:
        batch = rng.random(batch_shape, dtype=np.float32)
        kernel = rng.random(kernel_shape, dtype=np.float32)
        seconds = fastest(
            {
                "auto": lambda batch=batch, kernel=kernel: convolve(batch, kernel, padding="same"),
                "keras": lambda batch=batch, kernel=kernel: keras.ops.convert_to_numpy(
                    keras.ops.conv(batch, kernel, padding="same")
                ),
            }
        )
        print(
            f"{'x'.join(map(str, batch_shape)):>18s}{'x'.join(map(str, kernel_shape)):>16s}"
            f"{seconds['auto'] * 1e3:10.2f}{seconds['keras'] * 1e3:16.2f}"
            f"{seconds['auto'] / seconds['keras']:12.1f}"
        )


def main():
    methods()
    grid(0)
    grid("same")
    layers()


if __name__ == "__main__":
    main()
