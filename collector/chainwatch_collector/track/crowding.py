"""How much of one host's word is remembered: a dom0 that was taken over may name SRs and tell of troubles for ever.

What its pool has is proved by the inventory and kept; of what only the host speaks of, what it has not spoken of for
longest goes first. An honest host is far below all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chainwatch_collector.read.words import LineRef
from chainwatch_collector.track.host_log import HostLog
from chainwatch_collector.track.sr_log import SrLog
from chainwatch_collector.track.stored import Packer

SRS_UNPROVED: Final = 1000
"""SRs of one host's log that its pool does not have."""
INCIDENTS: Final = 20_000
"""Open troubles of all SRs in one host's log."""
BYTES: Final = 32 << 20
"""What is stored of the SRs in one host's log, before it is compressed."""
_SMALL_BYTES: Final = 4096
_RUNS_LEFT: Final = 30


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
    for sr, found in log.srs.items():
        if len(found.incidents) > share:
            found.incidents.keep(share)
            log.sr_versions[sr] = log.version


def fit(hosts: Mapping[str, HostLog], proved: Container[str], packer: Packer) -> dict[str, str]:
    """Before they are stored: host → what its log was cut down for."""
    told: dict[str, str] = {}
    for host, log in hosts.items():
        sizes = packer.sizes(host, log)
        if sum(sizes.values()) > BYTES and _Fitting(host, log, packer, sizes).cut_into(proved):
            told[host] = f"its log tells more than the {BYTES >> 20} MiB that are kept of one host"
    return told


class _Fitting:
    """Cuts one host's log down to three quarters of what it may have, so that it is not done with every commit."""

    def __init__(self, host: str, log: HostLog, packer: Packer, sizes: dict[str, int]) -> None:
        self._host, self._log, self._packer, self._sizes = host, log, packer, sizes
        self._over = sum(sizes.values()) - BYTES * 3 // 4
        log.version += 1

    def cut_into(self, proved: Container[str]) -> bool:
        """Whether more had to go than the older runs, which are in the database and prove nothing that is open."""
        self._largest_first(thin_out, _SMALL_BYTES)
        if self._over <= 0:
            return False
        for sr in _unproved(self._log, proved):
            if self._over <= 0:
                return True
            self._over -= self._sizes.pop(sr)
            _forget(self._log, [sr])
        while self._over > 0 and self._largest_first(halve, _SMALL_BYTES):
            pass
        return True

    def _largest_first(self, cut: Callable[[SrLog], None], least: int) -> bool:
        """Each once, until it fits; whether there was one to cut."""
        found = [sr for sr in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True) if self._sizes[sr] > least]
        for sr in found:
            if self._over <= 0:
                break
            cut(self._log.srs[sr])
            self._log.sr_versions[sr] = self._log.version
            self._log.version += 1
            size_bytes = self._packer.size(self._host, self._log, sr)
            self._over -= self._sizes[sr] - size_bytes
            self._sizes[sr] = size_bytes
        return bool(found)


def thin_out(log: SrLog) -> None:
    """Older runs, and the older half of the images that were merged or found to be sound."""
    log.runs.keep(_RUNS_LEFT)
    _older_half_of(log.merged_at, log.passed_at)


def halve(log: SrLog) -> None:
    """The older half of everything that there are many of."""
    log.runs.keep(len(log.runs.by_key) // 2)
    log.incidents.keep(len(log.incidents) // 2)
    log.trees = log.trees.newest(len(log.trees.nodes) // 2)
    _older_half_of(log.merge_started, log.copy_started, log.merged_at, log.passed_at, log.snapshots_open)


def _older_half_of(*tables: dict[str, LineRef]) -> None:
    for table in tables:
        for key in list(table)[: (len(table) + 1) // 2]:
            del table[key]
