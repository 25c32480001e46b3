"""The one door to data: named data sets, the reader's own files, and synthetic images in place of both."""

import dataclasses
from pathlib import Path

import numpy as np

from course_utils.datasets import catalog, download, formats, local, trees
from course_utils.datasets.catalog import CATALOG, Provenance
from course_utils.datasets.download import SOURCES, obtain
from course_utils.datasets.local import cache_folder, find, search_folders
from course_utils.datasets.reid import ReIDDataset, ReIDSplit, load_reid
from course_utils.datasets.subsets import nested_subsets, regroup, split_validation, stratified_order
from course_utils.errors import ArgumentError, CourseError, check_choice

__all__ = [
    "CATALOG",
    "Dataset",
    "Provenance",
    "ReIDDataset",
    "ReIDSplit",
    "Verification",
    "cache_folder",
    "fetch",
    "find",
    "fingerprint",
    "load",
    "load_reid",
    "names",
    "nested_subsets",
    "regroup",
    "search_folders",
    "split_validation",
    "stratified_order",
    "verify",
]

# How many synthetic images there are when no limit is given: enough to learn from, drawn in a few seconds.
_N_TRAIN, _N_TEST = 12_000, 2_000

# They are drawn in blocks, each from its own random stream: a small set is the beginning of a large one.
_ROUNDS = 50


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images in two parts.

    Attributes
    ----------
    x_train, x_test : ndarray of uint8, shape (n, height, width, channels)
        Images.
    y_train, y_test : ndarray of int64, shape (n,)
        Labels, from 0.
    class_names : tuple of str
        In label order.
    provenance : Provenance
        Where the images came from.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple
    provenance: Provenance

    def __repr__(self):
        return (
            f"<Dataset {self.provenance.title} ({self.provenance.kind}): {len(self.y_train)} training and "
            f"{len(self.y_test)} test images of shape {self.x_train.shape[1:]}, {len(self.class_names)} classes>"
        )


def names():
    """List the data sets that :func:`load` and :func:`load_reid` know by name.

    Examples
    --------
    >>> "fashion_mnist" in names()
    True
    """
    return list(CATALOG)


def load(
    name,
    *,
    data_dir=None,
    source="download",
    train_limit=None,
    test_limit=None,
    image_size=None,
    seed=0,
    progress=False,
):
    """Load a labelled data set.

    Parameters
    ----------
    name : str or path-like
        A name in :func:`names`, or the path of the user's own file or folder: a ``.npz`` with ``x_train``,
        ``y_train``, ``x_test`` and ``y_test``, a folder or ``.zip`` of ``train/CLASS/*.png``, or any other format
        that a data set of the course comes in.
    data_dir : path-like, optional
        Searched before the other :func:`search_folders`; or itself a file or folder of the user's own data, which
        then take the place of the named ones. An empty string counts as ``None``.
    source : {"download", "local", "synthetic", "auto"}
        ``"local"`` reads from the search folders; ``"download"`` fetches the official files if they are not there;
        ``"synthetic"`` draws images like them; ``"auto"`` is ``"download"``, and ``"synthetic"`` where that fails.
    train_limit, test_limit : int, optional
        At most this many images, a class-stratified sample. For one seed a small sample is the beginning of a
        larger one. There are 12,000 and 2,000 synthetic images if no limit is given, and any number if one is.
    image_size : int or (int, int), optional
        Height and width that every image is resized to.
    seed : int
        Decides the samples, and what synthetic images show.
    progress : bool
        Whether a download shows a progress bar.

    Returns
    -------
    Dataset
        The test part is empty if the user's own file has only one part.

    Raises
    ------
    ArgumentError
        If an argument is not legal.
    DataError
        If there are no such data, or they are damaged.

    Warns
    -----
    SyntheticDataWarning
        If ``"auto"`` fell back on synthetic images.

    Examples
    --------
    >>> data = load("fashion_mnist", source="synthetic", train_limit=20, test_limit=10)
    >>> data.x_train.shape, data.x_train.dtype, data.provenance.kind
    ((20, 28, 28, 1), dtype('uint8'), 'synthetic')
    """
    image_size = download.check_options(image_size, seed, train_limit=train_limit, test_limit=test_limit)
    item, path = obtain(name, data_dir=data_dir, source=source, progress=progress)
    if item is not None and item.task != "classification":
        raise ArgumentError(f"{item.name} is for {item.task}; load_reid reads it")
    if path is None:
        parts, provenance = _draw(item.generator, train_limit, test_limit, seed), local.synthetic_provenance(item)
        splits = [formats.Split(trees.resized(split.x, image_size), split.y) for split in parts[:2]]
    else:
        parts = local.read(path, class_names=item.class_names if item else (), image_size=image_size)
        provenance = local.provenance(item, path)
        splits = _sample(parts.train, train_limit, seed), _sample(parts.test, test_limit, seed)
    return Dataset(*splits[0], *splits[1], class_names=parts.class_names, provenance=provenance)


def fingerprint(name, *, data_dir=None, source="auto"):
    """Say in one short text what :func:`load`, given the same, would read now. Nothing is fetched.

    Returns
    -------
    str
        ``"sha256:..."`` of the local file or folder; ``"synthetic:VERSION"`` if images would be drawn unless the data
        can be fetched; ``"absent"`` if there is nothing to read before it is fetched.

    Examples
    --------
    >>> fingerprint("fashion_mnist", source="synthetic").startswith("synthetic:")
    True
    """
    from course_utils.datasets import synthetic

    check_choice("source", source, SOURCES)
    item, path = download.named(name)
    if item is not None and source != "synthetic":
        path = find(name, data_dir=data_dir)
    if path is not None:
        return f"sha256:{local.checksum(path)}"
    if source in ("synthetic", "auto") or item.drawn:
        return f"synthetic:{synthetic.VERSION}"
    return "absent"


def fetch(name, *, folder=None, mirrors=None, progress=False):
    """Bring the official files of a data set onto this machine, verified.

    Parameters
    ----------
    name : str
        A name in :func:`names`.
    folder : path-like, optional
        Where they go, in a folder of the data set's name: where :func:`load` puts them if not given.
    mirrors : iterable of str, optional
        Addresses to use in place of the official ones; a file's name is appended.
    progress : bool
        Whether a progress bar is shown.

    Returns
    -------
    Path
        The folder with the files. Those that were there already were verified and not fetched again.

    Raises
    ------
    ArgumentError
        If there is no such data set, or it cannot be fetched.
    DownloadError
        If no mirror delivers a file, or the folder cannot be written to.

    Examples
    --------
    >>> fetch("pedestrians")
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: Synthetic pedestrians cannot be fetched (drawn by ...
    """
    item = catalog.entry(name)
    folder = Path(folder) if folder is not None else local.download_folder()
    return download.fetch(item, folder / item.name, mirrors=mirrors, progress=progress)


@dataclasses.dataclass(frozen=True)
class Verification:
    """What :func:`verify` found of data set `name`.

    Attributes
    ----------
    path : Path or None
        Where it is; ``None`` if it is not on this machine.
    provenance : Provenance or None
        What it is, by its checksum.
    problem : str
        Why it cannot be read; empty if it can.
    """

    name: str
    path: Path | None
    provenance: Provenance | None
    problem: str


def verify(name, *, data_dir=None):
    """Take the checksum of a local data set, of one of the :func:`names`, and read the whole of it.

    Returns
    -------
    Verification

    Examples
    --------
    >>> verify("market1501", data_dir=".").problem
    'not on this machine'
    """
    item = catalog.entry(name)
    path = find(name, data_dir=data_dir)
    if path is None:
        return Verification(name, None, None, "drawn when it is loaded" if item.drawn else "not on this machine")
    try:
        data = (load if item.task == "classification" else load_reid)(name, data_dir=data_dir, source="local")
    except CourseError as error:
        return Verification(name, path, None, str(error))
    return Verification(name, path, data.provenance, "")


def _sample(split, limit, seed):
    if limit is None or limit >= len(split.y):
        return split.x, split.y
    chosen = stratified_order(split.y, seed=seed)[:limit]
    return split.x[chosen], split.y[chosen]


def _draw(name, train_limit, test_limit, seed):
    from course_utils.datasets import synthetic

    generator, class_names = getattr(synthetic, name), synthetic.CLASS_NAMES[name]
    return formats.Parts(
        _draw_part(generator, len(class_names), train_limit or _N_TRAIN, [seed, 0]),
        _draw_part(generator, len(class_names), test_limit or _N_TEST, [seed, 1]),
        tuple(class_names),
    )


def _draw_part(generator, n_classes, n, stream):
    images, labels = [], []
    for block in range(-(-n // (_ROUNDS * n_classes))):
        rng = np.random.default_rng([*stream, block])
        # Each round holds every class once, in random order: every prefix is balanced.
        y = np.concatenate([rng.permutation(n_classes) for _ in range(_ROUNDS)])
        images.append(generator(y, rng=rng))
        labels.append(y)
    return formats.Split(np.concatenate(images)[:n], np.concatenate(labels)[:n])
