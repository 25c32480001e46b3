"""Reading files that may be damaged or hostile: bounded in memory, and nothing in them is ever run.

Archives are read in memory and never unpacked to disk. An archive that would write outside a folder, holds
links, or grows beyond reason is refused all the same, because nothing good comes with such a member.
"""

import contextlib
import gzip
import io
import math
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from course_utils.errors import CourseError, DataError

__all__ = ["Bounded", "allowance", "guard", "load_npy", "open_zip", "read_gzip", "tar_members"]

MAX_BYTES = 4 << 30
"""No data set of this course takes more than this once decompressed."""

MAX_MEMBERS = 500_000
"""No archive of this course holds more files than this."""

# Line drawings compress 60 to 1 (Omniglot). Decompression bombs reach 1,000 to 1 and more.
_MAX_RATIO = 250
_SMALL = 64 << 20


def allowance(compressed_bytes):
    """Return how many bytes a compressed file of this size may grow to.

    Parameters
    ----------
    compressed_bytes : int
        Size of the file as it is.

    Returns
    -------
    int
        Bytes.

    Examples
    --------
    >>> allowance(1_000) == 64 << 20
    True
    """
    return min(MAX_BYTES, max(_SMALL, _MAX_RATIO * compressed_bytes))


@contextlib.contextmanager
def guard(file):
    """Turn whatever a decoder raises on bad bytes into a :class:`DataError` that names the file.

    Decoders of old formats fail on hostile bytes in ways that their documentation does not list, so every
    ``Exception`` is caught; the cause stays attached.

    Parameters
    ----------
    file : path-like
        What the message names.

    Examples
    --------
    >>> with guard("digits.gz"):
    ...     raise EOFError("it ended early")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: digits.gz: cannot be read (EOFError: it ended early)
    """
    try:
        yield
    except CourseError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DataError(f"{file}: cannot be read ({reason[:300]})") from error


class Bounded:
    """A readable stream that refuses to deliver more than a number of bytes.

    Parameters
    ----------
    stream : file object
        Where the bytes come from.
    limit : int
        How many bytes may be read.
    file : path-like
        What the message names.

    Examples
    --------
    >>> Bounded(io.BytesIO(b"0123456789"), 4, "small.gz").read(100)
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: small.gz: grows to more than 4 bytes when decompressed, ...
    """

    def __init__(self, stream, limit, file):
        self._stream, self._limit, self._left, self._file = stream, limit, limit, file

    def read(self, size=-1):
        """Return up to `size` bytes, all that are left if `size` is negative."""
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        data = self._stream.read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._file}: grows to more than {self._limit} bytes when decompressed, "
                "which no data set of this size does"
            )
        return data


def read_gzip(path):
    """Decompress a gzip file, or return a plain file's bytes.

    Parameters
    ----------
    path : path-like
        The file; its first two bytes tell whether it is compressed.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        If the file cannot be read, is cut short, or grows beyond reason.

    Examples
    --------
    >>> read_gzip("no such file.gz")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.gz: cannot be read (FileNotFoundError: ...)
    """
    path = Path(path)
    with guard(path):
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: has {path.stat().st_size} bytes; at most {MAX_BYTES} are read")
        content = path.read_bytes()
        return _gunzip(content, path) if content.startswith(b"\x1f\x8b") else content


def _gunzip(content, path):
    """Decompress as :mod:`gzip` does, but with a limit that also holds for the memory taken."""
    limit = left = allowance(len(content))
    pieces = []
    while content:
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        piece = inflater.decompress(content, left + 1)
        left -= len(piece)
        if left < 0:
            raise DataError(f"{path}: grows to more than {limit} bytes when decompressed")
        if not inflater.eof:
            raise DataError(f"{path}: is cut short")
        pieces.append(piece)
        # Another member can follow, or padding.
        content = inflater.unused_data.lstrip(b"\0")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@contextlib.contextmanager
def open_zip(path):
    """Open a zip archive after checking every member's name, kind and size.

    Parameters
    ----------
    path : path-like
        The archive.

    Yields
    ------
    zipfile.ZipFile
        Its members are plain files and folders with harmless names, and small enough in total.

    Raises
    ------
    DataError
        If the archive is damaged, encrypted, too large when decompressed, has too many members, or has a
        member that is a link or leaves the archive's folder.

    Examples
    --------
    >>> with open_zip("no such file.zip") as archive:
    ...     archive.namelist()
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.zip: cannot be read (FileNotFoundError: ...)
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        with guard(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            members = archive.infolist()
            _check_count(path, len(members))
            for member in members:
                _check_zip_member(path, member)
            _check_total(path, sum(member.file_size for member in members), path.stat().st_size)
        yield archive


def _check_zip_member(path, member):
    _check_member_name(path, member.filename)
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{path}: {member.filename!r} is a link or a device; only files and folders are read")
    if member.flag_bits & 1:
        raise DataError(f"{path}: {member.filename!r} is encrypted; only plain archives are read")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"{path}: {member.filename!r} uses compression method {member.compress_type}; "
            "it must be 0 (stored) or 8 (deflated)"
        )


def tar_members(path):
    """Read the files of a tar archive, gzipped or not, one after another and in memory.

    Parameters
    ----------
    path : path-like
        The archive.

    Yields
    ------
    (str, bytes)
        Name and content of each file.

    Raises
    ------
    DataError
        If the archive is damaged, too large when decompressed, has too many members, or has a member that is
        a link, a device, or leaves the archive's folder.

    Examples
    --------
    >>> dict(tar_members("no such file.tar.gz"))
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.tar.gz: cannot be read (FileNotFoundError: ...)
    """
    path = Path(path)
    with guard(path), path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        limit = allowance(path.stat().st_size) if packed else MAX_BYTES
        stream = Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, limit, path)
        # The mode "r|" reads forward only: a member with a negative size cannot send it round in circles.
        with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as archive:
            for count, member in enumerate(archive, start=1):
                _check_count(path, count)
                _check_member_name(path, member.name)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise DataError(f"{path}: {member.name!r} is a link, a device or sparse; only plain files are read")
                content = archive.extractfile(member).read()
                if len(content) != member.size:
                    raise DataError(f"{path}: {member.name!r} holds {len(content)} bytes; it must hold {member.size}")
                yield member.name, content


def _check_count(path, count):
    if count > MAX_MEMBERS:
        raise DataError(f"{path}: has {count} members or more; it must have at most {MAX_MEMBERS}")


def _check_total(path, total, compressed):
    if total > allowance(compressed):
        raise DataError(
            f"{path}: grows from {compressed} to {total} bytes when decompressed; "
            f"it must stay within {allowance(compressed)}"
        )


def _check_member_name(path, name):
    windows_drive = len(name) > 1 and name[1] == ":"
    if name.startswith(("/", "\\")) or windows_drive or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(f"{path}: the member {name!r} leaves the archive's folder; the archive is not read")


def load_npy(content, file, *, read_object=None):
    """Read one array in NumPy's ``.npy`` format.

    Parameters
    ----------
    content : bytes
        The whole file.
    file : path-like
        What messages name.
    read_object : callable, optional
        ``read_object(content, file)`` is given the bytes of a pickled object, if that is what the file holds.

    Returns
    -------
    ndarray, or what `read_object` gives
        The array may be read-only, as it shares the memory of `content`.

    Raises
    ------
    DataError
        If the header is damaged, promises more or fewer bytes than there are, or the array holds objects
        and there is no `read_object`.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> np.save(buffer, np.arange(3))
    >>> load_npy(buffer.getvalue(), "three.npy")
    array([0, 1, 2])
    """
    stream = io.BytesIO(content)
    with guard(file):
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{file}: is in version {version} of the npy format; it must be (1, 0) or (2, 0)")
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran_order, dtype = read_header(stream)
        start = stream.tell()
        if dtype.hasobject and read_object is not None:
            return read_object(content[start:], file)
        if dtype.hasobject or dtype.fields is not None or dtype.subdtype is not None:
            raise DataError(f"{file}: holds an array of dtype {dtype}; it must be of plain numbers or text")
        present = len(content) - start
        promised = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or promised != present:
            raise DataError(
                f"{file}: an array of shape {shape} and dtype {dtype} takes {promised} bytes; "
                f"there are {present}, so the file is damaged or cut short"
            )
        order = "F" if fortran_order else "C"
        return np.ndarray(shape, dtype, buffer=content, offset=start, order=order)
