"""Files on this machine: the folders that are searched, what a file is, its checksum, and the user's cache."""

import functools
import hashlib
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from course_utils.datasets import catalog, formats, trees
from course_utils.datasets.untrusted import guard
from course_utils.errors import ArgumentError, DataError

__all__ = [
    "cache_folder",
    "checksum",
    "download_folder",
    "find",
    "procedural",
    "project_folder",
    "provenance",
    "read",
    "search_folders",
    "write_beside",
]

# A file can change twice within one tick of its clock: only an older file's checksum is remembered.
_SETTLED_SECONDS = 2.0

# The checksum of less than this is taken faster than an old one is looked up.
_WORTH_NOTING = 1 << 20

# Archives of more images than this are decoded once and kept: 60,000 JPEGs take seconds each time.
_KEPT_FROM = 2_000

# Part of the name of what is kept, so that a change of the decoding is not answered from an old cache.
_DECODING = "1"

_DIGEST = re.compile(r"[0-9a-f]{32,128}")

_checksums = {}


def cache_folder():
    """Return the folder for downloads and for data made from them.

    Returns
    -------
    Path
        What ``COURSE_CACHE_DIR`` names, else the usual cache folder of the user. It may not exist yet.

    Examples
    --------
    >>> cache_folder().is_absolute()
    True
    """
    named = os.environ.get("COURSE_CACHE_DIR", "")
    return Path(named).expanduser().absolute() if named else _user_cache()


@functools.cache
def _user_cache():
    import pooch

    return Path(pooch.os_cache("course-utils"))


def project_folder():
    """Return the ``data/`` folder of the project that this package runs from.

    Returns
    -------
    Path or None
        ``None`` if the package was installed without the project around it.

    Examples
    --------
    >>> project_folder() is None or project_folder().name == "data"
    True
    """
    root = Path(__file__).resolve().parents[2]
    folder = root / "data"
    return folder if (root / "pyproject.toml").is_file() and folder.is_dir() else None


def download_folder():
    """Return the folder that downloads land in, each data set in a folder of its own.

    Returns
    -------
    Path
        The project's ``data/`` if it can be written to, else the user's cache.

    Examples
    --------
    >>> download_folder() in (project_folder(), cache_folder())
    True
    """
    project = project_folder()
    return project if project is not None and os.access(project, os.W_OK) else cache_folder()


def search_folders(data_dir=None):
    """List the folders that are searched for data, in order.

    Parameters
    ----------
    data_dir : path-like, optional
        Searched first. An empty string counts as ``None``.

    Returns
    -------
    list of Path
        `data_dir`, each folder in ``COURSE_DATA_DIR``, the project's ``data/``, and the user's cache.

    Raises
    ------
    ArgumentError
        If `data_dir` does not exist.

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
    passed over. If `data_dir` has none of these, but is itself a file or folder of data, it is the user's own.

    Parameters
    ----------
    name : str
        A name in the catalog.
    data_dir : path-like, optional
        Searched first. An empty string counts as ``None``.

    Returns
    -------
    Path or None
        ``None`` if it is nowhere.

    Raises
    ------
    ArgumentError
        If there is no such data set, or `data_dir` does not exist.
    DataError
        If a folder cannot be searched.

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
    """Read labelled images, from the user's cache where decoding them would take seconds.

    Parameters
    ----------
    path, class_names, image_size
        As for ``formats.read``.

    Returns
    -------
    Parts

    Raises
    ------
    DataError
        As for ``formats.read``.

    Notes
    -----
    An archive of many images is decoded once. The arrays are kept under a name made from the archive's checksum
    and every option, as an uncompressed ``.npz``, whose own checksums are verified at each reading. A cache that
    is damaged, or cannot be written, costs time and nothing else.

    Examples
    --------
    >>> read("no such file.zip")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.zip: there is no such file or folder
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
            arrays = {
                "x_train": parts.train.x,
                "y_train": parts.train.y,
                "x_test": parts.test.x,
                "y_test": parts.test.y,
                "class_names": np.array(parts.class_names),
            }
            write_beside(kept, lambda file: np.savez(file, **arrays))
    return parts


def _read_kept(kept):
    try:
        arrays = formats.read_npz(kept, ["x_train", "y_train", "x_test", "y_test", "class_names"])
    except DataError:
        return None
    splits = [formats.Split(arrays[f"x_{part}"].copy(), arrays[f"y_{part}"].copy()) for part in ("train", "test")]
    return formats.Parts(*splits, tuple(arrays["class_names"].tolist()))


def checksum(path, *, algorithm="sha256", remembered=True):
    """Return the checksum of a file or folder.

    Parameters
    ----------
    path : path-like
        A file, or a folder. A folder's checksum is that of the listing that the tool ``sha256sum`` prints of its
        files, sorted by name.
    algorithm : str
        A name that :func:`hashlib.new` takes.
    remembered : bool
        Whether a checksum taken before counts, if name, size and time of change are the same.

    Returns
    -------
    str
        Hexadecimal digits.

    Raises
    ------
    DataError
        If a file cannot be read.

    Examples
    --------
    >>> len(checksum(__file__))
    64
    """
    path = Path(path).absolute()
    with guard(path):
        names = trees.walk(path) if path.is_dir() else [""]
        status = [(path / name).stat() for name in names]
        version = [(name, item.st_size, item.st_mtime_ns) for name, item in zip(names, status, strict=True)]
        key = hashlib.sha256(repr((algorithm, str(path), version)).encode()).hexdigest()
        digest = _recall(key) if remembered else ""
        if not digest:
            digest = _take_checksum(path, names, algorithm)
            newest = max((item.st_mtime for item in status), default=0.0)
            large = sum(item.st_size for item in status) >= _WORTH_NOTING
            if large and time.time() - newest > _SETTLED_SECONDS:
                _checksums[key] = digest
                write_beside(_note(key), lambda file: file.write(digest.encode()))
        return digest


def _take_checksum(path, names, algorithm):
    digests = []
    for name in names:
        with (path / name).open("rb") as file:
            digests.append(hashlib.file_digest(file, algorithm).hexdigest())
    if names == [""]:
        return digests[0]
    listing = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    return hashlib.new(algorithm, listing.encode()).hexdigest()


def _recall(key):
    if key not in _checksums:
        try:
            noted = _note(key).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        if not _DIGEST.fullmatch(noted):
            return ""
        _checksums[key] = noted
    return _checksums[key]


def _note(key):
    return cache_folder() / "checksums" / key


def provenance(item, path, *, remembered=True):
    """Say what a file or folder is.

    Parameters
    ----------
    item : Entry or None
        The data set that it is read as; ``None`` for the user's own data.
    path : path-like
        The file or folder.
    remembered : bool
        As for :func:`checksum`.

    Returns
    -------
    Provenance
        A known checksum decides, whatever the file is called.

    Raises
    ------
    DataError
        If a file cannot be read.

    Examples
    --------
    >>> provenance(None, __file__).kind
    'user'
    """
    path = Path(path)
    digest = checksum(path, remembered=remembered)
    known = catalog.recognise(digest)
    if known is not None:
        item, file = known
        title, kind, caveat = file.title, file.kind, file.caveat
    elif item is None:
        own = catalog.Provenance(path.name, f"Own data {path.name!r}", "user", path.name, digest, "not stated", "", "")
        return own
    elif item.files and path.is_dir() and _is_official(item, path, remembered):
        title, kind, caveat = item.title, "official", ""
    else:
        title, kind = f"{item.title}, as the file's name has it", "user"
        caveat = "its checksum is none that this project knows"
    return catalog.Provenance(item.name, title, kind, path.name, digest, item.licence, item.citation, caveat)


def _is_official(item, folder, remembered):
    paths = [folder / file.name for file in item.files]
    return all(path.is_file() for path in paths) and all(
        checksum(path, algorithm="md5", remembered=remembered) == file.md5
        for path, file in zip(paths, item.files, strict=True)
    )


def procedural(item):
    """Say what a procedural twin is.

    Parameters
    ----------
    item : Entry
        The data set that it takes the place of.

    Returns
    -------
    Provenance

    Examples
    --------
    >>> procedural(catalog.entry("mnist")).title
    'Procedural stand-in for MNIST'
    """
    from course_utils.datasets import synthetic

    return catalog.Provenance(
        name=item.name,
        title=item.title if item.drawn else f"Procedural stand-in for {item.title}",
        kind="procedural",
        file="",
        sha256="",
        licence="this project's own",
        citation="",
        caveat=f"generator {item.twin}, version {synthetic.VERSION}",
    )


def write_beside(path, write):
    """Write a file of the cache so that no reader ever sees half of it.

    Parameters
    ----------
    path : Path
        The file. It is written under another name in the same folder and then renamed.
    write : callable
        Is given the open binary file.

    Returns
    -------
    bool
        Whether it was written. A cache that cannot be written to (no permission, full disk) is done without.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_beside(Path(folder) / "note", lambda file: file.write(b"hello"))
    True
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
