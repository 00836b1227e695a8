"""How much of one host's word is remembered: a dom0 that was taken over may name SRs and tell of troubles for ever.

What its pool has is proved by the inventory and kept; of what only the host speaks of, what it has not spoken of for
longest goes first. An honest host is far below all of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.sr_log import SrLog

SRS_UNPROVED: Final = 1000
"""SRs of one host's log that its pool does not have."""
INCIDENTS: Final = 20_000
"""Open troubles of all SRs in one host's log."""
BYTES: Final = 64 << 20
"""What is stored of one host with every commit of its pool, before it is compressed."""
_SMALL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What a host's log was last cut down for, by the collector's clock."""

    since: datetime
    at: datetime
    text: str


def cut_down(log: HostLog, proved: Callable[[], Container[str]]) -> str:
    """After each step; what it was cut down for, empty where it was not. `proved`: SRs of the pool."""
    told = ""
    if len(log.srs) > SRS_UNPROVED:
        unproved = _unproved(log, proved())
        if len(unproved) > SRS_UNPROVED:
            _forget(log, unproved[:-SRS_UNPROVED])
            told = f"its log names more than {SRS_UNPROVED:,} SRs that its pool does not have"
    if sum(len(sr.incidents) for sr in log.srs.values()) > INCIDENTS:
        _even_out(log)
        told = told or f"its log tells of more than {INCIDENTS:,} troubles at once"
    return told


def _unproved(log: HostLog, proved: Container[str]) -> list[str]:
    """What it has not spoken of for longest comes first."""
    found = [sr for sr in log.srs if sr not in proved]
    return sorted(found, key=lambda sr: log.sr_versions.get(sr, 0))


def _forget(log: HostLog, srs: list[str]) -> None:
    for sr in srs:
        log.srs.pop(sr, None)
        log.sr_versions.pop(sr, None)


def _even_out(log: HostLog) -> None:
    """The SRs with the most troubles give up their oldest ones."""
    counts = sorted(len(sr.incidents) for sr in log.srs.values())
    left = INCIDENTS
    for place, count in enumerate(counts):
        share = left // (len(counts) - place)
        if count > share:
            break
        left -= count
    for sr in log.srs.values():
        sr.incidents.keep(share)


def fit(hosts: Mapping[str, HostLog], proved: Container[str]) -> dict[str, str]:
    """Where what is stored of all hosts is large: host → what it was cut down for."""
    told: dict[str, str] = {}
    for host, log in hosts.items():
        if _bytes(log) > BYTES:
            _shrink(log, proved)
            told[host] = f"its log tells more than the {BYTES >> 20} MiB that are kept of one host"
    return told


def _shrink(log: HostLog, proved: Container[str]) -> None:
    """To half of it, so that this is not done with every commit."""
    sizes = {sr: _bytes(found) for sr, found in log.srs.items()}
    over = sum(sizes.values()) - BYTES // 2
    for sr in _unproved(log, proved):
        if over <= 0:
            return
        over -= sizes.pop(sr)
        _forget(log, [sr])
    while sizes and over > 0:
        largest = max(sizes, key=sizes.__getitem__)
        halve(log.srs[largest])
        left = _bytes(log.srs[largest])
        over -= sizes.pop(largest) - left
        if left > _SMALL_BYTES:
            sizes[largest] = left


def halve(log: SrLog) -> None:
    """The older half of everything that there are many of."""
    log.runs.keep(len(log.runs.by_key) // 2)
    log.incidents.keep(len(log.incidents) // 2)
    log.trees = log.trees.newest(len(log.trees.nodes) // 2)
    tables = (log.merge_started, log.copy_started, log.merged_at, log.passed_at, log.snapshots_open)
    for table in tables:
        for key in list(table)[: (len(table) + 1) // 2]:
            del table[key]


def _bytes(part: HostLog | SrLog) -> int:
    return len(pickle.dumps(part, protocol=5))
