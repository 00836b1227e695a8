"""The agent's own gauges follow what it really holds."""

import os
import threading

from chainwatch_agent.own_cost import OwnCost


def test_gauges_follow_the_process() -> None:
    cost = OwnCost()
    before = cost.values()
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        during = cost.values()
    finally:
        os.close(descriptor)
        release.set()
        thread.join()
    assert during["threads"] == before["threads"] + 1
    assert during["open_files"] == before["open_files"] + 1
    assert during["rss_bytes"] > 1e6
    assert during["cpu_seconds"] >= before["cpu_seconds"]
