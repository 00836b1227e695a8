"""The timer that is a descriptor."""

import os
import select

from chainwatch_agent.wake_timer import WakeTimer


def test_readable_once_its_time_has_come() -> None:
    timer = WakeTimer()
    try:
        assert not select.select([timer], [], [], 0)[0]
        timer.start(0.001)
        assert select.select([timer], [], [], 20)[0]
        timer.start(3600.0)
        assert not select.select([timer], [], [], 0.01)[0]
        timer.start(0.0)
        assert select.select([timer], [], [], 20)[0]
        timer.stop()
        assert not select.select([timer], [], [], 0.01)[0]
    finally:
        timer.close()


def test_its_descriptor_is_given_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    WakeTimer().close()
    assert len(os.listdir("/proc/self/fd")) == before
