"""Files on this machine: the folders that are searched, what a file is, its checksum, and the user's cache."""

import functools
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from course_utils.datasets import catalog, formats, trees
from course_utils.datasets.untrusted import guard
from course_utils.errors import ArgumentError, DataError, require

__all__ = ["cache_folder", "find", "search_folders"]

# Archives of more images than this are decoded once and kept: 60,000 JPEGs take seconds each time.
_KEPT_FROM = 2_000

# Part of the name of what is kept, so that a change of the decoding is not answered from an old cache.
_DECODING = "1"


def cache_folder():
    """Return the folder for downloads and for data made from them; it may not exist yet.

    It is what ``COURSE_CACHE_DIR`` names, else the usual cache folder of the user.

    Examples
    --------
    >>> cache_folder().is_absolute()
    True
    """
    named = os.environ.get("COURSE_CACHE_DIR", "")
    return Path(named).expanduser().absolute() if named else _user_cache()


@functools.cache
def _user_cache():
    return Path(require("pooch", "course").os_cache("course-utils"))


def project_folder():
    """Return the ``data/`` folder of the project around this package, or ``None`` if it was installed without one."""
    root = Path(__file__).resolve().parents[2]
    folder = root / "data"
    return folder if (root / "pyproject.toml").is_file() and folder.is_dir() else None


def download_folder():
    """Return the folder that downloads land in: the project's ``data/`` if it can be written to, else the cache."""
    project = project_folder()
    return project if project is not None and os.access(project, os.W_OK) else cache_folder()


def search_folders(data_dir=None):
    """List the folders that are searched for data, in order, as paths.

    They are `data_dir`, if it is given and not empty, each folder in ``COURSE_DATA_DIR``, the project's ``data/``, and
    the user's cache. A `data_dir` that does not exist is an ``ArgumentError``.

    Examples
    --------
    >>> search_folders()[-1] == cache_folder()
    True
    """
    folders = []
    if data_dir is not None and str(data_dir):
        folder = Path(data_dir).expanduser()
        if not folder.exists():
            raise ArgumentError(
                f"data_dir is {str(data_dir)!r}, which does not exist; it must be a folder of data, or empty"
            )
        folders.append(folder)
    named = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)
    folders += [Path(folder).expanduser() for folder in named if folder]
    project = project_folder()
    return [*folders, *([project] if project else []), cache_folder()]


def find(name, *, data_dir=None):
    """Find a data set among the local folders.

    In each of the :func:`search_folders` these are looked for: ``NAME.npz``, ``NAME.zip``, and a folder ``NAME``
    with the official files or with images. In `data_dir` what is there is taken even if files are missing, so
    that reading it says what is wrong; elsewhere an incomplete folder, as an interrupted download leaves it, is
    passed over. If `data_dir` has none of these, but is itself a file or folder of data, it is the user's own. ``None``
    is returned for data that are nowhere. A name that is not in the catalog is an ``ArgumentError``, and a folder that
    cannot be searched a ``DataError``.

    Examples
    --------
    >>> find("market1501", data_dir=".") is None
    True
    """
    catalog.entry(name)
    folders = search_folders(data_dir)
    given = folders[0] if data_dir is not None and str(data_dir) else None
    for folder in folders:
        with guard(folder):
            for candidate in (folder / f"{name}.npz", folder / f"{name}.zip", folder / name):
                if candidate.exists() and (folder is given or formats.is_complete(candidate)):
                    return candidate
            if folder is given and formats.is_complete(folder):
                return folder
    return None


def read(path, *, class_names=(), image_size=None):
    """Read labelled images as ``formats.read`` does, from the user's cache where decoding them would take seconds.

    An archive of many images is decoded once. The arrays are kept under a name made from the archive's checksum
    and every option, as an uncompressed ``.npz``, whose own checksums are verified at each reading. A cache that
    is damaged, or cannot be written, costs time and nothing else.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip" or not path.is_file():
        return formats.read(path, class_names=class_names, image_size=image_size)
    options = repr((checksum(path), tuple(class_names), image_size, _DECODING))
    kept = cache_folder() / "decoded" / f"{hashlib.sha256(options.encode()).hexdigest()}.npz"
    parts = _read_kept(kept) if kept.is_file() else None
    if parts is None:
        parts = formats.read(path, class_names=class_names, image_size=image_size)
        if len(parts.train.y) + len(parts.test.y) > _KEPT_FROM:
            arrays = dict(zip(_KEPT, (*parts.train, *parts.test, np.array(parts.class_names)), strict=True))
            write_beside(kept, lambda file: np.savez(file, **arrays))
    return parts


_KEPT = ("x_train", "y_train", "x_test", "y_test", "class_names")


def _read_kept(kept):
    try:
        *arrays, class_names = formats.read_npz(kept, _KEPT).values()
    except DataError:
        return None
    x_train, y_train, x_test, y_test = (array.copy() for array in arrays)
    return formats.Parts(formats.Split(x_train, y_train), formats.Split(x_test, y_test), tuple(class_names.tolist()))


def checksum(path, *, algorithm="sha256"):
    """Return the checksum of a file or folder, in hexadecimal.

    A folder's checksum is that of the listing that the tool ``sha256sum`` prints of its files, sorted by name.
    """
    path = Path(path)
    with guard(path):
        if path.is_dir():
            listing = "".join(f"{checksum(path / name, algorithm=algorithm)}  {name}\n" for name in trees.walk(path))
            return hashlib.new(algorithm, listing.encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()


def provenance(item, path):
    """Say what a file or folder is: a known checksum decides, whatever it is called.

    `item` is the :class:`~course_utils.datasets.catalog.Entry` that it is read as; ``None`` for the user's own data.
    """
    path = Path(path)
    digest = checksum(path)
    known = catalog.recognise(digest)
    if known is not None:
        item, file = known
        title, kind, caveat = file.title or item.title, file.kind, file.caveat
    elif item is None:
        return catalog.Provenance(path.name, f"Own data {path.name!r}", "user", path.name, digest, licence="not stated")
    elif path.is_dir() and _is_official(item, path):
        title, kind, caveat = item.title, "official", ""
    else:
        title, kind = f"{item.title}, as the file's name has it", "user"
        caveat = "its checksum is none that this project knows"
    return catalog.Provenance(item.name, title, kind, path.name, digest, item.licence, item.citation, caveat)


def _is_official(item, folder):
    paths = [folder / file.name for file in item.files]
    return bool(paths) and all(
        path.is_file() and checksum(path, algorithm="md5") == file.md5
        for path, file in zip(paths, item.files, strict=True)
    )


def synthetic_provenance(item):
    """Say what the synthetic images that take the place of a data set are."""
    from course_utils.datasets import synthetic

    title = item.title if item.drawn else f"Synthetic stand-in for {item.title}"
    caveat = f"generator {item.generator}, version {synthetic.VERSION}"
    return catalog.Provenance(item.name, title, "synthetic", licence="this project's own", caveat=caveat)


def write_beside(path, write):
    """Write a file of the cache so that no reader ever sees half of it, and tell whether it was written.

    `write` is given an open binary file of another name in the same folder, which is then renamed. A cache that
    cannot be written to (no permission, full disk) is done without.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            write(file)
        temporary.replace(path)
    except OSError:
        return False
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return True
