"""Reading files that may be damaged or hostile: bounded in memory, and nothing in them is ever run.

Archives are read in memory and never unpacked to disk. One that names a place outside its folder, or holds links, is
refused all the same, because nothing good comes with it.
"""

import contextlib
import gzip
import io
import math
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from course_utils.errors import CourseError, DataError

__all__ = ["allowance"]

MAX_BYTES = 4 << 30
"""No data set of this course takes more than this once decompressed."""

MAX_MEMBERS = 500_000
"""No archive of this course holds more files than this."""

# Line drawings compress 60 to 1 (Omniglot). Decompression bombs reach 1,000 to 1 and more.
_MAX_RATIO = 250
_SMALL = 64 << 20

_CHUNK = 1 << 20


def allowance(compressed_bytes, most=MAX_BYTES):
    """Return how many bytes a compressed file of this size may grow to; never more than `most`.

    Examples
    --------
    >>> allowance(1_000) == 64 << 20
    True
    """
    return min(most, max(_SMALL, _MAX_RATIO * compressed_bytes))


@contextlib.contextmanager
def guard(file):
    """Turn whatever a decoder raises on bad bytes into a :class:`DataError` that names the file.

    Decoders of old formats fail on hostile bytes in ways that their documentation does not list, so every
    ``Exception`` is caught; the cause stays attached. A :class:`CourseError` passes.
    """
    try:
        yield
    except CourseError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DataError(f"{file}: cannot be read ({reason[:300]})") from error


class _Bounded:
    """A readable stream that refuses to deliver more than `limit` bytes."""

    def __init__(self, stream, limit, file):
        self._stream, self._limit, self._left, self._file = stream, limit, limit, file

    def read(self, size):
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise DataError(f"{self._file}: grows to more than {self._limit} bytes, which no data set of its size does")
        return data


@contextlib.contextmanager
def _open_packed(path):
    """Open a file that may be gzipped; its first two bytes tell."""
    path = Path(path)
    with guard(path), path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: has {size} bytes; at most {MAX_BYTES} are read")
        limit = allowance(size) if packed else MAX_BYTES
        yield _Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, limit, path)


def read_gzip(path):
    """Return the bytes of a file, decompressed if it is gzipped. It is a ``DataError`` if it grows beyond reason."""
    with _open_packed(path) as stream:
        content = io.BytesIO()
        shutil.copyfileobj(stream, content, _CHUNK)
        return content.getvalue()


@contextlib.contextmanager
def open_zip(path):
    """Open a zip archive after checking every member's name, kind and size; :func:`read_member` reads one.

    It is a ``DataError`` if the archive is damaged, encrypted, too large when decompressed, has too many members, or
    has a member that is a link or leaves the archive's folder.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        with guard(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            members = archive.infolist()
            _check_count(path, len(members))
            for member in members:
                _check_zip_member(path, member)
            total, compressed = sum(member.file_size for member in members), path.stat().st_size
            if total > allowance(compressed):
                raise DataError(
                    f"{path}: grows from {compressed} to {total} bytes when decompressed; "
                    f"it must stay within {allowance(compressed)}"
                )
        yield archive


def read_member(archive, name):
    """Return the bytes of a member of a zip archive, never more than the archive's directory says.

    ``ZipFile.read`` decompresses all that is there before it compares.
    """
    with guard(f"{archive.filename}: {name}"), archive.open(name) as file:
        return file.read(archive.getinfo(name).file_size)


def tar_members(path):
    """Yield name and content of each file in a tar archive, gzipped or not, one after another and in memory.

    It is a ``DataError`` if the archive is damaged, too large when decompressed, has too many members, or has a member
    that is a link, a device, or leaves the archive's folder.
    """
    # The mode "r|" reads forward only: a member with a negative size cannot send it round in circles.
    with _open_packed(path) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive:
        for count, member in enumerate(archive, start=1):
            _check_count(path, count)
            _check_name(path, member.name)
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise DataError(f"{path}: {member.name!r} is a link, a device or sparse; only plain files are read")
            content = archive.extractfile(member).read()
            if len(content) != member.size:
                raise DataError(f"{path}: {member.name!r} holds {len(content)} bytes; it must hold {member.size}")
            yield member.name, content


def load_npy(content, file, *, read_object=None):
    """Read one array in NumPy's ``.npy`` format; it may be read-only, as it shares the memory of `content`.

    If the file, which messages call `file`, holds a pickled object, its bytes are given to ``read_object(content,
    file)``, and what that gives is returned. Without it such a file is a ``DataError``, as is one whose header promises
    what is not there.
    """
    stream = io.BytesIO(content)
    with guard(file):
        version = np.lib.format.read_magic(stream)
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
        # NumPy's own reader makes room for what the header promises before it looks whether that is there.
        present, promised = len(content) - start, math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or promised != present:
            raise DataError(
                f"{file}: an array of shape {shape} and dtype {dtype} takes {promised} bytes; "
                f"there are {present}, so the file is damaged or cut short"
            )
        return np.ndarray(shape, dtype, buffer=content, offset=start, order="F" if fortran_order else "C")


def _check_zip_member(path, member):
    _check_name(path, member.filename)
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{path}: {member.filename!r} is a link or a device; only files and folders are read")
    if member.flag_bits & 1:
        raise DataError(f"{path}: {member.filename!r} is encrypted; only plain archives are read")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"{path}: {member.filename!r} uses compression method {member.compress_type}; "
            "it must be 0 (stored) or 8 (deflated)"
        )


def _check_count(path, count):
    if count > MAX_MEMBERS:
        raise DataError(f"{path}: has {count} members or more; it must have at most {MAX_MEMBERS}")


def _check_name(path, name):
    windows_drive = name[1:2] == ":"
    if name.startswith(("/", "\\")) or windows_drive or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(f"{path}: the member {name!r} leaves the archive's folder; the archive is not read")
