"""A hint: written whole, and worth nothing when damaged."""

import os
from pathlib import Path

import pytest
from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.identity import FileId
from hypothesis import given, settings
from hypothesis import strategies as st

A = FileId(b"a" * 32, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "checkpoint"


def written(path: Path) -> bytes:
    checkpoint = Checkpoint(str(path))
    checkpoint.retired(A, 1234, b"b" * 32)
    checkpoint.acked(A, 1234)
    checkpoint.save()
    return path.read_bytes()


def test_it_comes_back(path: Path) -> None:
    written(path)
    again = Checkpoint(str(path))
    assert again.load() == ""
    assert again.following(A) == (1234, b"b" * 32)
    assert again.following(A._replace(salt=0)) is None
    assert os.stat(str(path)).st_mode & 0o777 == 0o600
    assert os.stat(str(path.parent)).st_mode & 0o777 == 0o700


def test_nothing_is_written_where_nothing_changed(path: Path) -> None:
    written(path)
    again = Checkpoint(str(path))
    again.load()
    path.unlink()
    again.save()
    assert not path.exists()


def test_a_file_that_is_not_there_is_no_problem(path: Path) -> None:
    assert Checkpoint(str(path)).load() == ""
    assert "directory" in Checkpoint(str(path.parent.parent)).load()


def test_a_disk_that_is_full_is_the_callers_to_tell(path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "checkpoint.new").mkdir()
    checkpoint = Checkpoint(str(path))
    checkpoint.acked(A, 1)
    with pytest.raises(OSError, match="directory"):
        checkpoint.save()


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 10000), byte=st.integers(1, 255), cut=st.booleans())
def test_damage_costs_nothing(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: bool) -> None:
    path = Path(str(tmp_path_factory.getbasetemp())) / "damaged"
    good = bytearray(written(path))
    at %= len(good)
    if cut:
        del good[at:]
    else:
        good[at] ^= byte
    path.write_bytes(bytes(good))
    again = Checkpoint(str(path))
    assert "damaged" in again.load()
    assert again.following(A) is None
