"""The agent's delivery: by the state machine of `delivery.py`, and case by case."""

from pathlib import Path

import pytest
from agent.delivery import Delivery, prove
from agent.disk import Disk, numbers
from agent.driver import Driver
from agent.ledger import Ledger
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.history import History

LINE = len(Disk.line(1))


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    Disk(tmp_path)
    return Driver(tmp_path, Ledger())


def test_delivery() -> None:
    prove(Delivery)


def test_a_copied_file_that_was_filled_to_the_same_size_and_renamed(driver: Driver) -> None:
    """Nobody looked between the copy and the rename: the copy is what was read, the renamed file is new."""
    disk = Disk(driver.directory)
    disk.write(1)
    driver.settle()
    disk.copytruncate()
    disk.write(1)
    disk.rotate()
    disk.write(1)
    driver.settle()
    assert numbers(driver.ledger.lines()) == [1, 2, 3]
    assert not driver.ledger.gaps


def test_a_restored_collector_is_told_of_what_has_gone_between_two_files_that_are_there(driver: Driver) -> None:
    """First, second and fourth are on disk; only the checkpoint knows that there was a third."""
    disk = Disk(driver.directory)
    disk.write(1)
    driver.settle()
    driver.ledger.backup()
    for _ in range(2):
        disk.copytruncate()
        disk.write(1)
        driver.settle()
    disk.truncate()
    disk.write(1)
    driver.ledger.restore()
    driver.connect()
    driver.settle()
    assert numbers(driver.ledger.lines()) == [1, 2, 4]
    (gap,) = driver.ledger.gaps
    second, fourth = sorted(driver.ledger.files.values(), key=lambda f: f.ordinal)[1:]
    assert gap.reason == evidence_pb2.Gap.REASON_ROTATED_AWAY
    assert (gap.after_file.fingerprint, gap.after_offset) == (second.key[0], LINE)
    assert (gap.before_file.fingerprint, gap.before_offset) == (fourth.key[0], 0)


def test_a_collector_that_lost_everything_is_told_of_it_too(driver: Driver) -> None:
    disk = Disk(driver.directory)
    for _ in range(3):
        disk.write(1)
        driver.settle()
        disk.rotate()
    disk.write(1)
    driver.settle()
    disk.remove(2)
    driver.ledger = Ledger()
    driver.connect()
    driver.settle()
    assert numbers(driver.ledger.lines()) == [1, 3, 4]
    (gap,) = driver.ledger.gaps
    assert (gap.after_offset, gap.before_offset) == (LINE, 0)


def test_a_file_that_was_emptied_and_deleted_is_declared_when_a_line_comes_later(driver: Driver) -> None:
    disk = Disk(driver.directory)
    disk.write(1)
    driver.settle()
    disk.copytruncate()
    disk.remove(1)
    disk.write(1)
    disk.rotate()
    disk.remove(1)
    driver.settle()
    disk.write(1)
    driver.settle()
    assert numbers(driver.ledger.lines()) == [1, 3]
    assert [(gap.after_offset, gap.before_offset) for gap in driver.ledger.gaps] == [(LINE, 0)]


def fill(directory: Path, lines: int) -> Disk:
    disk = Disk(directory)
    disk.write(lines)
    return disk


def test_first_start_reads_all_generations_oldest_first(tmp_path: Path) -> None:
    disk = fill(tmp_path, 10)
    for _ in range(3):
        disk.rotate()
        disk.compress()
        disk.write(10)
    driver = Driver(tmp_path, Ledger())
    driver.settle()
    assert numbers(driver.ledger.lines()) == list(range(1, 41))
    assert not driver.ledger.gaps


def test_the_history_limit_cuts_at_a_line_and_is_declared_once(tmp_path: Path) -> None:
    disk = fill(tmp_path, 100)
    disk.rotate()
    disk.write(100)
    driver = Driver(tmp_path, Ledger())
    driver.reader.on_disconnect()
    driver.start(History(1e9, 60 * LINE))
    driver.settle()
    assert numbers(driver.ledger.lines()) == list(range(141, 201))
    driver.start(History(1e9, 60 * LINE))
    driver.settle()
    (gap,) = driver.ledger.gaps
    assert gap.reason == evidence_pb2.Gap.REASON_HISTORY_LIMIT
    assert gap.before_offset == 40 * LINE


def test_a_rotated_file_that_grows_after_all_is_read_to_its_end(driver: Driver) -> None:
    disk = Disk(driver.directory)
    disk.write(10)
    driver.settle()
    disk.rotate()
    disk.write(5)
    driver.settle()
    disk.write(3, driver.directory / "SMlog.1")
    driver.settle()
    first, second = sorted(driver.ledger.files.values(), key=lambda f: f.ordinal)
    assert numbers([line for _, data in first.slices for line in data.split(b"\n")[:-1]]) == [*range(1, 11), 16, 17, 18]
    assert second.to_offset == 5 * LINE


def test_what_is_rotated_away_unread_is_declared_with_both_ends(driver: Driver) -> None:
    disk = Disk(driver.directory, keep=2)
    disk.write(10)
    driver.settle()
    driver.reader.on_disconnect()
    for _ in range(4):
        disk.rotate()
        disk.write(10)
    driver.start()
    driver.settle()
    assert numbers(driver.ledger.lines()) == [*range(1, 11), *range(21, 51)]
    (gap,) = driver.ledger.gaps
    assert gap.reason == evidence_pb2.Gap.REASON_ROTATED_AWAY
    assert (gap.after_offset, gap.before_offset) == (10 * LINE, 0)
    assert gap.HasField("after_file")
    assert gap.HasField("before_file")


def test_the_checkpoint_proves_that_nothing_lay_between(driver: Driver) -> None:
    disk = Disk(driver.directory, keep=1)
    disk.write(10)
    driver.settle()
    disk.rotate()
    disk.write(1)
    assert driver.step(acknowledge=False)
    driver.reader.checkpoint.save()
    del driver.ledger.files[max(driver.ledger.files, key=lambda k: driver.ledger.files[k].ordinal)]
    disk.remove(1)
    driver.start()
    driver.settle()
    assert numbers(driver.ledger.lines()) == list(range(1, 12))
    assert not driver.ledger.gaps


def test_a_restored_collector_is_told_of_what_has_gone_since(driver: Driver) -> None:
    disk = Disk(driver.directory)
    disk.write(10)
    driver.settle()
    driver.ledger.backup()
    for _ in range(2):
        disk.rotate()
        disk.write(10)
        driver.settle()
    disk.remove(1)
    driver.ledger.restore()
    driver.connect()
    driver.settle()
    assert numbers(driver.ledger.lines()) == [*range(1, 11), *range(21, 31)]
    (gap,) = driver.ledger.gaps
    assert (gap.after_offset, gap.before_offset) == (10 * LINE, 0)


def test_a_damaged_gzip_is_read_up_to_the_damage_and_declared(tmp_path: Path) -> None:
    disk = fill(tmp_path, 5000)
    disk.rotate()
    disk.write(5)
    disk.rotate()
    disk.write(5)
    disk.compress()
    packed = tmp_path / "SMlog.2.gz"
    packed.write_bytes(packed.read_bytes()[:-4000])
    driver = Driver(tmp_path, Ledger())
    driver.settle()
    stored = numbers(driver.ledger.lines())
    assert stored[-10:] == list(range(5001, 5011))
    assert 0 < len(stored) < 5010
    (gap,) = driver.ledger.gaps
    assert gap.reason == evidence_pb2.Gap.REASON_UNREADABLE
    assert "SMlog.2.gz" in gap.detail


def test_an_outage_holds_nothing(driver: Driver) -> None:
    disk = Disk(driver.directory)
    disk.write(1000)
    for _ in range(200):
        driver.step(acknowledge=False)
    assert driver.reader.window.in_flight_bytes <= driver.reader.window.limit_bytes
    driver.connect()
    assert driver.reader.window.in_flight_bytes == 0
