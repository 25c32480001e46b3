"""Data sets for re-identification: the same person, or the same character, by another camera or hand."""

import dataclasses
from typing import NamedTuple

import numpy as np

from course_utils.datasets import formats, local, trees
from course_utils.datasets.catalog import Provenance
from course_utils.datasets.download import obtain
from course_utils.errors import ArgumentError, DataError, check_integer
from course_utils.images import check_size

__all__ = ["ReIDDataset", "ReIDSplit", "load_reid"]


class _Twin(NamedTuple):
    """Identities for training and testing if no limit is given, images of each in training, and cameras."""

    train: int
    test: int
    images: int
    cameras: int


_TWINS = {"pedestrians": _Twin(150, 150, 10, 6), "characters": _Twin(150, 100, 20, 20)}

# Identities are drawn in blocks, each from its own random stream: few are the beginning of many.
_TWIN_BLOCK = 10

# Test identities start here, so that they are the same however many there are in training.
_TWIN_TEST_START = 1_000_000

# If a file has no split of its own, alphabets are held out until they have this share of the characters.
_HELD_OUT = 1 / 3


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ReIDSplit:
    """One part of a re-identification data set.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, height, width, channels)
        Images.
    ids : ndarray of int64, shape (n,)
        Who or what is shown; 0 in a gallery of Market-1501 is a distractor.
    cameras : ndarray of int64, shape (n,)
        Which camera took it, or whose hand drew it.
    """

    images: np.ndarray
    ids: np.ndarray
    cameras: np.ndarray

    def __repr__(self):
        return (
            f"<ReIDSplit {len(self.ids)} images of shape {self.images.shape[1:]}, "
            f"{len(np.unique(self.ids))} identities, {len(np.unique(self.cameras))} cameras>"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class ReIDDataset:
    """A re-identification data set: probes are looked up in a gallery; training has other identities.

    Attributes
    ----------
    train, gallery, probe : ReIDSplit
        The three parts.
    provenance : Provenance
        Where the images came from.
    """

    train: ReIDSplit
    gallery: ReIDSplit
    probe: ReIDSplit
    provenance: Provenance


def load_reid(
    name,
    *,
    data_dir=None,
    source="download",
    train_ids=None,
    test_ids=None,
    image_size=None,
    seed=0,
    progress=False,
):
    """Load a re-identification data set.

    Parameters
    ----------
    name : str or path-like
        ``"pedestrians"`` (procedural), ``"omniglot"``, ``"market1501"``, or the path of a folder or zip archive in the
        layout of Market-1501 or Omniglot.
    data_dir : path-like, optional
        Searched before the other folders; or a folder in one of those layouts. An empty string counts as
        ``None``.
    source : {"download", "local", "synthetic", "auto"}
        As for :func:`load`. The pedestrians are procedural from any source.
    train_ids, test_ids : int, optional
        At most this many identities, drawn at random; for one seed few are among many. With `test_ids` the
        gallery holds the chosen identities only, without distractors. Twins have 150 people for training and
        150 for testing, or 150 and 100 characters, if no limit is given, and any number if one is.
    image_size : int or (int, int), optional
        Height and width that every image is resized to.
    seed : int
        Decides which identities, and for Omniglot which alphabets and drawers, are used; and the drawing of
        a twin.
    progress : bool
        Whether a download shows a progress bar.

    Returns
    -------
    ReIDDataset

    Raises
    ------
    ArgumentError
        If an argument is not legal.
    DataError
        If there are no such data, or they are damaged.

    Warns
    -----
    SyntheticDataWarning
        If ``"auto"`` fell back on the procedural twin.

    Notes
    -----
    Omniglot: training has some alphabets, testing others. The gallery has each held-out character by one drawer,
    the probes the same characters by another; a drawer is a camera. The official files have their own held-out
    alphabets; otherwise `seed` chooses at least a third of the characters.

    Examples
    --------
    >>> data = load_reid("pedestrians", source="synthetic", train_ids=2, test_ids=3)
    >>> data.probe.images.shape, bool((data.probe.cameras != data.gallery.cameras).all())
    ((3, 128, 64, 3), True)
    """
    for argument, limit in (("train_ids", train_ids), ("test_ids", test_ids)):
        if limit is not None:
            check_integer(argument, limit, minimum=1)
    check_integer("seed", seed, minimum=0)
    image_size = image_size if image_size is None else check_size("image_size", image_size, maximum=8_192)
    item, path = obtain("load_reid", name, data_dir=data_dir, source=source, progress=progress)
    if item is not None and item.task != "re-identification":
        raise ArgumentError(f"{item.name} is for {item.task}; load reads it")
    if path is None:
        parts = _draw_twin(item.twin, train_ids, test_ids, seed)
        parts = [ReIDSplit(trees.resized(part.images, image_size), part.ids, part.cameras) for part in parts]
        return ReIDDataset(*parts, local.procedural(item))
    parts = _read(path, image_size, seed)
    parts = _limit(parts, train_ids, test_ids, seed)
    provenance = local.provenance(item, path)
    shared = np.intersect1d(parts[0].ids, parts[2].ids).size
    if shared:
        caveat = f"{shared} identities are both in training and among the probes"
        caveats = [text for text in (provenance.caveat, caveat) if text]
        provenance = dataclasses.replace(provenance, caveat="; ".join(caveats))
    return ReIDDataset(*parts, provenance)


def _read(path, image_size, seed):
    if path.suffix.lower() == ".npz":
        characters = formats.read_characters_npz(path)
        characters = characters._replace(images=trees.resized(characters.images, image_size))
        return _split_characters([characters], path, seed)
    folder = path
    archives = [folder / f"{name}.zip" for name in trees.CHARACTER_FOLDERS]
    if folder.is_dir() and all(archive.is_file() for archive in archives):
        pools = [_read_tree(archive, image_size)["characters"][0] for archive in archives]
        return _split_characters(pools, path, seed)
    found = _read_tree(path, image_size)
    if "characters" in found:
        return _split_characters(found["characters"], path, seed)
    return [ReIDSplit(*found["people"][part]) for part in ("train", "gallery", "probe")]


def _read_tree(path, image_size):
    with trees.open_tree(path) as tree:
        arrangement = trees.layout(tree)
        if arrangement == "people":
            return {"people": trees.read_people(tree, image_size=image_size)}
        if arrangement == "characters":
            return {"characters": list(trees.read_characters(tree, image_size=image_size).values())}
    raise DataError(
        f"{path}: is not in the layout of Market-1501 (bounding_box_train, bounding_box_test, query; or Training, "
        "Testing/Gallery, Testing/Probe) nor of Omniglot (images_background, images_evaluation)"
    )


def _split_characters(pools, path, seed):
    """Divide characters into training, and a gallery and probes by two drawers."""
    rng = np.random.default_rng(seed)
    train, test = pools if len(pools) == 2 else _hold_out_alphabets(pools[0], path, rng)
    offset = train.ids.max(initial=-1) + 1 if len(pools) == 2 else 0
    drawers = np.unique(test.drawers)
    if len(drawers) < 2:
        raise DataError(f"{path}: has characters by {len(drawers)} drawer; there must be at least 2")
    gallery, probe = (test.drawers == drawer for drawer in rng.choice(drawers, 2, replace=False))
    return [
        ReIDSplit(train.images, train.ids, train.drawers),
        ReIDSplit(test.images[gallery], test.ids[gallery] + offset, test.drawers[gallery]),
        ReIDSplit(test.images[probe], test.ids[probe] + offset, test.drawers[probe]),
    ]


def _hold_out_alphabets(pool, path, rng):
    alphabets = np.unique(pool.alphabets)
    if len(alphabets) < 2:
        raise DataError(f"{path}: has {len(alphabets)} alphabet; there must be at least 2, to hold one out")
    n_characters = np.array([np.unique(pool.ids[pool.alphabets == alphabet]).size for alphabet in alphabets])
    order = rng.permutation(len(alphabets))
    shares = np.cumsum(n_characters[order]) / n_characters.sum()
    n_held_out = min(int(np.searchsorted(shares, _HELD_OUT)) + 1, len(alphabets) - 1)
    held_out = np.isin(pool.alphabets, alphabets[order[:n_held_out]])
    return tuple(trees.Characters(*(array[chosen] for array in pool)) for chosen in (~held_out, held_out))


def _limit(parts, train_ids, test_ids, seed):
    train, gallery, probe = parts
    if train_ids is not None:
        train = _keep(train, _choose(train.ids, train_ids, seed))
    if test_ids is not None:
        chosen = _choose(np.intersect1d(gallery.ids, probe.ids), test_ids, seed)
        gallery, probe = _keep(gallery, chosen), _keep(probe, chosen)
    return [train, gallery, probe]


def _choose(ids, limit, seed):
    return np.random.default_rng(seed).permutation(np.unique(ids))[:limit]


def _keep(split, ids):
    chosen = np.isin(split.ids, ids)
    return ReIDSplit(split.images[chosen], split.ids[chosen], split.cameras[chosen])


def _draw_twin(name, train_ids, test_ids, seed):
    from course_utils.datasets import synthetic

    generator, twin = getattr(synthetic, name), _TWINS[name]
    pair = 1 + np.random.default_rng([seed, 2]).choice(twin.cameras, 2, replace=False)

    def training(rng):
        return rng.permutation(np.arange(twin.images) % twin.cameras) + 1

    def testing(rng):
        # Characters: one drawer makes the gallery, another the probes. People walk past any two cameras.
        return pair if name == "characters" else rng.choice(twin.cameras, 2, replace=False) + 1

    train = _draw_ids(generator, 0, train_ids or twin.train, training, seed)
    test = _draw_ids(generator, _TWIN_TEST_START, test_ids or twin.test, testing, seed)
    gallery, probe = (ReIDSplit(*(array[first::2] for array in test)) for first in (0, 1))
    return [ReIDSplit(*train), gallery, probe]


def _draw_ids(generator, start, n_ids, cameras_of, seed):
    """Draw each identity by the cameras that `cameras_of` gives for it."""
    blocks = []
    for first in range(start, start + n_ids, _TWIN_BLOCK):
        rng = np.random.default_rng([seed, first])
        cameras = np.stack([cameras_of(rng) for _ in range(_TWIN_BLOCK)])
        ids = np.repeat(np.arange(first, first + _TWIN_BLOCK), cameras.shape[1])
        blocks.append((generator(ids, cameras.ravel(), seed=seed, rng=rng), ids, cameras.ravel()))
    wanted = n_ids * cameras.shape[1]
    return tuple(np.concatenate(arrays)[:wanted] for arrays in zip(*blocks, strict=True))
