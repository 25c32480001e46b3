"""How long loading takes, beside the barest way to get the same numbers.

Run it with COURSE_DATA_DIR set to a folder that has fashion_mnist.npz and cifar10.zip.
"""

import gzip
import os
import tempfile
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np

from course_utils import datasets
from course_utils.datasets import local

ROUNDS = 5


def seconds(call, rounds=ROUNDS):
    """Return the shortest of several runs, the least disturbed one."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def report(title, ours, rival, rival_name, target):
    print(f"{title:<44} {ours:8.3f} s   {rival_name:<34} {rival:8.3f} s   ratio {ours / rival:5.2f}   target {target}")


def bare_npz(path):
    with np.load(path) as archive:
        return [archive[key] for key in ("x_train", "y_train", "x_test", "y_test")]


def bare_idx(folder):
    arrays = []
    for path in sorted(folder.iterdir()):
        with gzip.open(path) as file:
            arrays.append(np.frombuffer(file.read(), dtype=np.uint8))
    return arrays


def write_idx(folder, arrays):
    folder.mkdir()
    for prefix, part in (("train", "train"), ("t10k", "test")):
        for kind, array in (("images-idx3", arrays[f"x_{part}"]), ("labels-idx1", arrays[f"y_{part}"])):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
            with gzip.open(folder / f"{prefix}-{kind}-ubyte.gz", "wb", compresslevel=6) as file:
                file.write(header + array.tobytes())


def bare_jpegs(path):
    """Decode as fast as a loop can, with no checks: the floor for any loader of this archive."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        images = np.empty((len(names), 32, 32, 3), dtype=np.uint8)
        for image, name in zip(images, names, strict=True):
            image[...] = cv2.imdecode(np.frombuffer(archive.read(name), dtype=np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return images


def main():
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["COURSE_CACHE_DIR"] = str(Path(scratch) / "cache")
        bench_fashion(Path(scratch))
        bench_cifar()
        bench_synthetic()


def bench_fashion(scratch):
    path = datasets.find("fashion_mnist")
    if path is None or path.suffix != ".npz":
        print("fashion_mnist.npz: not found")
        return
    datasets.load("fashion_mnist", source="local")
    ours = seconds(lambda: datasets.load("fashion_mnist", source="local"))
    report("Fashion-MNIST, .npz", ours, seconds(lambda: bare_npz(path)), "np.load", "1.5")
    with np.load(path) as arrays:
        write_idx(scratch / "fashion_mnist", arrays)
    ours = seconds(lambda: datasets.load(scratch / "fashion_mnist"))
    report(
        "Fashion-MNIST, idx.gz", ours, seconds(lambda: bare_idx(scratch / "fashion_mnist")), "gzip + frombuffer", "1.5"
    )
    print(f"{'fingerprint':<44} {seconds(lambda: datasets.fingerprint('fashion_mnist')):8.4f} s   target 0.05 s")


def bench_cifar():
    path = datasets.find("cifar10")
    if path is None or path.suffix != ".zip":
        print("cifar10.zip: not found")
        return
    rival = seconds(lambda: bare_jpegs(path), rounds=2)

    def first_time():
        for file in (local.cache_folder() / "decoded").glob("*"):
            file.unlink()
        datasets.load("cifar10", source="local")

    report(
        "CIFAR-10, 60,000 JPEGs, first time", seconds(first_time, rounds=3), rival, "bare loop over cv2.imdecode", "6 s"
    )
    ours = seconds(lambda: datasets.load("cifar10", source="local"))
    report("CIFAR-10, 60,000 JPEGs, afterwards", ours, rival, "bare loop over cv2.imdecode", "0.5 s")


def bench_synthetic():
    cv2.setNumThreads(1)
    for name in ("fashion_mnist", "mnist", "kmnist", "cifar10", "svhn"):
        ours = seconds(
            lambda name=name: datasets.load(name, source="synthetic", train_limit=5_000, test_limit=10), rounds=2
        )
        print(f"{'synthetic ' + name:<44} {5_000 / ours:8.0f} images/s, one core   target 5000")
    ours = seconds(lambda: datasets.load_reid("pedestrians", train_ids=20, test_ids=20), rounds=2)
    print(f"{'pedestrians, 240 images':<44} {240 / ours:8.0f} images/s, one core")


if __name__ == "__main__":
    main()
