"""Which loss for metric learning? Each trains the same network once per seed, on letters and on products.

Run it as ``python benchmarks/metric_losses.py``; it needs the real data (``COURSE_DATA_DIR``) and about an hour of one
core. Each training that is done is kept in ``_build/metric_losses/``, and not done again: start it again after an
interruption. ``--gather`` only collects what is there. With all done the results go to
``book/reference/metric_losses.json``, which pages show.

All losses get the same network, optimizer, number of steps and images per step. Each has two settings: its paper's, or
the one of chapter 11, and an alternative. The better one by mAP on held-out *training* identities, with seed 0, is
trained again on all training identities with three seeds, and tested on identities never seen.
"""

import functools
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from course_utils import datasets, images, metric_learning, models, retrieval, training

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "_build" / "metric_losses"
TABLE = ROOT / "book" / "reference" / "metric_losses.json"

SEEDS = (0, 1, 2)
SPLIT_SEED = 0  # of the identities to learn from, and of those held out
N_FEATURES = 64
BUDGET = {
    "network": "compact_convnet((16, 32, 64), n_classes=64, norm_momentum=0.9); its last layer is the embedding",
    "optimizer": "Adam",
    "learning_rate": 2e-3,
    "identities_per_batch": 16,
    "images_per_identity": 4,
    "random_triplets_per_batch": 21,  # 63 images
    "embedding": N_FEATURES,
    "split_seed": SPLIT_SEED,
}
DATA = {
    "letters": {"image_size": 28, "steps": 200},
    "products": {"image_size": 48, "steps": 150},
}


def triplets(**options):
    return lambda ids: options


def on_pairs(loss, **options):
    return lambda ids: {"loss": functools.partial(loss, **options)}


def with_proxies(loss, **options):
    return lambda ids: {"loss": loss(ids, N_FEATURES, **options)}


def settings_of(kind, *choices):
    """Settings as they are written down, and what makes the trainer's arguments of them."""
    return {", ".join(f"{key} {value}" for key, value in options.items()): kind(**options) for options in choices}


# First the paper's setting, or where that has none the one of chapter 11; then an alternative.
LOSSES = {
    "triplets, random": settings_of(
        functools.partial(triplets, mining="random"),
        {"margin": 1.0},
        {"margin": 0.3},
    ),
    "triplets, batch-hard": settings_of(
        functools.partial(triplets, mining="batch_hard"),
        {"margin": "soft"},
        {"margin": 0.3},
    ),
    "triplets, semi-hard": settings_of(
        functools.partial(triplets, mining="semi_hard"),
        {"margin": 0.2},
        {"margin": 0.5},
    ),
    "contrastive": settings_of(
        functools.partial(on_pairs, metric_learning.contrastive_loss),
        {"margin": 1.0},
        {"margin": 0.5},
    ),
    "circle": settings_of(
        functools.partial(on_pairs, metric_learning.circle_loss),
        {"margin": 0.4, "scale": 80.0},
        {"margin": 0.25, "scale": 256.0},
    ),
    "multi-similarity": settings_of(
        functools.partial(on_pairs, metric_learning.multi_similarity_loss),
        {"base": 1.0},
        {"base": 0.5},
    ),
    "proxy-anchor": settings_of(
        functools.partial(with_proxies, metric_learning.ProxyAnchorLoss),
        {"margin": 0.1, "scale": 32.0},
        {"margin": 0.1, "scale": 8.0},
    ),
    "ArcFace": settings_of(
        functools.partial(with_proxies, metric_learning.ArcFaceLoss),
        {"margin": 0.5, "scale": 64.0},
        {"margin": 0.5, "scale": 16.0},
    ),
}


@functools.cache
def load(name):
    """Training images and ids, and those of gallery and probes, in [0, 1]."""
    size = DATA[name]["image_size"]
    official = {"letters": "omniglot", "products": "grocery"}[name]
    data = datasets.load_reid(official, source="local", image_size=(size, size), seed=SPLIT_SEED)
    parts = [(images.to_float(part.images), part.ids) for part in (data.train, data.gallery, data.probe)]
    # Of letters, ink is 1 and paper 0.
    return [(1 - x, ids) for x, ids in parts] if name == "letters" else parts


def held_out(ids):
    """Every fifth training identity."""
    order = np.random.default_rng(SPLIT_SEED).permutation(np.unique(ids))
    return np.isin(ids, order[: len(order) // 5])


def train(name, x, ids, arguments, seed):
    """Train once; return the trainer and the seconds it took, of the clock and of the processor."""
    training.set_seed(seed)
    rng = np.random.default_rng(seed)
    network = models.compact_convnet((16, 32, 64), input_shape=x.shape[1:], n_classes=N_FEATURES, norm_momentum=0.9)
    optimizer = keras.optimizers.Adam(BUDGET["learning_rate"])
    trainer = metric_learning.SiameseTrainer(network, **arguments(ids), optimizer=optimizer)
    if trainer.mining == "random":
        n = BUDGET["random_triplets_per_batch"]
        batches = metric_learning.triplet_batches(x, ids, batch_size=n, rng=rng)
    else:
        shape = {"n_identities": BUDGET["identities_per_batch"], "n_images": BUDGET["images_per_identity"]}
        batches = metric_learning.PKBatches(x, ids, **shape, rng=rng)
    start = time.perf_counter(), time.process_time()
    trainer.fit(batches, steps_per_epoch=DATA[name]["steps"], verbose=0)
    return trainer, time.perf_counter() - start[0], time.process_time() - start[1]


def measured(name, loss, setting, seed, *, choosing):
    """Return rank-1, mAP and seconds of one training: from the file that keeps them, if it is there."""
    cell = {"data": name, "loss": loss, "setting": setting, "seed": seed}
    circumstances = cell | {"choosing": choosing, "budget": BUDGET | DATA[name]}
    words = [name, loss, setting, str(seed), *(["choosing"] if choosing else [])]
    file = KEPT / ("_".join(words).replace(", ", "-").replace(" ", "-") + ".json")
    if file.exists():
        kept = json.loads(file.read_text())
        if kept.pop("circumstances") == circumstances:
            return kept
    (x, ids), gallery, probe = load(name)
    if choosing:
        mask = held_out(ids)
        x, ids, probe, gallery = x[~mask], ids[~mask], (x[mask], ids[mask]), None
    trainer, seconds, core_seconds = train(name, x, ids, LOSSES[loss][setting], seed)
    # What is held out is looked up in itself, each image among all others.
    searched, names = (trainer.embed(gallery[0]), gallery[1]) if gallery else (None, None)
    found = retrieval.evaluate_retrieval(
        trainer.embed(probe[0]), searched, probe_ids=probe[1], gallery_ids=names, metric="cosine"
    )
    result = cell | {
        "rank1": round(float(found.top(1)), 4),
        "map": round(float(found.mean_average_precision), 4),
        "seconds": round(seconds, 1),
        "core_seconds": round(core_seconds, 1),
    }
    keras.backend.clear_session()
    KEPT.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result | {"circumstances": circumstances}, indent=1) + "\n")
    print(datetime.now(UTC).isoformat(timespec="seconds"), "choosing" if choosing else "test", *result.values())
    sys.stdout.flush()
    return result


def choose(name, loss):
    """Return the trials of a loss, and the setting with the best mAP; the first if they are equal."""
    trials = [measured(name, loss, setting, SEEDS[0], choosing=True) for setting in LOSSES[loss]]
    return trials, max(trials, key=lambda trial: trial["map"])["setting"]


def gather(trials, chosen, results):
    """Write what pages show."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    sizes = {}
    for name in DATA:
        for part, (_, ids) in zip(("train", "gallery", "probe"), load(name), strict=True):
            sizes.setdefault(name, {})[part] = {"images": len(ids), "identities": len(np.unique(ids))}
    table = {
        "what": "Each loss: the better of two settings by mAP on held-out training identities (seed 0), then three "
        "seeds on all training identities, tested on identities never seen; cosine distance.",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
        "budget": BUDGET | DATA,
        "sizes": sizes,
        "chosen": chosen,
        "results": results,
        "trials": trials,
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n")


def main():
    trials, chosen, results = [], {}, []
    cells = list(itertools.product(DATA, LOSSES))
    if "--gather" in sys.argv[1:]:
        done = len(list(KEPT.glob("*.json")))
        needed = sum(len(LOSSES[loss]) + len(SEEDS) for _, loss in cells)
        if done < needed:
            sys.exit(f"{done} of {needed} trainings are done")
    for name, loss in cells:
        tried, setting = choose(name, loss)
        trials += tried
        chosen.setdefault(name, {})[loss] = setting
    # All losses with one seed before the next: what is interrupted is a whole table with fewer seeds.
    for seed, (name, loss) in itertools.product(SEEDS, cells):
        results.append(measured(name, loss, chosen[name][loss], seed, choosing=False))
    gather(trials, chosen, results)
    for name, loss in cells:
        own = [each for each in results if (each["data"], each["loss"]) == (name, loss)]
        values = {key: ", ".join(f"{each[key]:.3f}" for each in own) for key in ("rank1", "map")}
        print(f"{name:9} {loss:22} {chosen[name][loss]:26} rank-1 {values['rank1']}   mAP {values['map']}")


if __name__ == "__main__":
    main()
