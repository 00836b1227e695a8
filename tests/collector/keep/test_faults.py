"""Runs of faults as several collectors keep them, on both databases."""

from chainwatch_collector.keep.evidence import hosts
from chainwatch_collector.keep.faults import FaultRow, faults, keep_fault
from chainwatch_collector.keep.writer import Priority

from .conftest import Store

HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
START_US = 1764086400000000


def keep(store: Store, seconds: float, times: int, text: str = "span: wrong", *, slowed: bool = False) -> None:
    at_us = START_US + int(seconds * 1e6)
    fault = FaultRow(HOST, at_us, at_us, times, slowed, text, "ipv4:192.0.2.1:1")
    store.writer.submit(lambda c: keep_fault(c, fault, 600.0), priority=Priority.EVIDENCE).result(10)


def test_a_run_adds_up_until_it_was_over(store: Store) -> None:
    def kept() -> list[tuple[int, int, int, str]]:
        rows = store.readers.call(faults)
        return [(row.since_us - START_US, row.at_us - START_US, row.times, row.text) for row in rows]

    keep(store, 0, 1)
    keep(store, 10, 4)
    keep(store, 600, 2, "samples.seq: wrong")
    assert kept() == [(0, 600_000_000, 7, "samples.seq: wrong")]
    keep(store, 1201, 3)
    assert kept() == [(1_201_000_000, 1_201_000_000, 3, "span: wrong")]


def test_a_host_that_never_got_in_has_a_place(store: Store) -> None:
    keep(store, 0, 1)
    keep(store, 20, 1)
    (host,) = store.readers.call(hosts)
    assert host.uuid == HOST


def test_what_ends_a_stream_says_more_than_what_slows_it(store: Store) -> None:
    def kept() -> list[tuple[int, str, bool]]:
        return [(row.times, row.text, bool(row.slowed)) for row in store.readers.call(faults)]

    keep(store, 0, 1, "too much", slowed=True)
    keep(store, 60, 1, "too much", slowed=True)
    assert kept() == [(2, "too much", True)]
    keep(store, 120, 3)
    keep(store, 180, 1, "too much", slowed=True)
    assert kept() == [(3, "span: wrong", False)]
    keep(store, 900, 1, "too much", slowed=True)
    assert kept() == [(1, "too much", True)]
