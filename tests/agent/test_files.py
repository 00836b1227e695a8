"""Files, their identity and their generations: plain and packed, damaged, renamed, not there."""

import gzip
import os
from pathlib import Path
from typing import List

import pytest
from chainwatch_agent import disk_view
from chainwatch_agent.counters import Counters
from chainwatch_agent.disk_view import DiskView
from chainwatch_agent.generations import Generation, close_all, generations, identify, reopen
from chainwatch_agent.history import DEFAULT_HISTORY
from chainwatch_agent.identity import fingerprint, first_line, proves, tail_sha256
from chainwatch_agent.sources import DamagedError, GzipSource, PlainSource, open_source
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = "/var/log/SMlog"
TEXT = b"".join(b"line %06d with some text in it\n" % n for n in range(20000))


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "SMlog.2.gz"
    path.write_bytes(gzip.compress(TEXT[:300000]) + gzip.compress(TEXT[300000:]) + b"\0" * 100)
    return path


def test_a_packed_file_is_read_as_if_it_were_plain(packed: Path) -> None:
    source = GzipSource(str(packed))
    try:
        for offset in (0, 100, 299990, 5, 640000, 400000, len(TEXT) - 3, len(TEXT)):
            assert source.read_at(offset, 50) == TEXT[offset : offset + 50]
    finally:
        source.close()


@pytest.mark.parametrize("cut", [10, 100, 2000])
def test_a_packed_file_that_ends_in_the_middle_says_so(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(os.urandom(4000) + TEXT)[:-cut])
    source = GzipSource(str(path))
    try:
        with pytest.raises(DamagedError):
            source.read_at(0, 10 * len(TEXT))
    finally:
        source.close()


def test_links_and_pipes_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "SMlog").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(str(tmp_path / "SMlog.1"))
    pipe, link = [identify(one) for one in generations(LOG, str(tmp_path / "SMlog"))]
    assert pipe.problem.startswith("/var/log/SMlog.1: a pipe, not a file")
    assert link.problem.startswith("/var/log/SMlog: a symbolic link, not a file")
    assert "systemctl restart rsyslog" in link.problem
    for one, what in ((link, "symbolic"), (pipe, "pipe")):
        with pytest.raises(OSError, match=what):
            open_source(one.generation.path)


def test_a_directory_does_not_hide_the_packed_file_of_that_number(packed: Path) -> None:
    (packed.parent / "SMlog.2").mkdir()
    assert [one.name for one in generations(LOG, str(packed.parent / "SMlog"))] == [LOG + ".2.gz"]


def test_a_rotation_between_listing_and_opening_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = tmp_path / "SMlog"
    live.write_bytes(b"first\n")

    def rotated_meanwhile(log: str, path: str) -> "List[Generation]":
        found = generations(log, path)
        if not (tmp_path / "SMlog.1").exists():
            live.rename(tmp_path / "SMlog.1")
            live.write_bytes(b"second\n")
        return found

    monkeypatch.setattr(disk_view, "generations", rotated_meanwhile)
    found = DiskView(LOG, str(live), DEFAULT_HISTORY, Counters()).identify_all()
    assert [(one.generation.number, one.first_line) for one in found] == [(1, b"first\n"), (0, b"second\n")]
    close_all(found)


def test_generations_are_listed_oldest_first_and_once(tmp_path: Path) -> None:
    for name in ("SMlog", "SMlog.1", "SMlog.2", "SMlog.2.gz", "SMlog.10.gz", "SMlog.iso", "SMlogger", "SMlog.x"):
        (tmp_path / name).write_bytes(b"x")
    found = generations(LOG, str(tmp_path / "SMlog"))
    assert [one.name for one in found] == [LOG + ".10.gz", LOG + ".2", LOG + ".1", LOG]


def test_identity_survives_rename_and_gzip(tmp_path: Path) -> None:
    path = tmp_path / "SMlog"
    path.write_bytes(b"\0" * 5000 + TEXT)
    (plain,) = [identify(one) for one in generations(LOG, str(path))]
    assert plain.first_line == TEXT[:36].split(b"\n")[0] + b"\n"
    (tmp_path / "SMlog.3.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    (packed,) = [identify(one) for one in generations(LOG, str(path))]
    assert packed.fingerprint == plain.fingerprint != b""
    assert plain.source is not None
    plain.source.close()


def test_a_packed_file_is_found_under_its_new_name(packed: Path) -> None:
    live = str(packed.parent / "SMlog")
    (one,) = [identify(g) for g in generations(LOG, live)]
    packed.rename(packed.parent / "SMlog.3.gz")
    packed.write_bytes(gzip.compress(b"another\n"))
    source = reopen(one, LOG, live)
    assert source.read_at(0, 10) == TEXT[:10]
    source.close()
    (packed.parent / "SMlog.3.gz").unlink()
    with pytest.raises(FileNotFoundError):
        reopen(one, LOG, live)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "SMlog.1.gz").write_bytes(b"\x1f\x8b no gzip")
    (one,) = [identify(g) for g in generations(LOG, str(tmp_path / "SMlog"))]
    assert one.fingerprint == b""
    assert one.problem.startswith("/var/log/SMlog.1.gz: damaged gzip")


def reader(data: bytes):  # type: ignore[no-untyped-def]
    return lambda offset, size: data[offset : offset + size]


def test_first_lines() -> None:
    assert first_line(reader(b"")) is None
    assert first_line(reader(b"no end")) is None
    assert first_line(reader(b"\0" * 100000)) is None
    assert first_line(reader(b"\0" * 100000 + b"a\nb\n")) == b"a\n"
    assert first_line(reader(b"x" * 8191)) is None
    assert first_line(reader(b"x" * 9000)) == b"x" * 8192
    assert first_line(reader(b"\0" * 8000 + b"y" * 500 + b"\n")) == b"y" * 500 + b"\n"


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.data())
def test_a_position_is_proved_by_its_bytes(data: bytes, draw: st.DataObject) -> None:
    offset = draw.draw(st.integers(1, len(data)))
    proof = tail_sha256(data[:offset])
    assert proves(reader(data), offset, proof)
    assert proves(reader(data), offset, b"")
    assert not proves(reader(data[: offset - 1]), offset, b"")
    other = bytearray(data)
    other[offset - 1] ^= 1
    assert not proves(reader(bytes(other)), offset, proof)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=50), st.integers(0, 70000))
def test_nuls_at_the_beginning_are_no_part_of_the_identity(line: bytes, nuls: int) -> None:
    line = line.strip(b"\0").replace(b"\n", b"") + b"\n"
    found = first_line(reader(b"\0" * nuls + line + b"more\n"))
    assert found is not None
    assert fingerprint(found) == fingerprint(line.lstrip(b"\0"))


def test_a_plain_file_keeps_its_bytes_when_it_loses_its_name(tmp_path: Path) -> None:
    path = tmp_path / "SMlog"
    path.write_bytes(TEXT)
    source = PlainSource(str(path))
    assert source.linked()
    path.unlink()
    assert not source.linked()
    assert source.read_at(100, 50) == TEXT[100:150]
    source.close()
