"""How fast are pair, triplet and PK batches, beside a sampler that draws until it fits?

Run with ``python benchmarks/bench_metric_learning.py``.
"""

import time

import numpy as np

from course_utils.metric_learning import PKBatches, pair_batches, triplet_batches

N_IMAGES, SHAPE, BATCH = 5933, (64, 32, 3), 128  # the training part of chapter 11's original


def rejection_triplets(images, ids, batch_size, rng):
    """The rival: one triplet after the other, drawing identities and images until they differ."""
    identities = np.unique(ids)
    while True:
        batch = np.empty((3, batch_size, *images.shape[1:]), images.dtype)
        for i in range(batch_size):
            one = other = rng.choice(identities)
            while other == one:
                other = rng.choice(identities)
            own = np.flatnonzero(ids == one)
            anchor = positive = rng.choice(own)
            while positive == anchor and len(own) > 1:
                positive = rng.choice(own)
            batch[:, i] = images[[anchor, positive, rng.choice(np.flatnonzero(ids == other))]]
        yield tuple(batch)


def milliseconds(batches, repeats):
    """Return the least and the median core milliseconds of a batch."""
    times = []
    for _ in range(repeats):
        start = time.process_time_ns()
        next(batches)
        times.append((time.process_time_ns() - start) / 1e6)
    return min(times), float(np.median(times))


def main():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N_IMAGES, *SHAPE), dtype=np.uint8)
    for n_identities in (300, 2000):
        ids = np.concatenate(
            [np.arange(n_identities).repeat(2), rng.integers(0, n_identities, N_IMAGES - 2 * n_identities)]
        )
        options = {"batch_size": BATCH, "rng": rng}
        samplers = {
            "rejection sampler": (rejection_triplets(images, ids, BATCH, rng), 10),
            "triplet_batches": (triplet_batches(images, ids, **options), 300),
            "pair_batches": (pair_batches(images, ids, **options), 300),
            "PKBatches 64 x 2": (PKBatches(images, ids, n_identities=64, n_images=2, rng=rng), 300),
        }
        print(
            f"\n{N_IMAGES} images of {n_identities} identities, {SHAPE}, batches of {BATCH}; core milliseconds a batch"
        )
        print(f"{'':34} {'least':>8} {'median':>8} {'rejection / this (medians)':>28}")
        medians = {}
        for name, (batches, repeats) in samplers.items():
            least, medians[name] = milliseconds(batches, repeats)
            print(f"{name:34} {least:8.3f} {medians[name]:8.3f} {medians['rejection sampler'] / medians[name]:28.1f}")


if __name__ == "__main__":
    main()
