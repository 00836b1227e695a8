"""Logs that cannot be read and can be again: real errors where the kernel gives them to anybody, else at `os.pread`."""

import errno
import os
import socket
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest
from agent.bad_blocks import BadBlocks
from agent.disk import Disk, numbers
from agent.driver import SMLOG, Driver
from agent.ledger import Ledger
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.unreadable import LookAgain, delay_seconds, next_readable
from hypothesis import given, settings
from hypothesis import strategies as st

DAEMON_LOG = "/var/log/daemon.log"
LINE = len(Disk.line(1))
CRIT = b"Nov 25 16:00:00 xcp-1 tapdisk[1]: Input/output error %07d\n"
A_MINUTE = 60.0
Trap = Callable[[Path], object]


@pytest.fixture
def bad_blocks(monkeypatch: pytest.MonkeyPatch) -> BadBlocks:
    made = BadBlocks()
    monkeypatch.setattr(os, "pread", made.pread)
    monkeypatch.setattr(os, "read", made.read)
    return made


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """SMlog, empty, and daemon.log beside it, with a line."""
    Disk(tmp_path)
    (tmp_path / "daemon.log").write_bytes(CRIT % 1)
    made = Driver(tmp_path, Ledger(), [(SMLOG, tmp_path / "SMlog"), (DAEMON_LOG, tmp_path / "daemon.log")])
    yield made
    made.reader.on_disconnect()


def wait(driver: Driver, seconds: float) -> None:
    """Turn after turn, as the daemon makes them, with nothing from the kernel to wake it."""
    until = driver.now + seconds
    while driver.now < until:
        while driver.step():
            pass
        driver.now += 1.0


def other_log_goes_on(driver: Driver, number: int) -> bool:
    """Whether a line of daemon.log that is written now is stored."""
    with (driver.directory / "daemon.log").open("ab") as stream:
        stream.write(CRIT % number)
    wait(driver, 2.0)
    return driver.ledger.lines(DAEMON_LOG)[-1:] == [(CRIT % number)[:-1]]


def gaps(driver: Driver) -> "List[Tuple[int, int, int]]":
    """(reason, begin, end) of every one."""
    return [(gap.reason, gap.after_offset, gap.before_offset) for gap in driver.ledger.gaps]


def test_a_disk_that_fails_is_told_of_and_read_when_it_works(tmp_path: Path) -> None:
    """The kernel's own EIO: the first bytes of a process's memory, which stands where a log should."""
    place, log = tmp_path / "log", tmp_path / "real"
    log.mkdir()
    (log / "mem").write_bytes(b"".join(Disk.line(number) for number in range(1, 6)))
    (tmp_path / "daemon.log").write_bytes(CRIT % 1)
    place.symlink_to("/proc/self")
    driver = Driver(tmp_path, Ledger(), [(SMLOG, place / "mem"), (DAEMON_LOG, tmp_path / "daemon.log")])
    assert other_log_goes_on(driver, 2)
    (problem,) = driver.reader.problems()
    assert problem.startswith("/var/log/SMlog: Input/output error at offset 0; fix: ")
    assert driver.reader.logs()[0].problem == problem
    place.unlink()
    place.symlink_to(log)
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5]
    assert not driver.reader.problems()
    # It is another file, and the one that failed was never read.
    assert gaps(driver) == [(evidence_pb2.Gap.REASON_UNREADABLE, 0, 0)]
    driver.reader.on_disconnect()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def pipe(path: Path) -> None:
    os.mkfifo(str(path))


TRAPS: "Dict[str, Trap]" = {
    "a directory": Path.mkdir,
    "a pipe": pipe,
    "a socket": unix_socket,
    "a symbolic link": loop,
}


@pytest.mark.parametrize("kind", sorted(TRAPS))
@pytest.mark.parametrize("reconnects", [False, True])
def test_what_is_no_file_under_the_logs_name(driver: Driver, kind: str, reconnects: bool) -> None:
    """It is never opened, and so never waited for; the log that was there goes on where it was when it comes back."""
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    disk.live.rename(driver.directory / "away")
    TRAPS[kind](disk.live)
    if reconnects:
        driver.connect()
    assert other_log_goes_on(driver, 2)
    (problem,) = driver.reader.problems()
    assert problem.startswith("/var/log/SMlog: {}, not a file".format(kind))
    assert "fix: " in problem
    disk.live.rmdir() if kind == "a directory" else disk.live.unlink()
    (driver.directory / "away").rename(disk.live)
    disk.write(2)
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5]
    assert not driver.reader.problems()
    assert not driver.ledger.gaps


@pytest.mark.parametrize("reconnects", [False, True])
def test_a_directory_that_is_a_loop_of_links(tmp_path: Path, reconnects: bool) -> None:
    place, log = tmp_path / "log", tmp_path / "real"
    log.mkdir()
    disk = Disk(log)
    disk.write(3)
    place.symlink_to(log)
    (tmp_path / "daemon.log").write_bytes(CRIT % 1)
    driver = Driver(tmp_path, Ledger(), [(SMLOG, place / "SMlog"), (DAEMON_LOG, tmp_path / "daemon.log")])
    driver.settle()
    place.unlink()
    loop(place)
    if reconnects:
        driver.connect()
        (problem,) = driver.reader.problems()
        assert problem.startswith("/var/log/SMlog: Too many levels of symbolic links; fix: ")
    assert other_log_goes_on(driver, 2)
    place.unlink()
    place.symlink_to(log)
    disk.write(1)
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4]
    assert not driver.reader.problems()
    assert not driver.ledger.gaps
    driver.reader.on_disconnect()


def test_a_quiet_log_that_could_not_be_read_when_the_stream_began(driver: Driver, bad_blocks: BadBlocks) -> None:
    """Which file it is cannot be known then, and what is older must not be sent: it waits, and goes on where it was."""
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    disk.write(2)
    (driver.directory / "SMlog.1").write_bytes(b"Nov 24 16:00:00 xcp-1 SMGC: [4711] older than the history 0000000\n")
    bad_blocks.ranges[disk.live.stat().st_ino] = (0, LINE)
    driver.connect()
    wait(driver, 10 * A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3]
    assert driver.reader.problems()
    bad_blocks.ranges.clear()
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5]
    assert not driver.reader.problems()
    assert not driver.ledger.gaps


def test_a_named_file_that_stays_unreadable_is_given_up_after_its_rotation(
    driver: Driver, bad_blocks: BadBlocks
) -> None:
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    disk.write(2)
    bad_blocks.ranges[disk.live.stat().st_ino] = (0, LINE)
    driver.connect()
    disk.rotate()
    disk.write(4)
    wait(driver, 3 * A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 6, 7, 8, 9]
    assert gaps(driver) == [(evidence_pb2.Gap.REASON_ROTATED_AWAY, 3 * LINE, 0)]


def test_bytes_before_the_position_that_cannot_be_read(driver: Driver, bad_blocks: BadBlocks) -> None:
    """No proof, and no other file either: it goes on when they can be read, and otherwise behind them."""
    disk = Disk(driver.directory)
    disk.write(10)
    driver.settle()
    disk.write(10)
    bad_blocks.ranges[disk.live.stat().st_ino] = (5 * LINE, 6 * LINE)
    driver.connect()
    wait(driver, 10.0)
    assert numbers(driver.ledger.lines()) == list(range(1, 11))
    bad_blocks.ranges.clear()
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == list(range(1, 21))
    assert not driver.ledger.gaps


def test_a_bad_block_in_a_log_costs_what_lies_around_it(driver: Driver, bad_blocks: BadBlocks) -> None:
    disk = Disk(driver.directory)
    disk.write(10000)
    bad = (5000 * LINE, 5000 * LINE + 4096)
    bad_blocks.ranges[disk.live.stat().st_ino] = bad
    assert other_log_goes_on(driver, 2)
    assert numbers(driver.ledger.lines()) == list(range(1, 5001))
    (problem,) = driver.reader.problems()
    assert problem.startswith("/var/log/SMlog: Input/output error at offset {}; fix: ".format(bad[0]))
    wait(driver, 2 * A_MINUTE)
    stored = numbers(driver.ledger.lines())
    ((reason, begin, end),) = gaps(driver)
    assert reason == evidence_pb2.Gap.REASON_UNREADABLE
    assert begin == bad[0]
    assert bad[1] <= end <= bad[0] + 256 * 1024
    assert stored == list(range(1, 5001)) + list(range(end // LINE + 1, 10001))
    assert not driver.reader.problems()
    assert driver.ledger.gaps[0].missing_bytes == end - begin
    disk.write(1)
    wait(driver, 2.0)
    driver.connect()
    wait(driver, 2.0)
    assert numbers(driver.ledger.lines()) == [*stored, 10001]


def test_a_bad_block_that_is_read_after_all_costs_nothing(driver: Driver, bad_blocks: BadBlocks) -> None:
    disk = Disk(driver.directory)
    disk.write(10000)
    bad_blocks.ranges[disk.live.stat().st_ino] = (5000 * LINE, 5000 * LINE + 4096)
    wait(driver, A_MINUTE / 2)
    assert len(driver.ledger.lines()) == 5000
    bad_blocks.ranges.clear()
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == list(range(1, 10001))
    assert not driver.ledger.gaps


def test_the_end_of_a_rotated_file_that_cannot_be_read_is_declared(driver: Driver, bad_blocks: BadBlocks) -> None:
    disk = Disk(driver.directory)
    disk.write(1000)
    bad_blocks.ranges[disk.live.stat().st_ino] = (500 * LINE, 510 * LINE)
    wait(driver, 2.0)
    disk.rotate()
    disk.write(5)
    wait(driver, 2 * A_MINUTE)
    assert numbers(driver.ledger.lines()) == [*range(1, 501), *range(1001, 1006)]
    assert gaps(driver) == [(evidence_pb2.Gap.REASON_UNREADABLE, 500 * LINE, 0)]


def test_late_lines_that_cannot_be_read_are_declared(driver: Driver, bad_blocks: BadBlocks) -> None:
    disk = Disk(driver.directory)
    disk.write(100)
    driver.settle()
    disk.rotate()
    disk.write(5)
    driver.settle()
    bad_blocks.ranges[(driver.directory / "SMlog.1").stat().st_ino] = (101 * LINE, 102 * LINE)
    disk.write(10, driver.directory / "SMlog.1")
    wait(driver, 2 * A_MINUTE)
    assert numbers(driver.ledger.lines()) == [*range(1, 101), 106, *range(101, 106)]
    assert gaps(driver) == [(evidence_pb2.Gap.REASON_UNREADABLE, 101 * LINE, 110 * LINE)]
    assert not driver.reader.problems()


def test_a_log_that_was_never_readable_is_declared_when_it_is_gone(driver: Driver, bad_blocks: BadBlocks) -> None:
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    disk.rotate()
    bad_blocks.ranges[disk.live.stat().st_ino] = (0, LINE)
    disk.write(3)
    wait(driver, 5.0)
    disk.rotate()
    wait(driver, 5.0)
    disk.remove(1)
    wait(driver, 5.0)
    assert not driver.ledger.gaps
    disk.write(1)
    wait(driver, 5.0)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 7]
    assert gaps(driver) == [(evidence_pb2.Gap.REASON_UNREADABLE, 3 * LINE, 0)]


def test_a_rotated_log_that_becomes_readable_before_anything_follows_is_read(
    driver: Driver, bad_blocks: BadBlocks
) -> None:
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    disk.rotate()
    bad_blocks.ranges[disk.live.stat().st_ino] = (0, LINE)
    disk.write(3)
    wait(driver, 5.0)
    disk.rotate()
    wait(driver, 5.0)
    bad_blocks.ranges.clear()
    wait(driver, A_MINUTE)
    disk.write(1)
    wait(driver, 5.0)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5, 6, 7]
    assert not driver.ledger.gaps


def test_a_log_that_is_followed_and_cannot_be_opened_again_stays_the_same(
    driver: Driver, bad_blocks: BadBlocks
) -> None:
    """Its first line cannot be read when a rotation is looked at: it is known by its inode."""
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    bad_blocks.ranges[disk.live.stat().st_ino] = (0, 1)
    disk.rotate()
    disk.write(1)
    wait(driver, 5.0)
    bad_blocks.ranges.clear()
    disk.rotate()
    disk.write(1)
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5]
    assert not driver.ledger.gaps


def test_what_was_read_without_a_name_is_not_read_again_from_its_gzip(driver: Driver, bad_blocks: BadBlocks) -> None:
    """It was the live file without a line when it was looked at, and its .gz could not be read at the next look."""
    disk = Disk(driver.directory)
    disk.write(3)
    driver.settle()
    disk.rotate()
    wait(driver, 2.0)
    for _ in range(2):
        disk.write(3)
        disk.rotate()
    disk.compress()
    for name in ("SMlog.1", "SMlog.2.gz"):
        bad_blocks.ranges[(driver.directory / name).stat().st_ino] = (0, 4096)
    wait(driver, 2 * A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5, 6]
    bad_blocks.ranges.clear()
    wait(driver, A_MINUTE)
    assert numbers(driver.ledger.lines()) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_how_often_it_is_tried() -> None:
    assert [delay_seconds(tries) for tries in (1, 2, 3, 7, 2000)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    again = LookAgain()
    assert [now for now in range(20) if again.due(True, float(now))] == [1, 3, 7, 15]
    assert not again.due(False, 20.0)
    assert [now for now in range(21, 30) if again.due(True, float(now))] == [22, 24, 28]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300000), st.integers(1, 200000), st.integers(1, 300))
def test_where_reading_can_go_on(begin: int, length: int, line: int) -> None:
    data = (b"x" * (line - 1) + b"\n") * (700000 // line)

    def read_at(offset: int, size: int) -> bytes:
        if offset < begin + length and offset + size > begin:
            raise OSError(errno.EIO, "bad")
        return data[offset : offset + size]

    at = next_readable(read_at, begin, len(data))
    if at is None:
        assert begin + 3 * length + 400000 > len(data)
    else:
        assert at % line == 0
        assert at - 64 * 1024 >= begin + length
        assert at <= begin + 3 * length + 400000
