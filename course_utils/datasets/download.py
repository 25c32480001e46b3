"""Get hold of data: from this machine, or from the official mirrors, verified and never half there."""

import contextlib
import logging
import os
import socket
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from course_utils.datasets import catalog, local
from course_utils.errors import (
    ArgumentError,
    DataError,
    DownloadError,
    SyntheticDataWarning,
    check_choice,
    check_integer,
    require,
)
from course_utils.images import check_size

__all__ = ["SOURCES"]

SOURCES = ("download", "local", "synthetic", "auto")
"""Where ``datasets.load`` may take data from."""

# Long enough for a slow link to answer; a machine without network is found out in this time.
_CONNECT_SECONDS = 4.0

# A host that did not answer is not asked again for this long: not for each file, nor for each data set.
_SILENCE_SECONDS = 60.0

# Without an answer for this long, a transfer counts as dead.
_READ_SECONDS = 15.0

_CHUNK = 1 << 18

_silent_until = {}


def fetch(item, folder, *, mirrors=None, progress=False):
    """Bring the official files of a data set, an `Entry`, into a folder, as ``datasets.fetch`` does; return the folder.

    A file that is there already, with the right checksum, is left alone. Each file is written under another name
    beside its place and renamed when its checksum is verified, so that two processes can fetch at once, and an
    interrupted download leaves no part of a file that could be taken for it.
    """
    if not item.files:
        home = f"; its home is {item.homepage}" if item.homepage else ""
        raise ArgumentError(f"{item.title} cannot be fetched ({item.licence}){home}")
    mirrors = item.mirrors if mirrors is None else tuple(mirrors)
    folder = Path(folder).expanduser().absolute()
    for file in item.files:
        _fetch_file(file, folder, mirrors, progress)
    return folder


def obtain(name, *, data_dir=None, source="download", progress=False):
    """Find what is to be read: on this machine, or else from the mirrors.

    Arguments, errors and warnings are those of ``datasets.load``. Returned are the data set, an `Entry`, or ``None``
    for the user's own data; and the file or folder to read, or ``None`` if synthetic images are to take its place.
    """
    check_choice("source", source, SOURCES)
    item, path = named(name)
    if item is None:
        if source == "synthetic":
            raise ArgumentError("source is 'synthetic' and name a path; for a path there are no synthetic images")
        return None, path
    if source == "synthetic":
        return item, None
    path = local.find(item.name, data_dir=data_dir)
    if path is not None:
        # Data found under another name are the user's own: their classes need not be those of the catalog.
        return (item if path.stem == item.name else None), path
    if item.drawn:
        return item, None
    if source == "local":
        folders = ", ".join(str(folder) for folder in local.search_folders(data_dir))
        raise DataError(f"{item.name}: is in none of the folders searched: {folders}")
    try:
        return item, fetch(item, local.download_folder() / item.name, progress=progress)
    except (DownloadError, ArgumentError) as error:
        if source == "download":
            raise
        warnings.warn(
            f"{item.title} is not here and cannot be fetched: synthetic images take its place, and no number from "
            f"them is the real data set's. The reason: {error}",
            SyntheticDataWarning,
            stacklevel=3,
        )
        return item, None


def named(name):
    """Return the entry of that name and ``None``, or ``None`` and the path; a name that is also a path is a name."""
    if isinstance(name, str) and name in catalog.CATALOG:
        return catalog.CATALOG[name], None
    if not isinstance(name, (str, os.PathLike)) or not Path(name).expanduser().exists():
        legal = ", ".join(map(repr, catalog.CATALOG))
        raise ArgumentError(f"name is {name!r}; it must be one of {legal}, or the path of a file or folder")
    return None, Path(name).expanduser()


def check_options(image_size, seed, **limits):
    """Return `image_size` as a pair or ``None``; `seed` and the limits must be whole numbers, or ``None``."""
    for name, limit in limits.items():
        if limit is not None:
            check_integer(name, limit, minimum=1)
    check_integer("seed", seed, minimum=0)
    return None if image_size is None else check_size("image_size", image_size, maximum=8_192)


def _fetch_file(file, folder, mirrors, progress):
    pooch = require("pooch", "course")
    requests = require("requests", "course")
    if (folder / file.name).is_file() and local.checksum(folder / file.name, algorithm="md5") == file.md5:
        return
    # Without this header some servers send a .gz file unpacked, under another checksum.
    headers = {"Accept-Encoding": "identity"}
    downloader = pooch.HTTPDownloader(progress, _CHUNK, headers=headers, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
    problems = []
    for mirror in mirrors:
        if not _answers(mirror):
            problems.append(f"{mirror} cannot be reached")
            continue
        try:
            with _quiet(pooch.get_logger()):
                pooch.retrieve(mirror + file.name, f"md5:{file.md5}", file.name, folder, downloader=downloader)
            return
        except requests.RequestException as error:
            problems.append(f"{mirror} {_explain(error)}")
        except ValueError:
            problems.append(f"{mirror} sent a file with another checksum than md5:{file.md5}")
        except OSError as error:
            raise DownloadError(f"{folder}: cannot be written to ({error.strerror or error})") from error
    raise DownloadError(
        f"{file.name}: no mirror delivered it: {'; '.join(problems) or 'there is none'}. "
        f"A copy from elsewhere can be put into {folder}"
    )


def _explain(error):
    if error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    # A server that falls silent half-way is reported as a connection error with a time-out for its text.
    return "did not answer in time" if "timed out" in str(error) else f"broke the connection ({type(error).__name__})"


@contextlib.contextmanager
def _quiet(logger):
    """Keep pooch from announcing each file."""

    def is_warning(record):
        return record.levelno >= logging.WARNING

    logger.addFilter(is_warning)
    try:
        yield
    finally:
        logger.removeFilter(is_warning)


def _answers(mirror):
    """Tell whether a mirror's host takes connections.

    A machine without network can need a minute to say so of one name, and no time-out holds for that: hence the
    thread, which is given up.
    """
    host = _host(mirror)
    if _silent_until.get(host, 0) > time.monotonic():
        return False
    answers = []
    probe = threading.Thread(target=_connect, args=(host, answers), daemon=True)
    probe.start()
    probe.join(_CONNECT_SECONDS)
    if not answers:
        _silent_until[host] = time.monotonic() + _SILENCE_SECONDS
    return bool(answers)


def _connect(host, answers):
    with contextlib.suppress(OSError):
        socket.create_connection(host, timeout=_CONNECT_SECONDS).close()
        answers.append(host)


def _host(mirror):
    """Return the name and port that a request to this address connects to: the proxy's, if there is one."""
    utils = require("requests", "course").utils
    proxy = utils.select_proxy(mirror, utils.get_environ_proxies(mirror))
    address = urlsplit(proxy or mirror)
    return address.hostname or "", address.port or {"http": 80}.get(address.scheme, 443)
