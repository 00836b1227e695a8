"""Stored records give facts again: the path that `make bench` times."""

from __future__ import annotations

from bench.reread import reread_million_s


def test_stored_records_are_read_again() -> None:
    assert reread_million_s(12_000) > 0
