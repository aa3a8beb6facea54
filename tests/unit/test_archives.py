import io
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from stripsight.archives import ArchiveLimits, open_archive
from stripsight.errors import ArchiveError


def write_zip(path, members, *, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            if not isinstance(name, zipfile.ZipInfo):
                info.compress_type = method
            file.writestr(info, data)
    return path


def linked(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def test_members_are_read_byte_for_byte(tmp_path):
    data = os.urandom(5000)
    path = write_zip(tmp_path / "a.zip", [("img/a.jpg", data), ("train.csv", b"x"), ("e/", b"")])
    archive = open_archive(path)
    assert archive.files == ("img/a.jpg", "train.csv")
    assert archive.read("img/a.jpg", 5000) == data
    assert len(archive.read("img/a.jpg", 100)) == 101
    archive.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.jpg", "leaves the archive's root"),
        ("img/../../evil.jpg", "leaves the archive's root"),
        ("./a.jpg", "no plain path"),
        ("img//a.jpg", "no plain path"),
        ("/etc/evil.jpg", "absolute path"),
        ("C:/evil.jpg", "drive letter"),
        ("c:evil.jpg", "drive letter"),
        ("img\\..\\evil.jpg", "backslash"),
        ("\\\\host\\share\\evil.jpg", "backslash"),
        ("img/a\n.jpg", "control characters"),
        ("x" * 300 + ".jpg", "too long"),
        ("d/" * 1050 + "a.jpg", "a path of 2,105 bytes"),
        ("inner.zip", "archive in the archive"),
        ("inner.TAR", "archive in the archive"),
        ("img.tar.gz", "archive in the archive"),
        (linked("img/a.jpg", stat.S_IFLNK | 0o777), "link or a device"),
        (linked("img/a.jpg", stat.S_IFIFO | 0o600), "link or a device"),
        (linked("img/a.jpg", stat.S_IFCHR | 0o600), "link or a device"),
    ],
)
def test_names_and_kinds_that_must_not_be_unpacked(tmp_path, name, message):
    path = write_zip(tmp_path / "a.zip", [("good.jpg", b"1"), (name, b"2")])
    with pytest.raises(ArchiveError, match=message) as caught:
        open_archive(path)
    assert "\n" not in str(caught.value)


def test_name_with_a_nul_is_refused_although_zipfile_cuts_it(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a_jpgx.exe", b"2")])
    path.write_bytes(path.read_bytes().replace(b"a_jpgx", b"a.jpg\0"))
    with pytest.raises(ArchiveError, match="control characters"):
        open_archive(path)


@pytest.mark.parametrize(
    "names",
    [
        ("img/A.jpg", "img/a.jpg"),
        ("IMG/a.jpg", "img/a.jpg"),
        ("caf\u00e9.jpg", "cafe\u0301.jpg"),
        ("stra\u00dfe.jpg", "STRASSE.jpg"),
    ],
)
def test_names_that_differ_only_in_case_are_refused(tmp_path, names):
    path = write_zip(tmp_path / "a.zip", [(name, b"1") for name in names])
    with pytest.raises(ArchiveError, match="same name or differ only in case"):
        open_archive(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_twice_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", b"1"), ("a.jpg", b"2")])
    with pytest.raises(ArchiveError, match="same name"):
        open_archive(path)


def test_file_that_is_also_a_folder_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("img", b"1"), ("img/a.jpg", b"2")])
    with pytest.raises(ArchiveError, match="lies below a file"):
        open_archive(path)


def test_encrypted_member_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", b"1" * 40)])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="encrypted"):
        open_archive(path)


def test_bomb_of_a_thousand_to_one_is_refused_by_its_listing(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", bytes(20 * 2**20))])
    assert path.stat().st_size < 2**15
    with pytest.raises(ArchiveError, match="times its size"):
        open_archive(path)


def test_small_flat_members_are_no_bomb(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", bytes(2**20))])
    open_archive(path).close()


def test_total_size_is_limited(tmp_path):
    path = write_zip(tmp_path / "a.zip", [(f"{i}.jpg", bytes(1000)) for i in range(5)])
    with pytest.raises(ArchiveError, match="unpacks to 5,000 bytes: at most 4,000"):
        open_archive(path, limits=ArchiveLimits(max_total_bytes=4000))


def test_overlapping_members_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [(f"{i}.jpg", os.urandom(5000)) for i in range(3)])
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")
    entry = 46 + len("0.jpg")
    # Every entry points at the first member's data, as in a "better zip bomb".
    central = bytearray(data[directory:])
    for i in range(3):
        central[i * entry + 42 : i * entry + 46] = bytes(4)
    body = data[: 30 + 5 + 5005]
    end = bytearray(central[3 * entry :])
    end[16:20] = struct.pack("<I", len(body))
    path.write_bytes(body + bytes(central[: 3 * entry]) + bytes(end))
    with pytest.raises(ArchiveError, match="overlap"):
        open_archive(path)


@pytest.mark.parametrize("declared", [10, 3999, 4001, 10**6])
def test_member_with_a_lying_size_is_refused_when_it_is_read(tmp_path, declared):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", os.urandom(4000))])
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", declared)
    path.write_bytes(data)
    archive = open_archive(path)
    with pytest.raises(ArchiveError, match="damaged"):
        archive.read("a.jpg", 10**7)
    archive.close()


def test_changed_byte_is_refused_when_it_is_read(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", b"q" * 4000)], method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    archive = open_archive(path)
    with pytest.raises(ArchiveError, match="damaged"):
        archive.read("a.jpg", 10**7)
    archive.close()


def test_packing_methods_without_a_bound_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", b"1" * 50)], method=zipfile.ZIP_LZMA)
    with pytest.raises(ArchiveError, match="method 14"):
        open_archive(path)


def make_long_listing(path, count):
    """A zip of `count` empty members, written by hand: zipfile would take a minute."""
    entry = struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 33, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0
    )
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 33, 0, 0, 0, 8, 0) + b"00000000"
    central = b"".join(entry + b"%08d" % i for i in range(count))
    big = struct.pack(
        "<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(central), len(local)
    )
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(local) + len(central), 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    path.write_bytes(local + central + big + locator + end)
    return path


def test_million_entries_are_refused_before_they_are_listed(tmp_path):
    path = make_long_listing(tmp_path / "a.zip", 10**6)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="lists 1,000,000 entries"):
        open_archive(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_hand_written_listing_is_one_that_zipfile_reads(tmp_path):
    path = make_long_listing(tmp_path / "a.zip", 100)
    with zipfile.ZipFile(path) as file:
        assert len(file.infolist()) == 100


def test_lying_number_of_entries_does_not_help(tmp_path):
    path = make_long_listing(tmp_path / "a.zip", 3000)
    data = path.read_bytes().replace(struct.pack("<QQ", 3000, 3000), struct.pack("<QQ", 1, 1))
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="3,000 entries"):
        open_archive(path, limits=ArchiveLimits(max_entries=2000))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_tar_is_not_supported(tmp_path, name):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if name.endswith("gz") else "w") as file:
        file.addfile(tarfile.TarInfo("a.jpg"))
    (tmp_path / name).write_bytes(stream.getvalue())
    with pytest.raises(ArchiveError, match="tar archives are not supported"):
        open_archive(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all" * 50, b"PK\5\6" + bytes(10)])
def test_what_is_no_zip_is_refused(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match="no zip"):
        open_archive(tmp_path / "a.zip")


def test_cut_off_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.jpg", os.urandom(4000))])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArchiveError):
        open_archive(path)
