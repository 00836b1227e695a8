"""Bundles made to harm whoever looks into them: `diagnose` says so, in little memory, and writes nowhere else.

`CHAINWATCH_FUZZ_FACTOR` multiplies the sizes up to those that the limits of a real diagnosis are for.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chainwatch_collector.diagnose import offline
from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.diagnose.limits import MIB, Limits
from chainwatch_collector.diagnose.offline import Options
from smlog import Smlog

FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
LARGE = FACTOR > 1
# A real diagnosis' limits need 64 MiB and more of zeros to be passed; the small ones ask the same questions of 2 MiB.
LIMITS = Limits() if LARGE else Limits(total_bytes=8 * MIB, file_bytes=4 * MIB, members=2000, ratio_from_bytes=MIB)
BOMB_BYTES = (100 if LARGE else 3) * MIB
MOST_BYTES = 64 * MIB
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
LOG = b"\n".join(Smlog().start(100).chain(100).finish(100).lines) + b"\n"


class Zeros(io.RawIOBase):
    """So many of them, never in memory at once."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return bytes(size)


def add(archive: tarfile.TarFile, name: str, size: int, kind: bytes = tarfile.REGTYPE) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    archive.addfile(info, Zeros(size))


def one_member(name: str, mode: str, size: int = BOMB_BYTES, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "bundle.tar"
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            add(archive, name, size, kind)
        return path

    return make


def many_members(folder: Path) -> Path:
    path = folder / "bundle.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(LIMITS.members + 1):
            archive.addfile(tarfile.TarInfo(f"{number}"))
    return path


def zip_of(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "bundle.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def zip_bomb(folder: Path) -> Path:
    return zip_of(folder, {"var/log/SMlog": bytes(BOMB_BYTES)})


def zip_of_many_small_bombs(folder: Path) -> Path:
    """Each below the size from which its ratio is looked at."""
    each = bytes(LIMITS.ratio_from_bytes - 1)
    return zip_of(folder, {f"{number}/SMlog": each for number in range(3)})


def nested_bomb(folder: Path) -> Path:
    inner = zip_bomb(folder).read_bytes()
    path = folder / "outer.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("host/bug-report.zip")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))
    return path


def bombs() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    for mode in ("w:gz", "w:bz2", "w:xz"):
        yield f"wanted-{mode[2:]}", one_member("var/log/SMlog", mode)
        yield f"skipped-{mode[2:]}", one_member("var/crash/core", mode)
        yield f"pax-header-{mode[2:]}", one_member("x", mode, kind=tarfile.XHDTYPE)
        yield f"long-name-{mode[2:]}", one_member("x", mode, kind=tarfile.GNUTYPE_LONGNAME)
    yield "localtime", one_member("etc/localtime", "w:gz")
    yield "members", many_members
    yield "zip", zip_bomb
    yield "zips-members", zip_of_many_small_bombs
    yield "nested", nested_bomb


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in bombs()])
def test_a_bomb_is_called_one_before_it_goes_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with little_memory(), pytest.raises(DiagnoseError) as caught:
        offline.read_paths([str(path)], Options(now=NOW, limits=LIMITS))
    said = f"{caught.value.message} {caught.value.hint}"
    assert "archive bomb" in said or "more than" in said
    assert list(scratch.iterdir()) == []


def test_a_bundle_in_a_bundle_ends_at_some_depth(tmp_path: Path) -> None:
    data, name = LOG, "SMlog"
    for _ in range(20):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        data, name = packed.getvalue(), "inner.tgz"
    (tmp_path / "outer.tgz").write_bytes(data)
    with pytest.raises(DiagnoseError, match="no SMlog in it"):
        offline.read_paths([str(tmp_path / "outer.tgz")], Options(now=NOW))


def test_a_compressed_log_that_is_a_bomb(tmp_path: Path) -> None:
    (tmp_path / "SMlog.2.gz").write_bytes(gzip.compress(bytes(BOMB_BYTES)))
    with little_memory(), pytest.raises(DiagnoseError, match="no log does"):
        offline.read_paths([str(tmp_path / "SMlog.2.gz")], Options(now=NOW, limits=LIMITS))


def test_names_that_lead_elsewhere_and_links_write_nothing_there(tmp_path: Path) -> None:
    secret = tmp_path / "outside" / "SMlog"
    secret.parent.mkdir()
    secret.write_bytes(b"mine\n")
    path = tmp_path / "bundle.tar"
    with tarfile.open(path, "w") as archive:
        for name in (str(tmp_path / "planted" / "SMlog"), "../../../planted/SMlog"):
            info = tarfile.TarInfo(name)
            info.size = len(LOG)
            archive.addfile(info, io.BytesIO(LOG))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("var/log/SMlog.1")
            link.type, link.linkname = kind, str(secret)
            archive.addfile(link)
        for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE):
            device = tarfile.TarInfo("var/log/SMlog.2")
            device.type = kind
            archive.addfile(device)
    reading = offline.read_paths([str(path)], Options(now=NOW))
    assert len(reading.runs) == 2
    assert all(str(secret) not in run.start.source for run in reading.runs)
    assert not list(tmp_path.rglob("planted"))
    assert secret.read_bytes() == b"mine\n"


def test_links_of_a_zip_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(LOG)
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("var/log/SMlog")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(secret))
    with pytest.raises(DiagnoseError, match="no SMlog in it"):
        offline.read_paths([str(path)], Options(now=NOW))
