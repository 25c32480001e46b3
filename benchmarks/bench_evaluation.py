"""How long the leak check takes beside other ways to write it. Run: python benchmarks/bench_evaluation.py

The rivals look for exact duplicates by comparing images pair by pair, and for near ones by the 64-bit difference hash
that image tools use. The pairwise one is timed on a part of the pairs and scaled up.
"""

import cv2
import numpy as np

from course_utils.evaluation import check_leakage, time_call

N_TRAIN, N_TEST, SIDE = 60_000, 10_000, 28


def images(rng, n):
    """Smooth random pictures of the size of Fashion-MNIST."""
    coarse = rng.random((n, 7, 7), dtype=np.float32)
    large = [cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for image in coarse]
    return (255 * np.clip(large, 0, 1)).astype(np.uint8)


def pairwise_exact(x_train, x_test):
    """Indices of test images that equal some training image, by comparing each with all."""
    return [i for i, image in enumerate(x_test) if (x_train == image).all(axis=(1, 2)).any()]


def difference_hash(x):
    """One 64-bit number an image: the signs of the horizontal differences of its 9 x 8 thumbnail."""
    small = np.stack([cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA) for image in x]).astype(np.int16)
    bits = (np.diff(small, axis=2) > 0).reshape(len(x), 64)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def near_by_hash(x_train, x_test, *, most_bits=4):
    """Test images whose hash differs in at most so many bits from that of some training image."""
    train, test = difference_hash(x_train), difference_hash(x_test)
    least = [np.bitwise_count(train ^ number).min() for number in test]
    return np.flatnonzero(np.array(least) <= most_bits)


def main():
    rng = np.random.default_rng(0)
    x_train, x_test = images(rng, N_TRAIN), images(rng, N_TEST)
    planted_exact, planted_near = np.arange(100), np.arange(100, 200)
    x_test[planted_exact] = x_train[planted_exact]
    x_test[planted_near] = np.clip(x_train[planted_near] * 0.8 + rng.normal(20, 5, (100, SIDE, SIDE)), 0, 255)

    report = check_leakage(x_train, x_test)
    ours = time_call(lambda: check_leakage(x_train, x_test), repeats=3, warmup=0).minimum
    by_hash = time_call(lambda: near_by_hash(x_train, x_test), repeats=3, warmup=0).minimum
    part = 50
    pairwise = time_call(lambda: pairwise_exact(x_train, x_test[:part]), repeats=2, warmup=0).minimum * N_TEST / part
    found_by_hash = near_by_hash(x_train, x_test)

    print(f"{N_TRAIN:,} x {N_TEST:,} images of {SIDE}x{SIDE}; 100 exact and 100 near copies planted")
    print(f"{'method':<42}{'seconds':>9}{'ratio':>8}  found")
    rows = [
        ("check_leakage (exact and near)", ours, f"{report.n_exact} exact, {report.n_near} near"),
        ("difference hash, Hamming <= 4 (near)", by_hash, f"{len(found_by_hash)} in all"),
        ("pair by pair (exact), scaled up", pairwise, "exact only"),
    ]
    for name, seconds, found in rows:
        print(f"{name:<42}{seconds:>9.1f}{seconds / ours:>8.1f}  {found}")


if __name__ == "__main__":
    main()
