"""Data sets for re-identification: the same person, or the same character, by another camera or hand."""

import dataclasses
from typing import NamedTuple

import numpy as np

from course_utils.datasets import formats, identities, local, trees
from course_utils.datasets.catalog import Provenance
from course_utils.datasets.download import check_options, obtain
from course_utils.errors import ArgumentError, DataError, check_choice

__all__ = ["ReIDDataset", "ReIDSplit", "load_reid"]


class _Size(NamedTuple):
    """Of synthetic data: identities if no limit is given, images of each in training, and cameras."""

    train: int
    test: int
    images: int
    cameras: int


_SIZES = {
    "pedestrians": _Size(150, 150, 10, 6),
    "characters": _Size(150, 100, 20, 20),
    "products": _Size(50, 31, 20, 6),
}

# Identities are drawn in blocks, each from its own random stream: few are the beginning of many.
_BLOCK = 10

# Test identities start here, so that they are the same however many there are in training.
_TEST_START = 1_000_000

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
        Which camera took it, or whose hand drew it. Where nobody says, each image counts as of a camera of its own:
        leaving out what the probe's camera saw then leaves out the probe itself, and nothing else.
    """

    images: np.ndarray
    ids: np.ndarray
    cameras: np.ndarray

    def __repr__(self):
        n_cameras = len(np.unique(self.cameras))
        return (
            f"<ReIDSplit {len(self.ids)} images of shape {self.images.shape[1:]}, {len(np.unique(self.ids))} identities"
            + (f", {n_cameras} cameras>" if n_cameras < len(self.ids) else ">")
        )


@dataclasses.dataclass(frozen=True, eq=False)
class ReIDDataset:
    """A re-identification data set: probes are looked up in a gallery; training should have other identities.

    Attributes
    ----------
    train, gallery, probe : ReIDSplit
        The three parts.
    provenance : Provenance
        Where the images came from, and what was divided at random.
    identities : tuple of str, or None
        Who each number in `ids` is: ``identities[ids[0]]``. ``None`` where numbers are all that there is.
    """

    train: ReIDSplit
    gallery: ReIDSplit
    probe: ReIDSplit
    provenance: Provenance
    identities: tuple | None = dataclasses.field(default=None, repr=False)


def load_reid(
    name,
    *,
    data_dir=None,
    source="download",
    train_ids=None,
    test_ids=None,
    gallery="photos",
    image_size=None,
    seed=0,
    progress=False,
):
    """Load a re-identification data set, with the errors and warnings of :func:`load`.

    Parameters
    ----------
    name : str or path-like
        ``"pedestrians"`` (synthetic from any source), ``"omniglot"``, ``"market1501"``, ``"grocery"``, or the path of
        your own: a folder or zip archive in one of the layouts below, or a manifest.
    data_dir, source
        As for :func:`load`; `data_dir` may be a folder in one of those layouts.
    train_ids, test_ids : int, optional
        At most this many identities, drawn at random; for one seed few are among many. With `test_ids` the
        gallery holds the chosen identities only, without distractors. Of synthetic data there are 150 people for
        training and 150 for testing, 150 and 100 characters, or 50 and 31 products, if no limit is given, and any
        number if one is.
    gallery : {"photos", "shelf"}
        For ``"grocery"``: whether photographs of products are looked up in other photographs, or in the pictures
        that stand on the shelf.
    image_size : int or (int, int), optional
        Height and width that every image is resized to as it is read, whatever its proportions; needed where images
        differ in size.
    seed : int
        Decides which identities, and for Omniglot which alphabets and drawers, are used; what is divided at random;
        and what synthetic images show.
    progress : bool
        Whether a download, and the reading of images, shows a progress bar.

    Returns
    -------
    ReIDDataset

    Notes
    -----
    Layouts, besides those of Market-1501 and Omniglot:

    - ``PART/IDENTITY/*.jpg``. Parts are train, gallery and probe, or train and test; training may be missing.
      Also known are training; val, valid, validation (which go to training, or are the test if there is none);
      testing; query, probes; and the folders of Market-1501. Of a test part one image of each identity that has two,
      drawn with `seed`, is a probe, and the rest are the gallery. Identities of the parts may be the same.
    - ``IDENTITY/*.jpg``. Half of the identities, drawn with `seed`, are for training; the others are a test part.
    - ``manifest.csv`` or ``manifest.parquet`` in the folder, or a file of any name by its path: the columns ``path``
      (relative to it) and ``identity``, and if known ``camera`` and ``split``, with parts named as above. Without
      ``split`` identities are divided as above. The checksum in the provenance is that of the manifest by its path,
      and of everything in a folder.

    Identities are numbered in the natural order of their names, which are the result's `identities`.

    Grocery: of 81 products 50, drawn with `seed`, are for training. The test photographs of the other 31 are looked
    up in their training and validation photographs. To look each up in all others, put gallery and probes together
    and evaluate by ``protocol="cross_camera"``; shots of one moment then flatter the result. With
    ``gallery="shelf"`` all photographs of the 31 are probes, and the gallery has one picture of each.

    Omniglot: training has some alphabets, testing others. The gallery has each held-out character by one drawer,
    the probes the same characters by another; a drawer is a camera. The official files have their own held-out
    alphabets; otherwise `seed` chooses at least a third of the characters.

    Examples
    --------
    >>> data = load_reid("pedestrians", source="synthetic", train_ids=2, test_ids=3)
    >>> data.probe.images.shape, bool((data.probe.cameras != data.gallery.cameras).all())
    ((3, 128, 64, 3), True)
    """
    image_size = check_options(image_size, seed, train_ids=train_ids, test_ids=test_ids)
    check_choice("gallery", gallery, identities.GALLERIES)
    item, path = obtain(name, data_dir=data_dir, source=source, progress=progress)
    if item is not None and item.task != "re-identification":
        raise ArgumentError(f"{item.name} is for {item.task}; load reads it")
    if gallery == "shelf" and item is not None and item.generator != "products":
        raise ArgumentError(f"gallery is 'shelf', and {item.name} has no shelf pictures; it must be 'photos'")
    if path is None:
        parts = _draw(item.generator, train_ids, test_ids, gallery, seed)
        parts = [ReIDSplit(trees.resized(part.images, image_size), part.ids, part.cameras) for part in parts]
        return ReIDDataset(*parts, local.synthetic_provenance(item))
    parts, names, note = _read(
        path, gallery, lambda parts: _limit(parts, train_ids, test_ids, seed), image_size, seed, progress
    )
    provenance = local.provenance(item, path)
    shared = np.intersect1d(parts[0].ids, parts[2].ids).size
    shared = f"{shared} identities are both in training and among the probes" if shared else ""
    caveat = "; ".join(filter(None, (provenance.caveat, note, shared)))
    return ReIDDataset(*parts, dataclasses.replace(provenance, caveat=caveat), names)


def _read(path, gallery, limit, image_size, seed, progress):
    """Return the three parts, the names of identities or ``None``, and what was divided at random."""
    archives = [path / f"{name}.zip" for name in trees.CHARACTER_FOLDERS]
    options = {"image_size": image_size, "progress": progress}
    found = None
    if path.suffix.lower() == ".npz":
        pool = formats.read_characters_npz(path)
        pools = [pool._replace(images=trees.resized(pool.images, image_size))]
    elif all(archive.is_file() for archive in archives):
        pools = []
        for archive in archives:
            with trees.open_tree(archive) as tree:
                pools += trees.read_characters(tree, **options)
    else:
        with identities.open_photos(path) as (tree, manifest):
            if manifest is None and trees.names_people(tree):
                pools = trees.read_people(tree, **options)
            elif manifest is None and trees.layout(tree) == "characters":
                pools = trees.read_characters(tree, **options)
            else:
                found = identities.arrange(tree, manifest, gallery=gallery, seed=seed)
                # Identities that are left out are never read.
                pools = _decode(tree, limit([ReIDSplit(*part) for part in found.parts]), image_size, progress)
    if found is not None:
        return pools, found.identities, found.note
    if gallery != "photos":
        raise ArgumentError(f"gallery is {gallery!r}, and {path} has no shelf pictures; it must be 'photos'")
    if isinstance(pools[0], trees.LabelledImages):
        return limit([ReIDSplit(*part) for part in pools]), None, ""
    return limit(_split_characters(pools, path, seed)), None, ""


def _decode(tree, parts, image_size, progress):
    names = np.concatenate([part.images for part in parts]).tolist()
    if image_size is None:
        trees.check_sizes(tree, names)
    pixels = trees.decode_all(tree, names, image_size, progress)
    ends = np.cumsum([len(part.ids) for part in parts])[:-1]
    return [
        dataclasses.replace(part, images=images) for part, images in zip(parts, np.split(pixels, ends), strict=True)
    ]


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
    order = rng.permutation(len(alphabets)).astype(np.intp)
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


def _draw(name, train_ids, test_ids, gallery, seed):
    from course_utils.datasets import synthetic

    generator, size = getattr(synthetic, name), _SIZES[name]
    pair = 1 + np.random.default_rng([seed, 2]).choice(size.cameras, 2, replace=False)

    def training(rng):
        return rng.permutation(np.arange(size.images) % size.cameras) + 1

    def testing(rng):
        # Characters: one drawer makes the gallery, another the probes. People walk past any two cameras. A product's
        # picture on the shelf is of camera 0.
        if gallery == "shelf":
            return np.array([0, rng.integers(size.cameras) + 1])
        return pair if name == "characters" else rng.choice(size.cameras, 2, replace=False) + 1

    train = _draw_ids(generator, 0, train_ids or size.train, training, seed)
    test = _draw_ids(generator, _TEST_START, test_ids or size.test, testing, seed)
    gallery, probe = (ReIDSplit(*(array[first::2] for array in test)) for first in (0, 1))
    return [ReIDSplit(*train), gallery, probe]


def _draw_ids(generator, start, n_ids, cameras_of, seed):
    """Draw each identity by the cameras that `cameras_of` gives for it."""
    blocks = []
    for first in range(start, start + n_ids, _BLOCK):
        rng = np.random.default_rng([seed, first])
        cameras = np.stack([cameras_of(rng) for _ in range(_BLOCK)])
        ids = np.repeat(np.arange(first, first + _BLOCK), cameras.shape[1])
        blocks.append((generator(ids, cameras.ravel(), seed=seed, rng=rng), ids, cameras.ravel()))
    wanted = n_ids * cameras.shape[1]
    return tuple(np.concatenate(arrays)[:wanted] for arrays in zip(*blocks, strict=True))
