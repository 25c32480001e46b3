"""Images per second of the synthetic sets, on one core, against one image at a time.

Rivals, measured in the same run: the same generator called once per image, and the usual recipe for text images, a
typeface set by Pillow, turned, blurred and put on noise.
"""

import functools
import time

import cv2
import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from threadpoolctl import threadpool_limits

from course_utils.datasets import synthetic

N_IMAGES = 2000
REPEATS = 5
TARGET = 5000
LABELLED = ("garments", "house_digits", "kuzushiji_like", "objects", "plain_digits")


def rate(draw, n):
    """Best images per second of a few runs."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        draw(n)
        seconds.append(time.perf_counter() - start)
    return n / min(seconds)


def draw_labelled(name, n):
    getattr(synthetic, name)(np.arange(n) % 10, rng=np.random.default_rng(0))


def draw_identities(name, n):
    getattr(synthetic, name)(np.arange(n) % 200, np.arange(n) % 6, seed=0, rng=np.random.default_rng(0))


def draw_singly(draw, n):
    for _ in range(n):
        draw(1)


def draw_with_pillow(n):
    rng = np.random.default_rng(0)
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 26)
    for index in range(n):
        image = Image.fromarray(rng.integers(90, 160, (32, 32, 3), dtype=np.uint8))
        ink = Image.new("L", (32, 32))
        ImageDraw.Draw(ink).text((8, 1), str(index % 10), fill=255, font=font)
        ink = ink.rotate(rng.normal(0, 6), Image.Resampling.BILINEAR)
        image.paste((230, 230, 220), mask=ink)
        np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5))))


def main():
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        pillow = rate(draw_with_pillow, N_IMAGES // 4)
        print(f"{'generator':16} {'images/s':>9} {'of 5,000':>9} {'x one call per image':>20} {'x Pillow recipe':>16}")
        draws = {name: functools.partial(draw_labelled, name) for name in LABELLED}
        draws |= {name: functools.partial(draw_identities, name) for name in ("characters", "pedestrians")}
        for name, draw in draws.items():
            draw(10)
            whole = rate(draw, N_IMAGES)
            single = rate(functools.partial(draw_singly, draw), N_IMAGES // 20)
            share = f"{whole / TARGET:9.2f}" if name in LABELLED else f"{'-':>9}"
            print(f"{name:16} {whole:9.0f} {share} {whole / single:20.1f} {whole / pillow:16.1f}")
        print(f"{'Pillow recipe':16} {pillow:9.0f}")


if __name__ == "__main__":
    main()
