import os
import threading
from pathlib import Path

import pytest
from chainwatch_collector.backups.jobs import Remote
from chainwatch_collector.backups.space import TargetSpace


def test_a_mounted_remote_has_its_space_and_others_say_why_not(tmp_path: Path) -> None:
    remotes = [
        Remote(uuid="r1", name="nas", path=str(tmp_path)),
        Remote(uuid="r2", name="gone", path=str(tmp_path / "missing")),
        Remote(uuid="r3", name="s3"),
    ]
    found = TargetSpace().look(remotes)
    stat = os.statvfs(tmp_path)
    assert found["r1"].size_bytes == stat.f_blocks * stat.f_frsize
    assert found["r1"].problem == ""
    assert (found["r2"].free_bytes, found["r2"].problem[:14]) == (None, "not observable")
    assert "r3" not in found


def test_a_dead_filer_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, real = threading.Event(), os.statvfs

    def statvfs(path: str) -> os.statvfs_result:
        alive.wait(30)
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    target = TargetSpace(patience_seconds=0.05)
    remote = Remote(uuid="r1", name="nas", path=str(tmp_path))
    assert "does not answer" in target.look([remote])["r1"].problem
    assert "does not answer" in target.look([remote])["r1"].problem
    assert sum(thread.name == "remote-space" for thread in threading.enumerate()) == 1
    alive.set()
    for thread in threading.enumerate():
        if thread.name == "remote-space":
            thread.join(10)
    assert target.look([remote])["r1"].free_bytes is not None
