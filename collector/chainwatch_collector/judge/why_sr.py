"""`why SR`: the checklist of a seasoned engineer, from "can anybody be asked" to "how much room is in the chains"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from chainwatch_collector.judge.checklist import Check
from chainwatch_collector.judge.why_asked import Asked, gc_host_of, pbd_of
from chainwatch_collector.judge.why_merges import (
    chain_depth,
    failed_merges,
    merge_process,
    merges_to_do,
    space_for_merge,
)
from chainwatch_collector.judge.why_runs import last_run, run_waits
from chainwatch_collector.judge.why_sentences import stopped
from chainwatch_collector.judge.why_sources import agent_reports, known_now, log_known, pool_reachable
from chainwatch_collector.track.state import HostState, SrState

AGENT: Final = "agent on the GC host reporting"
ATTACHED: Final = "SR attached on the GC host"
ENABLED: Final = "GC host up and enabled"
STORAGE: Final = "storage answers"
SCAN: Final = "scan works"
SWITCHES: Final = "gc, coalesce, leaf-coalesce on"
_SWITCHES: Final = ("gc", "coalesce", "leaf-coalesce")


@dataclass(frozen=True, slots=True)
class SrAsked:
    """One SR in question. `host`: of its GC, None where that is not known."""

    asked: Asked
    sr: SrState
    host: HostState | None


def checks(asked: Asked, sr: SrState) -> tuple[Check, ...]:
    """The lines in their order. `asked.findings` are the SR's. An SR without GC is told so and no more."""
    host = gc_host_of(asked.state, sr)
    if sr.no_gc:
        return (pool_reachable(asked), Check("SM's GC works on it", "skipped", sr.no_gc))
    one = SrAsked(asked, sr, host)
    lines = [pool_reachable(asked), agent_reports(asked, host, AGENT), log_known(asked, host)]
    lines += [question(one) for question in _PLACE]
    lines += [last_run(asked, sr, host), run_waits(asked, sr, host)]
    lines += [merges_to_do(asked, sr), space_for_merge(asked, sr)]
    lines += [
        merge_process(asked, sr, host, _blocked_by(asked, sr, lines)),
        failed_merges(asked, sr, host),
        chain_depth(asked, sr),
    ]
    return tuple(lines)


def _blocked_by(asked: Asked, sr: SrState, lines: Sequence[Check]) -> str:
    """The first line that is why merges are not being done; empty while they are."""
    if not stopped(asked, sr):
        return ""
    return next((line.name for line in lines if line.status in ("error", "warning")), "")


def _attached(one: SrAsked) -> Check:
    judged = one.asked.judged(ATTACHED, "SR_DETACHED")
    if judged is not None:
        return judged
    if one.asked.state.picture is None or one.sr.record is None:
        return Check(ATTACHED, "unknown", "only the inventory tells, and there is none")
    pbd = pbd_of(one.asked.state, one.sr, one.host)
    if one.host is None:
        return Check(ATTACHED, "unknown", "it is attached on no host, or a local SR on several: no host runs its GC")
    if pbd is None:
        return Check(ATTACHED, "warning", f"{one.host.name} has no PBD of it")
    if not pbd.currently_attached:
        return Check(ATTACHED, "warning", f"the PBD on {one.host.name} is not attached")
    role = "the pool's master" if one.sr.record.shared else "the only host that has it"
    return Check(ATTACHED, "ok", f"attached on {one.host.name}, {role}")


def _enabled(one: SrAsked) -> Check:
    judged = one.asked.judged(ENABLED, "HOST_DOWN")
    if judged is not None:
        return judged
    record = one.host.record if one.host is not None else None
    if one.host is None or record is None:
        return Check(ENABLED, "unknown", "only the inventory tells, and it has no such host")
    if record.live is False:
        return Check(ENABLED, "warning", f"XAPI does not see {record.name} alive")
    if not record.enabled:
        return Check(ENABLED, "info", f"{record.name} is disabled (maintenance): SM waits until it is enabled")
    return Check(ENABLED, "ok", f"{record.name} is up and enabled")


def _storage(one: SrAsked) -> Check:
    judged = one.asked.judged(STORAGE, "SR_IO_ERRORS", "SR_PATHS_DEGRADED", "LINSTOR_DEGRADED", "SR_SLOW")
    if judged is not None:
        return judged
    if not known_now(one.asked, one.host):
        return Check(STORAGE, "unknown", "the log of its GC host is not known up to now")
    return Check(STORAGE, "ok", "no I/O error, lost path or long LVM call is open in the logs read")


def _scan(one: SrAsked) -> Check:
    judged = one.asked.judged(SCAN, "SR_SCAN_FAILED", "VDI_PARENT_MISSING", "VDI_LOST")
    if judged is not None:
        return judged
    seen = one.sr.scan_ok or one.sr.full_run or (one.sr.tree.ref if one.sr.tree is not None else None)
    if one.sr.scan_failures:
        return Check(SCAN, "info", f"the last scan failed, {one.sr.scan_failures} in a row so far")
    if seen is None:
        return Check(SCAN, "unknown", "no scan of it stands in the logs read")
    return Check(SCAN, "ok", f"the last one went through {one.asked.age(seen.at)}")


def _switches(one: SrAsked) -> Check:
    judged = one.asked.judged(SWITCHES, "GC_DISABLED")
    if judged is not None:
        return judged
    record = one.sr.record
    if record is not None:
        off = [name for name in _SWITCHES if record.other_config.get(name, "").strip().lower() == "false"]
    else:
        off = sorted(one.sr.switches)
    if off:
        return Check(SWITCHES, "info", f"{', '.join(off)} off in other-config; nothing is held back by that now")
    if record is None:
        return Check(SWITCHES, "unknown", "no line says that one is off; only the inventory proves that they are on")
    return Check(SWITCHES, "ok", "none is switched off in other-config")


_PLACE: Final[tuple[Callable[[SrAsked], Check], ...]] = (_attached, _enabled, _storage, _scan, _switches)
