"""Support bundles: the wanted logs of a tar or zip, copied out under limits. Nothing is written where a member says."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, cast

from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.diagnose.limits import MIB, Budget
from chainwatch_collector.diagnose.sources import (
    BUNDLE,
    Found,
    LogFile,
    wanted,
    zone_of_bytes,
    zone_of_link,
)

_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_ZIP_LINK = 0o120000
_MOST_HEADER_BYTES = MIB


class Unpacker:
    """Copies wanted members to numbered files of a scratch directory."""

    def __init__(self, scratch: Path, budget: Budget, found: Found, host: str) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch = scratch
        self._budget = budget
        self._found = found
        self._host = host
        self._count = 0

    def unpack(self, path: Path, shown: str, depth: int = 0) -> None:
        """Take what is wanted of one archive; archives inside it are opened too, down to the limit."""
        try:
            if zipfile.is_zipfile(path):
                self._zip(path, shown, depth)
            else:
                self._tar(path, shown, depth)
        except _BROKEN as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise DiagnoseError(
                    f"{shown}: cannot be unpacked: {error.strerror}", "Free some space in TMPDIR."
                ) from error
            raise DiagnoseError(f"{shown}: cannot be read as an archive: {error}", "Fetch the bundle again.") from error

    def _tar(self, path: Path, shown: str, depth: int) -> None:
        packed = path.stat().st_size
        with _decompressed(path) as stream:
            bounded = cast("IO[bytes]", _Bounded(stream, shown, packed, self._budget))
            self._tar_members(bounded, shown, packed, depth)

    def _tar_members(self, bounded: IO[bytes], shown: str, packed: int, depth: int) -> None:
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            for number, member in enumerate(archive):
                self._check_count(shown, number)
                # tarfile would keep every member that it has passed.
                archive.members.clear()  # type: ignore[attr-defined]  # not in typeshed
                name = PurePosixPath(member.name)
                if name.parts[-2:] == ("etc", "localtime"):
                    self._localtime_tar(archive, member, shown, name)
                if not member.isreg() or not self._is_wanted(name, depth):
                    continue
                stream = archive.extractfile(member)
                if stream is None:
                    continue
                with stream:
                    mtime = datetime.fromtimestamp(max(0, int(member.mtime)), UTC)
                    self._take(stream, shown, name, mtime, packed, depth)

    def _zip(self, path: Path, shown: str, depth: int) -> None:
        packed, unpacked = path.stat().st_size, 0
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.infolist()):
                self._check_count(shown, number)
                name = PurePosixPath(member.filename)
                is_link = member.external_attr >> 16 & 0o170000 == _ZIP_LINK
                if name.parts[-2:] == ("etc", "localtime") and is_link and member.file_size < MIB:
                    self._zone(shown, name, archive.read(member).decode("utf-8", "replace"), None)
                if member.is_dir() or is_link or not self._is_wanted(name, depth):
                    continue
                # zipfile never reads more of a member than it claims to be.
                unpacked += member.file_size
                self._budget.compare(shown, unpacked, packed)
                with archive.open(member) as stream:
                    mtime = datetime(*member.date_time, tzinfo=UTC)
                    self._take(stream, shown, name, mtime, member.compress_size, depth)

    def _check_count(self, shown: str, number: int) -> None:
        if number >= self._budget.limits.members:
            raise DiagnoseError(f"{shown}: more than {self._budget.limits.members} members", "Unpack it by hand.")

    def _is_wanted(self, name: PurePosixPath, depth: int) -> bool:
        return wanted(name.name) or (depth + 1 < self._budget.limits.depth and BUNDLE.search(name.name) is not None)

    def _take(
        self, stream: IO[bytes], shown: str, name: PurePosixPath, mtime: datetime, packed: int, depth: int
    ) -> None:
        where = f"{shown}:{name}"
        copy = self._copy(stream, where, packed)
        if not wanted(name.name):
            self.unpack(copy, where, depth + 1)
            copy.unlink()
            return
        if len(self._found.logs) >= self._budget.limits.logs:
            raise DiagnoseError(f"{shown}: more than {self._budget.limits.logs} logs", "Unpack it by hand.")
        group = f"{shown}:{name.parent}"
        self._found.logs.append(LogFile(copy, where, name.name, group, mtime, self._host))

    def _copy(self, stream: IO[bytes], where: str, packed: int) -> Path:
        self._count += 1
        copy = self._scratch / str(self._count)
        size = 0
        with copy.open("wb") as out:
            while block := stream.read(MIB):
                size += len(block)
                self._budget.spend(where, len(block), size, packed)
                out.write(block)
        return copy

    def _localtime_tar(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, shown: str, name: PurePosixPath
    ) -> None:
        if member.issym() or member.islnk():
            self._zone(shown, name, member.linkname, None)
        elif member.isreg() and member.size < MIB:
            stream = archive.extractfile(member)
            if stream is not None:
                with stream:
                    self._zone(shown, name, "", self._copy(stream, f"{shown}:{name}", member.size))

    def _zone(self, shown: str, name: PurePosixPath, target: str, copy: Path | None) -> None:
        zone = zone_of_bytes(copy) if copy is not None else zone_of_link(target)
        if zone is not None:
            root = name.parent.parent
            self._found.zones[f"{shown}:{root / 'var' / 'log'}"] = zone


class _Bounded:
    """A tar's uncompressed bytes for `tarfile`, which passes over what nobody wants and takes a long header into memory
    whole: neither goes beyond what the packed size can mean. Raises DiagnoseError.
    """

    def __init__(self, stream: IO[bytes], shown: str, packed: int, budget: Budget) -> None:
        self._stream = stream
        self._shown = shown
        self._packed = packed
        self._budget = budget

    def read(self, size: int) -> bytes:
        """At most a block of a member, or a header."""
        if size > _MOST_HEADER_BYTES:
            raise DiagnoseError(f"{self._shown}: has a header of {size} bytes", "It may be an archive bomb.")
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        """To where the next member, or the next block of one, begins."""
        self._budget.compare(self._shown, position, self._packed)
        return self._stream.seek(position)

    def tell(self) -> int:
        """In uncompressed bytes."""
        return self._stream.tell()


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        magic = stream.read(6)
    if magic[:2] == b"\x1f\x8b":
        return cast("IO[bytes]", gzip.open(path))
    if magic[:3] == b"BZh":
        return cast("IO[bytes]", bz2.open(path))
    if magic == b"\xfd7zXZ\0":
        return cast("IO[bytes]", lzma.open(path))
    return path.open("rb")


def is_archive(path: Path) -> bool:
    """Whether a file is a bundle: by its name, else by its first bytes. A `.gz` of a log is a log."""
    if BUNDLE.search(path.name):
        return True
    with path.open("rb") as stream:
        magic = stream.read(512)
    return magic[:4] == b"PK\x03\x04" or magic[257:262] == b"ustar" or (magic[:3] == b"BZh" and _tar_inside(path))


def _tar_inside(path: Path) -> bool:
    try:
        with bz2.open(path) as stream:
            return stream.read(512)[257:262] == b"ustar"
    except (OSError, EOFError):
        return False
