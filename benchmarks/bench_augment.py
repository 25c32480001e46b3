"""Images per second of the transforms, beside one image at a time, plain code, Keras' layers and albumentations.

Run it as ``python benchmarks/bench_augment.py``. Every line is measured in this run: the candidates take
turns, and each one's fastest call counts. Keras' layers run compiled, on a tensor that is already there;
albumentations runs its transforms without its pipeline, image by image, which is how it works. It is not
among the book's requirements: put it on ``PYTHONPATH`` to have its column. Keras' random crop does less than
the others: it has one size, and one place for the whole batch.

The last table is the share of a training step of chapter 05's third model that augmentation takes.
"""

import importlib.util
import os
import warnings
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import cv2
import keras
import numpy as np

from course_utils import augment
from course_utils.evaluation import time_call
from course_utils.models import fashion_model

BATCH = 128
SHAPES = [(28, 28, 1), (32, 32, 3)]
STRENGTHS = {"flip": 0.5, "degrees": 15, "crop": 25, "cutout": 8, "std": 0.1}


# -- plain code, one image at a time -------------------------------------------------------------------------


def plain_flip(image, rng):
    return image[:, ::-1] if rng.random() < STRENGTHS["flip"] else image


def plain_flip_vertical(image, rng):
    return image[::-1] if rng.random() < STRENGTHS["flip"] else image


def plain_rotate(image, rng):
    angle = rng.uniform(-STRENGTHS["degrees"], STRENGTHS["degrees"])
    h, w, c = image.shape
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, 1)
    return cv2.warpAffine(image, matrix, (w, h)).reshape(h, w, c)


def plain_crop(image, rng):
    h, w, c = image.shape
    height, width = rng.integers(STRENGTHS["crop"], h + 1), rng.integers(STRENGTHS["crop"], w + 1)
    top, left = rng.integers(0, h - height + 1), rng.integers(0, w - width + 1)
    part = image[top : top + height, left : left + width]
    return cv2.resize(part, (w, h), interpolation=cv2.INTER_CUBIC).reshape(h, w, c)


def plain_cutout(image, rng):
    h, w, c = image.shape
    height, width = rng.integers(1, STRENGTHS["cutout"] + 1, 2)
    top, left = rng.integers(0, h - height + 1), rng.integers(0, w - width + 1)
    image = image.copy()
    image[top : top + height, left : left + width] = rng.uniform(0, 255 if image.dtype == np.uint8 else 1, c)
    return image


def plain_noise(image, rng):
    top = 255 if image.dtype == np.uint8 else 1
    return np.clip(image + rng.normal(0, STRENGTHS["std"] * top, image.shape), 0, top).astype(image.dtype)


def plain_loop(function, batch, rng):
    return np.stack([function(image, rng) for image in batch])


# -- the rivals ----------------------------------------------------------------------------------------------


def transforms():
    """Name, our transform, and the same in plain code."""
    s = STRENGTHS
    return [
        ("flip_horizontal", augment.flip_horizontal, plain_flip),
        ("flip_vertical", augment.flip_vertical, plain_flip_vertical),
        ("rotate", partial(augment.rotate, degrees=s["degrees"]), plain_rotate),
        ("random_crop", partial(augment.random_crop, min_size=s["crop"]), plain_crop),
        ("cutout", partial(augment.cutout, max_size=s["cutout"]), plain_cutout),
        ("add_noise", partial(augment.add_noise, std=s["std"]), plain_noise),
    ]


def keras_layers(height):
    layers, s = keras.layers, STRENGTHS
    return {
        "flip_horizontal": layers.RandomFlip("horizontal"),
        "flip_vertical": layers.RandomFlip("vertical"),
        "rotate": layers.RandomRotation(s["degrees"] / 360, fill_mode="constant"),
        "random_crop": keras.Sequential(
            [
                layers.RandomCrop(s["crop"], s["crop"]),
                layers.Resizing(height, height, interpolation="bicubic"),
            ]
        ),
        "cutout": layers.RandomErasing(1.0, scale=(0.001, 0.08), value_range=(0.0, 1.0)),
        "add_noise": layers.GaussianNoise(s["std"]),
    }


def compiled_layer(layer, batch):
    """Call a Keras layer on a batch, compiled; through the backend, because Keras compiles whole models only."""
    if keras.backend.backend() != "tensorflow":
        return lambda: keras.ops.convert_to_numpy(layer(batch, training=True))
    from tensorflow import function

    compiled, tensor = function(partial(layer, training=True)), keras.ops.convert_to_tensor(batch)
    return lambda: compiled(tensor).numpy()


def albumentations_transforms(height):
    """The rival's transforms, or None where it is not installed."""
    if importlib.util.find_spec("albumentations") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import albumentations

    a, s = albumentations, STRENGTHS
    always = {"p": 1.0}
    return {
        "flip_horizontal": a.HorizontalFlip(p=s["flip"]),
        "flip_vertical": a.VerticalFlip(p=s["flip"]),
        "rotate": a.Rotate(s["degrees"], **always),
        "random_crop": a.RandomSizedCrop(
            (s["crop"], height), (height, height), interpolation=cv2.INTER_CUBIC, **always
        ),
        "cutout": a.CoarseDropout((1, 1), (1, s["cutout"]), (1, s["cutout"]), fill="random_uniform", **always),
        "add_noise": a.GaussNoise((s["std"], s["std"]), **always),
    }


# -- measuring -----------------------------------------------------------------------------------------------


def fastest(candidates, *, rounds=6, repeats=8):
    """Let the candidates take turns, so that a busy moment of the machine hits all of them."""
    seconds = {name: [] for name in candidates}
    for turn in range(rounds):
        for name, call in candidates.items():
            seconds[name].append(time_call(call, repeats=repeats, warmup=2 if turn == 0 else 0).minimum)
    return {name: min(times) for name, times in seconds.items()}


def throughput(shape, dtype):
    rng = np.random.default_rng(0)
    batch = rng.random((BATCH, *shape), dtype=np.float32)
    batch = (batch * 255).astype(np.uint8) if dtype == np.uint8 else batch
    layers = keras_layers(shape[0]) if dtype == np.float32 else {}
    images = albumentations_transforms(shape[0]) or {}
    print(f"\n{BATCH} images of {shape[0]}x{shape[1]}x{shape[2]}, {np.dtype(dtype).name}: thousand images a second")
    print(f"{'':16s}{'ours':>9s}{'batches of 1':>18s}{'plain code':>18s}{'Keras':>18s}{'albumentations':>18s}")
    for name, ours, plain in transforms():
        candidates = {
            "ours": partial(ours, batch, rng=rng),
            "one": lambda ours=ours: [ours(batch[i : i + 1], rng=rng) for i in range(BATCH)],
            "plain": partial(plain_loop, plain, batch, rng),
        }
        if name in layers:
            candidates["keras"] = compiled_layer(layers[name], batch)
        if name in images:
            candidates["albumentations"] = lambda name=name: np.stack(
                [images[name](image=image)["image"] for image in batch]
            )
        seconds = fastest(candidates)
        print(f"{name:16s}{BATCH / seconds['ours'] / 1e3:9.0f}", end="")
        for rival in ("one", "plain", "keras", "albumentations"):
            if rival in seconds:
                print(f"{BATCH / seconds[rival] / 1e3:9.0f} ({seconds[rival] / seconds['ours']:5.1f}x)", end="")
            else:
                print(f"{'-':>18s}", end="")
        print(flush=True)


def share_of_a_training_step(batch_size):
    """Time a step of model 3 on a batch that is ready, and the making of the batch."""
    rng = np.random.default_rng(0)
    x = rng.random((4096, 28, 28, 1), dtype=np.float32)
    y = rng.integers(0, 10, len(x))
    pipeline = augment.compose(
        augment.flip_horizontal,
        partial(augment.rotate, degrees=5),
        partial(augment.cutout, max_size=8, probability=0.5),
    )
    batches, bare = (
        augment.AugmentedBatches(x, y, transform=transform, batch_size=batch_size, seed=0)
        for transform in (pipeline, augment.compose())
    )
    model = fashion_model(3)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = batches[0]
    seconds = fastest(
        {
            "step": lambda: model.train_on_batch(images, labels),
            "augmented": lambda: batches[1],
            "bare": lambda: bare[1],
        }
    )
    augmentation = seconds["augmented"] - seconds["bare"]
    print(
        f"batch {batch_size:4d}: step {seconds['step'] * 1e3:6.2f} ms, augmentation {augmentation * 1e3:5.2f} ms: "
        f"{augmentation / seconds['step']:.1%} of the step"
    )


def main():
    if importlib.util.find_spec("albumentations") is None:
        print("albumentations is not installed: its column is left out")
    for shape in SHAPES:
        for dtype in (np.float32, np.uint8):
            throughput(shape, dtype)
    print("\nFlip, rotation by 5 degrees and cutout, beside a training step of chapter 05's model 3")
    for batch_size in (32, 128):
        share_of_a_training_step(batch_size)


if __name__ == "__main__":
    main()
