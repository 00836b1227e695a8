"""Codes about scans of an SR."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chainwatch_collector.judge.condition import Condition, of_sr, sr_words, vdi_words
from chainwatch_collector.judge.known import gc_host_named, vhd_path
from chainwatch_collector.judge.registry import family
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import PoolState


@family("SR_SCAN_FAILED")
def scan_failed(state: PoolState, now: datetime, limits: Thresholds) -> Iterator[Condition]:
    """A GC's scan used up its tries, or two scans in a row failed: nothing merges, and XenAPI's picture is frozen."""
    for sr in state.srs.values():
        found = tuple(sr.open_incidents("scan_failed"))
        if not found or sr.scan_failures < limits.scan_failures:
            continue
        bad = sorted({vdi for one in found for vdi in one.vdi.split(",") if vdi})
        bad = bad or [one.vdi for one in sr.open_incidents("corrupt") if set(one.runs) & set(found[0].runs)]
        image = f"; the image that cannot be read: {', '.join(vdi_words(sr, vdi) for vdi in bad[:3])}" if bad else ""
        yield of_sr(
            sr,
            "SR_SCAN_FAILED",
            "error",
            f"{sr_words(sr)} cannot be scanned{image}; no merge happens until it can, and what XenAPI says of the SR is"
            " as old as the last good scan.",
            now=now,
            incidents=found,
            vdis=bad,
            params={**gc_host_named(state, sr), "path": vhd_path(sr, bad[0]) if len(bad) == 1 else ""},
            variant="image" if bad else "storage",
        )
