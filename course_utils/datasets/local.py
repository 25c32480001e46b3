"""Files on this machine: the folders that are searched, the user's cache, and remembered checksums."""

import functools
import hashlib
import os
import tempfile
import time
from pathlib import Path

from course_utils.datasets.catalog import entry
from course_utils.errors import ArgumentError

__all__ = ["cache_folder", "find", "project_folder", "search_folders", "sha256", "write_beside"]

# A file can change twice within one tick of its clock: only an older file's checksum is remembered.
_SETTLED_SECONDS = 2.0


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
                f"search_folders: data_dir is {str(data_dir)!r}, which does not exist; "
                "it must be a folder of data, or empty"
            )
        folders.append(folder)
    named = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)
    folders += [Path(folder).expanduser() for folder in named if folder]
    project = project_folder()
    return [*folders, *([project] if project else []), cache_folder()]


def find(name, *, data_dir=None):
    """Find a data set among the local folders.

    Parameters
    ----------
    name : str
        A name in the catalog.
    data_dir : path-like, optional
        Searched first.

    Returns
    -------
    Path or None
        ``NAME.npz``, ``NAME.zip`` or the folder ``NAME`` in the first folder that has one, else ``None``.

    Raises
    ------
    ArgumentError
        If there is no such data set, or `data_dir` does not exist.

    Examples
    --------
    >>> find("market1501", data_dir=".") is None
    True
    """
    entry(name)
    for folder in search_folders(data_dir):
        for candidate in (folder / f"{name}.npz", folder / f"{name}.zip", folder / name):
            if candidate.exists():
                return candidate
    return None


def sha256(path):
    """Return the SHA-256 checksum of a file, from memory if the file is unchanged.

    Parameters
    ----------
    path : path-like
        A file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> len(sha256(__file__))
    64
    """
    path = Path(path).absolute()
    status = path.stat()
    return _sha256_of_version(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _sha256_of_version(path, size, modified_ns):
    note = cache_folder() / "checksums" / hashlib.sha256(f"{path}|{size}|{modified_ns}".encode()).hexdigest()
    try:
        known = note.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        known = ""
    if len(known) == 64:
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time() - modified_ns / 1e9 > _SETTLED_SECONDS:
        write_beside(note, lambda file: file.write(digest.encode()))
    return digest


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
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_beside(folder / "note", lambda file: file.write(b"hello"))
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
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        return False
    return True
