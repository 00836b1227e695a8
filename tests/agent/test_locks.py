"""SM's locks, from real POSIX locks in the real /proc/locks."""

import os
from typing import List, Tuple

from agent.image_processes import SR, finish, lock_holder, until
from chainwatch_agent.locks import SmLock, SmLocks, parse_locks
from chainwatch_agent.processes import ProcFs
from hypothesis import given, settings
from hypothesis import strategies as st


def _of(pids: "Tuple[int, ...]", locks: "List[SmLock]") -> "List[SmLock]":
    return sorted(lock for lock in locks if lock.pid in pids)


def test_who_holds_and_who_waits(tmp_path: "os.PathLike[str]") -> None:
    locks = SmLocks(ProcFs("/"))
    names = [SR + "/gc_active", SR + "/running", ".nil/lvm"]
    with lock_holder(str(tmp_path), names) as holder:
        with lock_holder(str(tmp_path), [SR + "/running"], wait=False) as waiter:
            pids = (holder.pid, waiter.pid)
            assert until(lambda: len(_of(pids, locks.read())) == 3)
            assert _of(pids, locks.read()) == sorted(
                [
                    SmLock(SR, "gc_active", holder.pid, False),
                    SmLock(SR, "running", holder.pid, False),
                    SmLock(SR, "running", waiter.pid, True),
                ]
            )
            assert locks.gc_holders()[holder.pid] == SR
            finish(holder, "0")
            assert _of((holder.pid,), locks.read()) == []


def test_a_table_of_many_pages(tmp_path: "os.PathLike[str]") -> None:
    names = ["{:08x}{}/gc_active".format(number, SR[8:]) for number in range(300)]
    with lock_holder(str(tmp_path), names) as holder:
        assert len(_of((holder.pid,), SmLocks(ProcFs("/")).read())) == 300


def test_a_lock_file_deleted_under_its_holder(tmp_path: "os.PathLike[str]") -> None:
    with lock_holder(str(tmp_path), [SR + "/gc_active"]) as holder:
        os.unlink(os.path.join(str(tmp_path), "run/lock/sm", SR, "gc_active"))
        assert SmLocks(ProcFs("/")).gc_holders()[holder.pid] == SR


def test_a_file_of_that_name_that_is_open_but_not_locked(tmp_path: "os.PathLike[str]") -> None:
    with lock_holder(str(tmp_path), [SR + "/running"]) as holder:
        with open(os.path.join(str(tmp_path), "run/lock/sm", SR, "gc_active"), "w", encoding="ascii"):
            held = _of((holder.pid, os.getpid()), SmLocks(ProcFs("/")).read())
    assert [lock.lock for lock in held] == ["running"]


def test_no_proc_no_locks(tmp_path: "os.PathLike[str]") -> None:
    assert SmLocks(ProcFs(str(tmp_path))).read() == []


def test_the_text_of_proc_locks() -> None:
    text = (
        "1: POSIX  ADVISORY  WRITE 3817 fd:01:525 0 EOF\n"
        "1: -> POSIX  ADVISORY  WRITE 3900 fd:01:525 0 EOF\n"
        "2: FLOCK  ADVISORY  WRITE 12 00:14:9 0 EOF\n"
        "3: OFDLCK ADVISORY  WRITE -1 00:14:10 0 EOF\n"
    )
    assert parse_locks(text) == [(False, 3817, "fd:01:525"), (True, 3900, "fd:01:525")]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_read_without_error(text: str) -> None:
    parse_locks(text)
    parse_locks("1: POSIX  ADVISORY  WRITE " + text)
