"""The whole heartbeat."""

import os
import tempfile

from agent.dom0_tree import FILES, SR, write, write_dom0
from agent.image_processes import lock_holder, now_us
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.status import StatusReader
from hypothesis import given, settings
from hypothesis import strategies as st


def test_everything_in_one_message(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    write_dom0(root)
    log = evidence_pb2.LogFile(path="/var/log/SMlog", size_bytes=7)
    status = StatusReader(root).read(now_us(), {"lines_selected_total": 3}, [log], ["x" * 9000])
    assert status.at_us > 0
    assert status.host.hostname == "xcp-1"
    assert [sr.sr_uuid for sr in status.srs] == [SR]
    assert list(status.logs) == [log]
    assert dict(status.counters) == {"lines_selected_total": 3.0}
    assert [len(problem) for problem in status.problems] == [4096]
    assert len(status.SerializeToString()) < 8192


def test_locks_with_the_start_of_their_holder(tmp_path: "os.PathLike[str]") -> None:
    reader = StatusReader("/")
    with lock_holder(str(tmp_path), [SR + "/gc_active", SR + "/vdi"]) as holder:
        locks = [lock for lock in reader.read(now_us(), {}, [], []).gc_locks if lock.pid == holder.pid]
    assert [(lock.sr_uuid, lock.lock, lock.waiting) for lock in locks] == [(SR, "gc_active", False)]
    assert locks[0].start_ticks > 0


def test_limits_of_the_contract(tmp_path: "os.PathLike[str]") -> None:
    counters = {"counter_{:03d}_total".format(n): 1.0 for n in range(300)}
    status = StatusReader(str(tmp_path)).read(1, counters, [], ["problem"] * 300)
    assert (len(status.counters), len(status.problems)) == (256, 256)


def test_facts_are_read_again_after_a_while(tmp_path: "os.PathLike[str]") -> None:
    root = str(tmp_path)
    write_dom0(root)
    reader = StatusReader(root)
    assert reader.read(1, {}, [], []).host.hostname == "xcp-1"
    write(root, "proc/sys/kernel/hostname", "xcp-2\n")
    assert reader.read(2, {}, [], []).host.hostname == "xcp-1"
    assert reader.read(2 + 600 * 1000000, {}, [], []).host.hostname == "xcp-2"


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.one_of(st.text(), st.just("MemTotal: x kB\nbtime x\n9e9"))))
def test_a_dom0_of_damaged_files(damaged: "dict[str, str]") -> None:
    """What cannot be read is left out, and what was read can be sent."""
    with tempfile.TemporaryDirectory() as root:
        write_dom0(root)
        for path, text in damaged.items():
            write(root, path, text)
        status = StatusReader(root).read(1, {}, [], [])
        assert evidence_pb2.Status.FromString(status.SerializeToString()) == status
