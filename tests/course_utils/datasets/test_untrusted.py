"""Archives and arrays from strangers: what is read, and what is refused before it costs anything."""

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils.datasets import untrusted
from course_utils.errors import DataError

MIB = 1 << 20


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for member in members:
            member = member if isinstance(member, tuple) else (member, b"")
            archive.addfile(member[0], io.BytesIO(member[1]))
    return path


def tar_member(name, content=b"", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def peak_memory(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_allowance_covers_every_data_set_of_the_course():
    omniglot = 4840 * 105 * 105 + 1_000_000
    assert omniglot < untrusted.allowance(865_855)
    assert untrusted.allowance(182 * MIB) > 400 * MIB
    assert untrusted.allowance(1 << 40) == untrusted.MAX_BYTES


@pytest.mark.parametrize("content", [b"", b"a", b"plain", bytes(range(256)) * 1000])
def test_gzip_and_plain_files_are_read_alike(tmp_path, content):
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    assert untrusted.read_gzip(tmp_path / "plain") == content
    assert untrusted.read_gzip(tmp_path / "packed.gz") == content


def test_a_file_beyond_all_bounds_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_BYTES", 1000)
    (tmp_path / "huge").write_bytes(bytes(1001))
    with pytest.raises(DataError, match="huge: has 1001 bytes; at most 1000 are read"):
        untrusted.read_gzip(tmp_path / "huge")


def test_several_gzip_members_are_one_file(tmp_path):
    (tmp_path / "two.gz").write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert untrusted.read_gzip(tmp_path / "two.gz") == b"one two"


@pytest.mark.parametrize("cut", [1, 5, 9, 30])
def test_a_truncated_gzip_is_an_error(tmp_path, cut):
    packed = gzip.compress(np.random.default_rng(0).bytes(1000))
    (tmp_path / "cut.gz").write_bytes(packed[:-cut])
    with pytest.raises(DataError, match=r"cut\.gz: cannot be read \(EOFError: Compressed file ended"):
        untrusted.read_gzip(tmp_path / "cut.gz")


def test_a_gzip_with_a_wrong_checksum_is_an_error(tmp_path):
    packed = bytearray(gzip.compress(b"some content"))
    packed[-6] ^= 1
    (tmp_path / "bad.gz").write_bytes(packed)
    with pytest.raises(DataError, match="CRC check failed"):
        untrusted.read_gzip(tmp_path / "bad.gz")


@pytest.fixture
def small_allowance(monkeypatch):
    """Let a small file grow to 1 MiB, where it may otherwise grow to 64: bombs can be small then."""
    monkeypatch.setattr(untrusted, "_SMALL", MIB)


@pytest.mark.usefixtures("small_allowance")
def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path):
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(30 * MIB)))
    assert untrusted.allowance(bomb.stat().st_size) < 8 * MIB

    def read():
        with pytest.raises(DataError, match=r"bomb\.gz: grows to more than \d+ bytes"):
            untrusted.read_gzip(bomb)

    assert peak_memory(read) < 20 * MIB


@pytest.mark.usefixtures("small_allowance")
def test_a_zip_bomb_is_refused_by_its_directory(tmp_path):
    bomb = write_zip(tmp_path / "bomb.zip", {f"{i}.bin": bytes(6 * MIB) for i in range(5)})

    def read():
        with (
            pytest.raises(DataError, match="grows from .* to 31457280 bytes when decompressed"),
            untrusted.open_zip(bomb),
        ):
            pytest.fail("a bomb was opened")

    assert peak_memory(read) < MIB


def test_a_zip_that_lies_about_its_size_is_cut_at_what_it_says(tmp_path):
    path = write_zip(tmp_path / "lies.zip", {"a": bytes(30 * MIB)})
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\1\2")
    content[start + 24 : start + 28] = struct.pack("<I", 10)
    path.write_bytes(content)

    def read():
        with untrusted.open_zip(path) as archive, pytest.raises(DataError, match=r"lies\.zip: a: .*Bad CRC-32"):
            untrusted.read_member(archive, "a")

    assert peak_memory(read) < MIB


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "\\evil", "..\\evil", "C:\\evil", "a\\..\\..\\b"]
)
def test_no_member_leaves_the_folder(tmp_path, name):
    path = write_zip(tmp_path / "evil.zip", {name: b"x"})
    with pytest.raises(DataError, match="leaves the archive's folder"), untrusted.open_zip(path):
        pytest.fail("an unsafe archive was opened")
    path = write_tar(tmp_path / "evil.tar.gz", tar_member(name, b"x"))
    with pytest.raises(DataError, match="leaves the archive's folder"):
        list(untrusted.tar_members(path))


def test_links_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="'link' is a link or a device"), untrusted.open_zip(tmp_path / "link.zip"):
        pytest.fail("an unsafe archive was opened")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    path = write_tar(tmp_path / "link.tar.gz", tar_member("link", type=kind, linkname="/etc/passwd"))
    with pytest.raises(DataError, match="'link' is a link, a device or sparse"):
        list(untrusted.tar_members(path))


def test_an_encrypted_or_exotic_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "secret.zip", {"a": b"x"})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="'a' is encrypted"), untrusted.open_zip(path):
        pytest.fail("an encrypted archive was opened")
    path = write_zip(tmp_path / "exotic.zip", {"a": b"x"}, zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="compression method 14; it must be 0"), untrusted.open_zip(path):
        pytest.fail("an exotic archive was opened")


def test_members_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_MEMBERS", 3)
    path = write_zip(tmp_path / "many.zip", dict.fromkeys("abcd", b""))
    with pytest.raises(DataError, match="has 4 members or more; it must have at most 3"), untrusted.open_zip(path):
        pytest.fail("too many members were accepted")
    path = write_tar(tmp_path / "many.tar.gz", *(tar_member(name) for name in "abcd"))
    with pytest.raises(DataError, match="has 4 members or more"):
        list(untrusted.tar_members(path))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_gives_its_files(tmp_path, mode):
    folder = tar_member("batches", type=tarfile.DIRTYPE)
    path = write_tar(tmp_path / "x.tar", folder, tar_member("batches/1", b"one"), tar_member("2", b"two"), mode=mode)
    assert list(untrusted.tar_members(path)) == [("batches/1", b"one"), ("2", b"two")]


@pytest.mark.usefixtures("small_allowance")
def test_a_tar_bomb_is_refused(tmp_path):
    path = write_tar(tmp_path / "bomb.tar.gz", *(tar_member(str(i), bytes(6 * MIB)) for i in range(5)))
    with pytest.raises(DataError, match="grows to more than"):
        list(untrusted.tar_members(path))


@pytest.mark.usefixtures("small_allowance")
def test_a_tar_whose_header_is_a_bomb_is_refused(tmp_path):
    header = tarfile.TarInfo("comment")
    header.type, header.size = tarfile.XHDTYPE, 30 * MIB
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(30 * MIB)))
    with pytest.raises(DataError, match="grows to more than"):
        list(untrusted.tar_members(tmp_path / "bomb.tar.gz"))


def test_a_tar_with_a_negative_size_ends(tmp_path):
    header = bytearray(tarfile.TarInfo("back").tobuf())
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "loop.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(DataError, match=r"loop\.tar"):
        list(untrusted.tar_members(tmp_path / "loop.tar"))


@pytest.mark.parametrize("cut", [10, 600, 2000])
def test_a_truncated_archive_is_an_error(tmp_path, cut):
    content = np.random.default_rng(0).bytes(5000)
    tar = write_tar(tmp_path / "cut.tar.gz", tar_member("a", content))
    tar.write_bytes(tar.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"cut\.tar\.gz"):
        list(untrusted.tar_members(tar))
    archive = write_zip(tmp_path / "cut.zip", {"a": content})
    archive.write_bytes(archive.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"cut\.zip: cannot be read"), untrusted.open_zip(archive):
        pytest.fail("a damaged archive was opened")


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@given(
    hnp.arrays(
        st.sampled_from(["u1", "<i8", ">i4", "f4", "?", "<U3", "S2"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_arrays_come_back_as_numpy_saved_them(array, fortran):
    saved = npy(array.copy(order="F") if fortran else array)
    loaded = untrusted.load_npy(saved, "x.npy")
    assert loaded.dtype == array.dtype
    assert loaded.shape == array.shape
    assert loaded.tobytes() == array.tobytes()


def test_arrays_of_objects_are_not_unpickled():
    class Gotcha:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    saved = npy(np.array([Gotcha()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy: holds an array of dtype object; it must be of plain numbers"):
        untrusted.load_npy(saved, "x.npy")


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(3, -1)", "(2,)", "(4,)", "(-3, -1)"])
def test_a_header_cannot_promise_what_is_not_there(shape):
    saved = npy(np.zeros(3, dtype=np.uint8)).replace(
        b"(3,), }" + b" " * len(shape), f"{shape}, }} ".encode() + b" " * 3
    )
    assert shape.encode() in saved
    with pytest.raises(DataError, match=r"takes -?\d+ bytes; there are|cannot be read"):
        untrusted.load_npy(saved, "x.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x03\0", b"PK\3\4" * 20, b"\x93NUMPY\1\0\xff\xff{"])
def test_what_is_no_array_is_an_error(content):
    with pytest.raises(DataError, match=r"x\.npy"):
        untrusted.load_npy(content, "x.npy")


def test_structured_arrays_are_refused():
    with pytest.raises(DataError, match="it must be of plain numbers or text"):
        untrusted.load_npy(npy(np.zeros(2, dtype=[("a", "u1"), ("b", "f4")])), "x.npy")
