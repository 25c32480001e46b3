"""Get hold of data: from this machine, or from the official mirrors, verified and never half there."""

import contextlib
import functools
import logging
import os
import socket
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from course_utils.datasets import catalog, local
from course_utils.errors import ArgumentError, DataError, DownloadError, SyntheticDataWarning, check_choice

__all__ = ["SOURCES", "fetch", "named", "obtain"]

SOURCES = ("download", "local", "synthetic", "auto")

# The largest official file has 182 MB. A server that sends far more is not sending it.
_MAX_BYTES = 1 << 30

_CHUNK = 1 << 18

# Long enough for a slow link to answer; a machine without network is found out in this time.
_PROBE_SECONDS = 4.0

# How long the answer to "is that host there?" holds, so that it is asked once and not for each file.
_PROBE_HOLDS_SECONDS = 60.0

# Without an answer for this long, a transfer counts as dead.
_READ_SECONDS = 15.0

_answers = {}
_answers_lock = threading.Lock()


class _NotTheFile(Exception):
    """The server answered, but not with the file."""


def fetch(item, folder, *, mirrors=None, progress=False, read_seconds=_READ_SECONDS):
    """Bring the official files of a data set into a folder.

    A file that is there already, with the right checksum, is left alone. Each file is written under another name
    beside its place and renamed when its checksum is verified, so that two processes can fetch at once, and an
    interrupted download leaves no part of a file that could be taken for it.

    Parameters
    ----------
    item : Entry
        The data set.
    folder : path-like
        Where the files go; made if it is not there.
    mirrors : iterable of str, optional
        Addresses that a file's name is appended to, tried in order. Those of `item` if not given.
    progress : bool
        Whether a progress bar is shown for each file.
    read_seconds : float
        How long a server may be silent.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ArgumentError
        If the data set has no files that can be fetched.
    DownloadError
        If no mirror delivers a file, or the folder cannot be written to.

    Examples
    --------
    >>> from course_utils.datasets.catalog import entry
    >>> fetch(entry("market1501"), "data")
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: Market-1501 cannot be fetched (research use; given by its authors ...
    """
    if not item.files:
        raise ArgumentError(f"{item.title} cannot be fetched ({item.licence})")
    mirrors = item.mirrors if mirrors is None else tuple(mirrors)
    folder = Path(folder).expanduser().absolute()
    for file in item.files:
        _fetch_file(file, folder, mirrors, progress, read_seconds)
    return folder


def obtain(function, name, *, data_dir=None, source="download", progress=False):
    """Find what is to be read: on this machine, or else from the mirrors.

    Parameters
    ----------
    function : str
        What messages name.
    name : str or path-like
        A name in the catalog, or the path of the user's own file or folder.
    data_dir, source, progress
        As for ``datasets.load``.

    Returns
    -------
    item : Entry or None
        The data set; ``None`` for the user's own data.
    path : Path or None
        The file or folder to read; ``None`` if the procedural twin of `item` is to be drawn.

    Raises
    ------
    ArgumentError
        If an argument is not legal.
    DataError
        If the data are not on this machine and `source` is "local".
    DownloadError
        If they cannot be fetched and `source` is "download".

    Warns
    -----
    SyntheticDataWarning
        If the twin takes the place of data that `source`, being "auto", could not give.

    Examples
    --------
    >>> item, path = obtain("load", "mnist", source="synthetic")
    >>> item.title, path
    ('MNIST', None)
    """
    check_choice("source", source, SOURCES)
    item, path = named(function, name)
    if item is None:
        if source == "synthetic":
            raise ArgumentError("source is 'synthetic' and name a path; a path has no procedural twin")
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
            f"{item.title} could not be had: drawn stand-ins take its place, and no number from them is the real "
            f"data set's. The reason: {error}",
            SyntheticDataWarning,
            stacklevel=3,
        )
        return item, None


def named(function, name):
    """Tell a data set's name from a path.

    Parameters
    ----------
    function : str
        What the message names.
    name : str or path-like
        A name in the catalog, or the path of a file or folder. A name that is also a path is a name.

    Returns
    -------
    item : Entry or None
        The data set, or ``None`` for a path.
    path : Path or None
        The path, or ``None`` for a name.

    Raises
    ------
    ArgumentError
        If it is neither.

    Examples
    --------
    >>> named("load", "mnist")[0].title
    'MNIST'
    """
    if isinstance(name, str) and name in catalog.CATALOG:
        return catalog.CATALOG[name], None
    if not isinstance(name, (str, os.PathLike)) or not Path(name).expanduser().exists():
        legal = ", ".join(map(repr, catalog.CATALOG))
        raise ArgumentError(f"name is {name!r}; it must be one of {legal}, or the path of a file or folder")
    return None, Path(name).expanduser()


def _fetch_file(file, folder, mirrors, progress, read_seconds):
    import pooch
    import requests

    known_hash = f"md5:{file.md5}"
    if (folder / file.name).is_file() and pooch.file_hash(folder / file.name, alg="md5") == file.md5:
        return
    problems = []
    reachable = _reachable(mirrors)
    for mirror in mirrors:
        if not reachable[mirror]:
            problems.append(f"{mirror} cannot be reached")
            continue
        try:
            with _quiet(pooch.get_logger()):
                pooch.retrieve(
                    mirror + file.name,
                    known_hash,
                    fname=file.name,
                    path=folder,
                    downloader=functools.partial(_stream, progress=progress, read_seconds=read_seconds),
                )
            return
        except _NotTheFile as error:
            problems.append(f"{mirror} {error}")
        except requests.RequestException as error:
            problems.append(f"{mirror} {_explain(error)}")
        except ValueError:
            problems.append(f"{mirror} sent a file with another checksum than {known_hash}")
        except OSError as error:
            raise DownloadError(f"{folder}: cannot be written to ({error.strerror or error})") from error
    raise DownloadError(
        f"{file.name}: no mirror delivered it: {'; '.join(problems) or 'there is none'}. "
        f"A copy from elsewhere can be put into {folder}"
    )


def _stream(url, output_file, _, *, progress, read_seconds):
    """Write what an address delivers into a file, in the manner of pooch's downloaders."""
    import requests
    from tqdm import tqdm

    # Without this header some servers send a .gz file unpacked, under another checksum.
    headers = {"Accept-Encoding": "identity"}
    timeouts = (_PROBE_SECONDS, read_seconds)
    with requests.get(url, headers=headers, stream=True, timeout=timeouts) as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() else None
        name = url.rpartition("/")[2]
        received = 0
        with (
            open(output_file, "wb") as file,
            tqdm(total=expected, desc=name, unit="B", unit_scale=True, disable=not progress) as bar,
        ):
            for chunk in response.iter_content(_CHUNK):
                if received == 0 and chunk[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
                    raise _NotTheFile("sent a web page in place of the file")
                received += len(chunk)
                if received > _MAX_BYTES:
                    raise _NotTheFile(f"sent more than {_MAX_BYTES} bytes")
                file.write(chunk)
                bar.update(len(chunk))


def _explain(error):
    import requests

    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}"
    # A server that falls silent half-way is reported as a connection error with a time-out for its text.
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "did not answer in time"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "broke the connection"
    return f"failed ({type(error).__name__})"


@contextlib.contextmanager
def _quiet(logger):
    """Keep a logger from announcing each file."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reachable(mirrors):
    """Return, for each address, whether its host takes connections; all are asked at once.

    A machine without network can need a minute to say so of one name, hence the threads: whoever has not
    answered in time is given up, and the answer holds for a while.
    """
    hosts = {mirror: _host(mirror) for mirror in mirrors}
    with _answers_lock:
        now = time.monotonic()
        unknown = {host for host in hosts.values() if _answers.get(host, (False, 0.0))[1] < now}
        for host in unknown:
            _answers[host] = (False, now + _PROBE_HOLDS_SECONDS)
        probes = [threading.Thread(target=_probe, args=host, daemon=True) for host in unknown]
        for probe in probes:
            probe.start()
        for probe in probes:
            probe.join(max(0.0, now + _PROBE_SECONDS - time.monotonic()))
        return {mirror: _answers[host][0] for mirror, host in hosts.items()}


def _probe(name, port):
    try:
        socket.create_connection((name, port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return
    _answers[name, port] = (True, time.monotonic() + _PROBE_HOLDS_SECONDS)


def _host(mirror):
    """Return the name and port that a request to this address connects to: the proxy's, if there is one."""
    import requests

    proxy = requests.utils.select_proxy(mirror, requests.utils.get_environ_proxies(mirror))
    address = urlsplit(proxy or mirror)
    return address.hostname or "", address.port or {"http": 80}.get(address.scheme, 443)
