"""Zip archives from strangers: every rule is checked on the listing, every limit while streaming.

Nothing is unpacked here; a member is read into memory up to a limit. Refused: paths that leave the
archive's root (`..`, absolute, drive letters, backslashes), links and devices, names that differ
only in case, a name that is both file and folder, encrypted members, nested archives, packing
methods other than stored and deflated, bombs, and listings too long to be a data set. Tar files are
not supported.
"""

import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stripsight.errors import ArchiveError

_NESTED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_LONGEST_NAME = 255
# Linux takes 4,096 for the whole path, the destination's own included.
_LONGEST_PATH = 2048
_IGNORED = ("__MACOSX/",)
# What zipfile raises where the file is no longer what its listing said.
_MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, struct.error)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Entries, bytes of listing, bytes of all members unpacked, and the worst honest ratio."""

    max_entries: int = 200_000
    max_listing_bytes: int = 48 * 2**20
    max_total_bytes: int = 256 * 2**30
    max_ratio: int = 200
    ratio_matters_from: int = 2**20


DEFAULT_ARCHIVE_LIMITS = ArchiveLimits()


class ZipArchive:
    """A zip whose listing broke no rule; members are read by name, from any thread."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self._members = {
            i.filename: i
            for i in file.infolist()
            if not i.is_dir() and not i.filename.startswith(_IGNORED)
        }

    @property
    def files(self) -> tuple[str, ...]:
        """Every member that is a file."""
        return tuple(self._members)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a member, never more than `limit` + 1.

        Raises:
            ArchiveError: damaged, or not as long as the listing says.
        """
        member = self._members[name]
        try:
            with self._file.open(member) as stream:
                data = stream.read(min(limit, member.file_size) + 1)
        except _MEMBER_ERRORS as error:
            reason = str(error) or "cut short"
            raise ArchiveError(f"{self.path}: {name} is damaged ({reason})") from error
        if len(data) <= limit and len(data) != member.file_size:
            raise ArchiveError(
                f"{self.path}: {name} is damaged ({len(data):,} bytes,"
                f" {member.file_size:,} are listed)"
            )
        return data

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def open_archive(path: Path, *, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> ZipArchive:
    """Open a zip and check its listing.

    Raises:
        ArchiveError: no zip, or by any rule of this module.
    """
    _check_end_record(path, limits)
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} is no readable zip ({error})") from error
    try:
        _check_listing(path, file.infolist(), limits)
    except ArchiveError:
        file.close()
        raise
    return ZipArchive(path, file)


def _check_end_record(path: Path, limits: ArchiveLimits) -> None:
    # zipfile builds an object for every entry before anything can be counted; the end record
    # (APPNOTE 4.3.16, and 4.3.14 for zip64) tells the number and the listing's size beforehand.
    with path.open("rb") as file:
        start = file.read(512)
        if start[257:262] == b"ustar" or path.name.lower().endswith((".tar", ".tgz", ".tar.gz")):
            raise ArchiveError(
                f"{path}: tar archives are not supported; unpack it and give the folder"
            )
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 22 - 76))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise ArchiveError(f"{path} is no zip, or its end is missing")
    entries = int.from_bytes(tail[end + 10 : end + 12], "little")
    listing = int.from_bytes(tail[end + 12 : end + 16], "little")
    big = tail.rfind(b"PK\6\6", 0, end)
    if big >= 0 and len(tail) >= big + 48:
        entries = max(entries % 0xFFFF, int.from_bytes(tail[big + 32 : big + 40], "little"))
        listing = max(listing % 0xFFFFFFFF, int.from_bytes(tail[big + 40 : big + 48], "little"))
    if entries > limits.max_entries or listing > limits.max_listing_bytes:
        raise ArchiveError(
            f"{path} lists {entries:,} entries in {listing:,} bytes: the limits are"
            f" {limits.max_entries:,} and {limits.max_listing_bytes:,}"
        )


def _check_listing(path: Path, members: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(members) > limits.max_entries:
        raise ArchiveError(f"{path} has {len(members):,} entries: at most {limits.max_entries:,}")
    folded: dict[str, str] = {}
    for member in members:
        if fault := _find_fault(member, limits):
            raise ArchiveError(f"{path}: {member.orig_filename[:120]!r} {fault}; nothing unpacked")
        key = unicodedata.normalize("NFC", member.filename.rstrip("/")).casefold()
        if key in folded:
            raise ArchiveError(
                f"{path}: {member.filename[:120]!r} and {folded[key][:120]!r} are the same name"
                " or differ only in case; nothing unpacked"
            )
        folded[key] = member.filename
    for key, name in folded.items():
        for parent in PurePosixPath(key).parents:
            if not folded.get(str(parent), "/").endswith("/"):
                raise ArchiveError(f"{path}: {name[:120]!r} lies below a file; nothing unpacked")
    total = sum(member.file_size for member in members)
    if total > limits.max_total_bytes:
        raise ArchiveError(f"{path} unpacks to {total:,} bytes: at most {limits.max_total_bytes:,}")
    packed = sum(member.compress_size for member in members)
    if packed > path.stat().st_size:
        raise ArchiveError(f"{path}: its members overlap, as in a zip bomb; nothing unpacked")


def _find_fault(member: zipfile.ZipInfo, limits: ArchiveLimits) -> str | None:
    name = member.orig_filename
    parts = name.rstrip("/").split("/")
    if "\\" in name or re.match(r"[A-Za-z]:", name) or name.startswith("/"):
        return "is an absolute path or holds a drive letter or backslash"
    if any(part in {"", ".", ".."} for part in parts):
        return "leaves the archive's root or is no plain path"
    if not name.isprintable() or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return "holds control characters or is too long"
    if len(name.encode()) > _LONGEST_PATH:
        return f"is a path of {len(name.encode()):,} bytes: at most {_LONGEST_PATH:,}"
    mode = member.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a link or a device"
    if member.flag_bits & 1:
        return "is encrypted: unpack it and give the folder"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return f"is packed by method {member.compress_type}, not stored or deflated"
    if name.lower().endswith(_NESTED):
        return "is an archive in the archive: unpack it and give the folder"
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size > limits.ratio_matters_from and ratio > limits.max_ratio:
        return f"unpacks to {ratio:,.0f} times its size, as a zip bomb does"
    return None
