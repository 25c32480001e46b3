"""How fast is retrieval evaluation, beside what it replaces and beside the matrix product that it needs?

Run with ``python benchmarks/bench_retrieval.py``; the last table takes minutes (``--largest 250000`` for less).
Wall time depends on what else the machine does; core seconds (CPU time of all threads) hardly do.
"""

import argparse
import time
import tracemalloc

import numpy as np

from course_utils.retrieval import evaluate_retrieval

N_PROBES, N_GALLERY, N_FEATURES, N_IDENTITIES, N_CAMERAS = 3368, 15913, 512, 751, 6  # Market-1501


def measured(function, repeats=3):
    """Return least wall seconds, least core seconds and the result."""
    wall, core = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        result = function()
        wall.append(time.perf_counter() - start[0])
        core.append(time.process_time() - start[1])
    return min(wall), min(core), result


def peak_memory(function):
    """Return the peak of NumPy's memory in MB above what was there before."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def sorting_evaluator(distances, probe_ids, gallery_ids, probe_cameras, gallery_cameras):
    """The rival: what evaluators commonly do, one argsort of the gallery for each probe. Returns mAP."""
    precisions = []
    for row, own, camera in zip(distances, probe_ids, probe_cameras, strict=True):
        order = np.argsort(row)
        keep = (gallery_ids[order] != own) | (gallery_cameras[order] != camera)
        matched = (gallery_ids[order] == own)[keep]
        if matched.any():
            hits = np.cumsum(matched)
            precisions.append((hits / np.arange(1, len(hits) + 1))[matched].mean())
    return np.mean(precisions)


def features(rng, ids, centres, noise):
    return centres[ids] + noise * rng.standard_normal((len(ids), centres.shape[1]), dtype=np.float32)


def market_scale(noise):
    """One table at the size of Market-1501, for features of this much noise around their identity's centre."""
    rng = np.random.default_rng(0)
    labels = {
        "probe_ids": rng.integers(1, N_IDENTITIES + 1, N_PROBES),
        "gallery_ids": rng.integers(1, N_IDENTITIES + 1, N_GALLERY),
        "probe_cameras": rng.integers(1, N_CAMERAS + 1, N_PROBES),
        "gallery_cameras": rng.integers(1, N_CAMERAS + 1, N_GALLERY),
    }
    centres = rng.standard_normal((N_IDENTITIES + 1, N_FEATURES), dtype=np.float32)
    if noise is None:
        centres[:], noise = 0, 1
    probe, gallery = (features(rng, labels[name], centres, noise) for name in ("probe_ids", "gallery_ids"))
    out = np.empty((N_PROBES, N_GALLERY), np.float32)
    product = measured(lambda: np.matmul(probe, gallery.T, out=out))
    distances = (gallery**2).sum(axis=1) - 2 * out
    options = labels | {"protocol": "cross_camera"}
    rows = [
        ("matrix product alone", *product),
        ("features to all metrics", *measured(lambda: evaluate_retrieval(probe, gallery, **options))),
        (
            "ranking a float32 matrix",
            *measured(lambda: evaluate_retrieval(distances, None, **options, metric="precomputed")),
        ),
        ("argsort evaluator, mAP only", *measured(lambda: sorting_evaluator(distances, **labels), repeats=1)),
    ]
    result = rows[1][3]
    # Some float32 distances are equal, and argsort ranks those by position.
    np.testing.assert_allclose(rows[3][3], rows[2][3].mean_average_precision, rtol=1e-5)
    print(f"\n{result}")
    print(f"{'':30} {'wall s':>8} {'core s':>8} {'x product':>10} {'x argsort':>10}   (ratios of core seconds)")
    for name, wall, core, _ in rows:
        print(f"{name:30} {wall:8.3f} {core:8.3f} {core / product[1]:10.2f} {core / rows[3][2]:10.3f}")
    print(f"peak extra memory, features: {peak_memory(lambda: evaluate_retrieval(probe, gallery, **options)):.0f} MB")


def growing_gallery(largest):
    """Print time and memory of 10,000 probes against ever larger galleries, ten items an identity."""
    n_probes, n_features = 10_000, 128
    print(f"\n{n_probes:,} probes, {n_features} features, 10 gallery items an identity")
    print(f"{'gallery':>10} {'wall s':>8} {'core s':>8} {'core us per item':>17} {'peak MB':>8} {'mAP':>6}")
    for size in (largest // 8, largest // 4, largest // 2, largest):
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((size // 10, n_features), dtype=np.float32)
        gallery_ids, probe_ids = rng.integers(0, size // 10, size), rng.integers(0, size // 10, n_probes)
        gallery, probe = (features(rng, ids, centres, np.float32(1)) for ids in (gallery_ids, probe_ids))

        def evaluate(n, data=(probe, gallery), probe_ids=probe_ids, gallery_ids=gallery_ids):
            probe, gallery = data
            return evaluate_retrieval(probe[:n], gallery, probe_ids=probe_ids[:n], gallery_ids=gallery_ids)

        wall, core, result = measured(lambda: evaluate(n_probes), repeats=1)
        # Watching memory takes time, and a few thousand probes fill every buffer.
        peak = peak_memory(lambda: evaluate(2000))
        per_item, precision = core / size * 1e6, result.mean_average_precision
        print(f"{size:10,} {wall:8.1f} {core:8.1f} {per_item:17.1f} {peak:8.0f} {precision:6.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=1_000_000, help="items of the largest gallery; 0 for none")
    largest = parser.parse_args().largest
    print(f"{N_PROBES} probes x {N_GALLERY} gallery items x {N_FEATURES} features")
    for name, noise in (("good features", 2.0), ("poor features", 3.0), ("random features", None)):
        print(f"\n--- {name}", end="")
        market_scale(noise)
    if largest:
        growing_gallery(largest)


if __name__ == "__main__":
    main()
