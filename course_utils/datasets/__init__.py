"""The one door to data: named data sets, the reader's own files, and procedural twins of both."""

import dataclasses
import warnings

import numpy as np

from course_utils.datasets import catalog, local
from course_utils.datasets.catalog import Provenance
from course_utils.datasets.local import cache_folder, checksum, find, search_folders
from course_utils.datasets.subsets import nested_subsets, regroup, split_validation, stratified_order
from course_utils.errors import DataError, SyntheticDataWarning, check_choice, check_integer

__all__ = [
    "Dataset",
    "Provenance",
    "cache_folder",
    "find",
    "fingerprint",
    "load",
    "names",
    "nested_subsets",
    "regroup",
    "search_folders",
    "split_validation",
]

SOURCES = ("download", "local", "synthetic", "auto")

# What a procedural twin has when no limit is given: enough to learn from, drawn in a few seconds.
_TWIN_TRAIN, _TWIN_TEST = 12_000, 2_000

# Twins are drawn in blocks, each from its own random stream: a small set is the beginning of a large one.
_TWIN_BLOCK = 500


@dataclasses.dataclass(frozen=True, eq=False)
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

    x_train: np.ndarray = dataclasses.field(repr=False)
    y_train: np.ndarray = dataclasses.field(repr=False)
    x_test: np.ndarray = dataclasses.field(repr=False)
    y_test: np.ndarray = dataclasses.field(repr=False)
    class_names: tuple
    provenance: Provenance


def names():
    """List the data sets that :func:`load` and ``load_reid`` know by name.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "fashion_mnist" in names()
    True
    """
    return list(catalog.CATALOG)


def load(name, *, data_dir=None, source="download", train_limit=None, test_limit=None, seed=0):
    """Load a labelled data set.

    Parameters
    ----------
    name : str or path-like
        A name in :func:`names`, or the path of the user's own file or folder.
    data_dir : path-like, optional
        Searched before the other :func:`search_folders`. An empty string counts as ``None``.
    source : {"download", "local", "synthetic", "auto"}
        "local" reads from the search folders; "download" fetches the official files if they are not there;
        "synthetic" draws the procedural twin; "auto" is "download", and the twin where that fails.
    train_limit, test_limit : int, optional
        At most this many images, a class-stratified sample. For one seed a small sample is the beginning of a
        larger one. A twin has 12,000 and 2,000 images if no limit is given, and any number if one is.
    seed : int
        Decides the samples, and the drawing of a twin.

    Returns
    -------
    Dataset

    Raises
    ------
    ArgumentError
        If an argument is not legal.
    DataError
        If there are no such data, or they are damaged.

    Warns
    -----
    SyntheticDataWarning
        If "auto" fell back on the procedural twin.

    Examples
    --------
    >>> data = load("fashion_mnist", source="synthetic", train_limit=20, test_limit=10)
    >>> data.x_train.shape, data.x_train.dtype, data.provenance.kind
    ((20, 28, 28, 1), dtype('uint8'), 'procedural')
    """
    check_choice("load", "source", source, SOURCES)
    train_limit, test_limit = (
        None if limit is None else check_integer("load", argument, limit, minimum=1)
        for argument, limit in (("train_limit", train_limit), ("test_limit", test_limit))
    )
    check_integer("load", "seed", seed, minimum=0)
    item = catalog.entry(name)
    if source == "synthetic":
        return _draw_twin(item, train_limit, test_limit, seed)
    path = find(name, data_dir=data_dir)
    if path is None and source == "auto":
        warnings.warn(
            f"{item.title} is not on this machine: drawn stand-ins take its place, "
            "and no number from them is the real data set's",
            SyntheticDataWarning,
            stacklevel=2,
        )
        return _draw_twin(item, train_limit, test_limit, seed)
    if path is None:
        folders = ", ".join(str(folder) for folder in search_folders(data_dir))
        raise DataError(f"{name}: is in none of the folders {folders}")
    parts = local.read(path, class_names=item.class_names)
    return Dataset(
        *_sample(parts.train, train_limit, seed),
        *_sample(parts.test, test_limit, seed),
        class_names=parts.class_names,
        provenance=local.provenance(item, path),
    )


def fingerprint(name, *, data_dir=None, source="auto"):
    """Say in one short text what :func:`load` would read now, so that a result can be tied to its data.

    Parameters
    ----------
    name, data_dir, source
        As for :func:`load`.

    Returns
    -------
    str
        "sha256:..." of the local file, "procedural:VERSION", or "absent".

    Examples
    --------
    >>> fingerprint("fashion_mnist", source="synthetic").startswith("procedural:")
    True
    """
    check_choice("fingerprint", "source", source, SOURCES)
    path = None if source == "synthetic" else find(name, data_dir=data_dir)
    if path is not None:
        return f"sha256:{checksum(path)}"
    if source in ("synthetic", "auto"):
        from course_utils.datasets import synthetic

        return f"procedural:{synthetic.VERSION}"
    return "absent"


def _sample(split, limit, seed):
    if limit is None or limit >= len(split.y):
        return split.x, split.y
    chosen = stratified_order(split.y, seed=seed)[:limit]
    return split.x[chosen], split.y[chosen]


def _draw_twin(item, train_limit, test_limit, seed):
    from course_utils.datasets import synthetic

    generator = getattr(synthetic, item.twin)
    return Dataset(
        *_draw_part(generator, train_limit or _TWIN_TRAIN, [seed, 0]),
        *_draw_part(generator, test_limit or _TWIN_TEST, [seed, 1]),
        class_names=item.class_names,
        provenance=Provenance(
            name=item.name,
            title=f"Procedural stand-in for {item.title}",
            kind="procedural",
            file="",
            sha256="",
            licence="this project's own",
            citation="",
            caveat=f"drawn by generator {item.twin}, version {synthetic.VERSION}",
        ),
    )


def _draw_part(generator, n, stream):
    images, labels = [], []
    for block in range(-(-n // _TWIN_BLOCK)):
        rng = np.random.default_rng([*stream, block])
        # Each run of ten labels holds every class once, in random order: every prefix is balanced.
        y = np.concatenate([rng.permutation(10) for _ in range(_TWIN_BLOCK // 10)]).astype(np.int64)
        images.append(generator(y, rng=rng))
        labels.append(y)
    return np.concatenate(images)[:n], np.concatenate(labels)[:n]
