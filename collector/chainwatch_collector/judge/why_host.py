"""`why HOST`: is it up, does its agent report, which SRs depend on it, what runs on it now."""

from __future__ import annotations

from typing import Final

from chainwatch_collector.judge.answer import Answer, Finding
from chainwatch_collector.judge.checklist import Check
from chainwatch_collector.judge.why_asked import Asked, sr_answer, with_causes
from chainwatch_collector.judge.why_merges import copy_told, running_merge
from chainwatch_collector.judge.why_sources import agent_reports, known_now, log_known, pool_reachable
from chainwatch_collector.track.state import HostState, SrState
from chainwatch_collector.words import STATE_STATUS, clock, plural, short

UP: Final = "up and enabled"
ATTACHED: Final = "its SRs attached"
STORAGE: Final = "storage answers"
CLOCK: Final = "clock and certificates"
DUTY: Final = "GC of its SRs"
MERGES: Final = "merges running on it"
REBOOT: Final = "may be rebooted now"
ASIDE: Final = frozenset((REBOOT,))
VERSION: Final = "new enough"
NAMES_SHOWN: Final = 5


def findings(answer: Answer, host: HostState) -> tuple[Finding, ...]:
    """Those about the host and its agent, with their causes."""
    own = [one for one in answer.findings if one.subject.uuid == host.key or one.subject.kind == "pool"]
    return with_causes(answer, own)


def checks(asked: Asked, host: HostState) -> tuple[Check, ...]:
    """The lines in their order."""
    lines = [
        pool_reachable(asked),
        _up(asked, host),
        agent_reports(asked, host, "agent reporting"),
        log_known(asked, host),
    ]
    lines += [_clock(asked, host), _version(asked, host), _attached(asked, host), _storage(asked, host)]
    running = _running(asked, host)
    merges = Check(MERGES, "info" if running else "ok", "; ".join(running[:NAMES_SHOWN]) or "none is seen")
    return (*lines, _duty(asked, host), merges, _reboot(asked, host, running))


def _up(asked: Asked, host: HostState) -> Check:
    judged = asked.judged(UP, "HOST_DOWN")
    if judged is not None:
        return judged
    record = host.record
    if record is None:
        return Check(UP, "unknown", "the inventory does not have it")
    if record.live is False:
        return Check(UP, "warning", "XAPI does not see it alive")
    if not record.enabled:
        return Check(UP, "info", "disabled (maintenance)")
    return Check(UP, "ok", "alive and enabled")


def _clock(asked: Asked, host: HostState) -> Check:
    judged = asked.judged(CLOCK, "CLOCK_SKEW", "CERTIFICATE_EXPIRING")
    if judged is not None:
        return judged
    ahead = host.clock_ahead_seconds
    if ahead is None:
        return Check(CLOCK, "skipped" if asked.state.offline else "unknown", "no agent tells its time")
    return Check(CLOCK, "ok", f"its clock differs by {abs(ahead):.1f} s")


def _version(asked: Asked, host: HostState) -> Check:
    judged = asked.judged(VERSION, "HOST_TOO_OLD")
    if judged is not None:
        return judged
    software = host.record.software if host.record is not None else {}
    told = " ".join(filter(None, (software.get("product_brand", ""), software.get("product_version", ""))))
    return Check(VERSION, "ok" if told else "unknown", told or "its version is not known")


def _attached(asked: Asked, host: HostState) -> Check:
    judged = asked.judged(ATTACHED, "SR_DETACHED")
    if judged is not None:
        return judged
    picture = asked.state.picture
    if picture is None or host.record is None:
        return Check(ATTACHED, "unknown", "only the inventory tells")
    pbds = [pbd for pbd in picture.pbds.values() if pbd.host_ref == host.record.ref]
    off = [pbd for pbd in pbds if not pbd.currently_attached]
    names = sorted(picture.srs[pbd.sr_ref].name for pbd in off if pbd.sr_ref in picture.srs)
    if off:
        return Check(ATTACHED, "warning", f"{len(off)} of {len(pbds)} are not: {', '.join(names[:NAMES_SHOWN])}")
    return Check(ATTACHED, "ok", f"all {len(pbds)} are")


def _storage(asked: Asked, host: HostState) -> Check:
    judged = asked.judged(STORAGE, "SR_IO_ERRORS", "SR_PATHS_DEGRADED", "LINSTOR_DEGRADED", "SR_SLOW")
    if judged is not None:
        return judged
    if not known_now(asked, host):
        return Check(STORAGE, "unknown", "its log is not known up to now")
    return Check(STORAGE, "ok", f"no trouble stands in its logs, read up to {clock(host.covered_until)}")


def duties(asked: Asked, host: HostState) -> list[SrState]:
    """The SRs whose GC it runs."""
    return [sr for sr in asked.state.srs.values() if sr.gc_host == host.key and not sr.no_gc]


def _duty(asked: Asked, host: HostState) -> Check:
    mine = duties(asked, host)
    if not mine:
        return Check(DUTY, "skipped", "it runs the GC of no SR: not the master, and no local SR with chains")
    words = {sr.name or sr.uuid: _state(asked, sr) for sr in mine}
    bad = {name: word for name, word in words.items() if STATE_STATUS.get(word) != "ok"}
    if not bad:
        return Check(DUTY, "ok", f"{plural(len(mine), 'SR')}, all well")
    told = ", ".join(f"{name} {word}" for name, word in sorted(bad.items())[:NAMES_SHOWN])
    unknown = all(word == "unknown" for word in bad.values())
    return Check(DUTY, "unknown" if unknown else "warning", f"{plural(len(mine), 'SR')}; {told}")


def _state(asked: Asked, sr: SrState) -> str:
    answer = sr_answer(asked.answer, sr)
    return answer.state if answer is not None else "unknown"


def _running(asked: Asked, host: HostState) -> list[str]:
    """The merges that run on the host: by the log of its GC, and by its own processes."""
    told = []
    for sr in asked.state.srs.values():
        if sr.open_run is None or sr.open_run.key.host != host.key:
            continue
        merge = running_merge(sr)
        if merge is not None and not any(one.copies for one in sr.processes):
            told.append(f"{merge.kind} merge of {short(merge.child)} on {sr.name or sr.uuid}")
    by_uuid = asked.state.srs
    told += [
        copy_told(by_uuid[one.process.sr_uuid], one)
        for one in host.processes
        if one.copies and one.process.sr_uuid in by_uuid
    ]
    return told


def _reboot(asked: Asked, host: HostState, running: list[str]) -> Check:
    """Whether a reboot, or another master, would cut off a merge: that leaves its parent without a footer at worst."""
    if host.record is not None and host.record.live is False:
        return Check(REBOOT, "skipped", "it is down")
    if running:
        told = plural(len(running), "running merge")
        return Check(REBOOT, "error", f"no, and the master may not move away from it: that would cut off {told}")
    if not known_now(asked, host):
        return Check(REBOOT, "unknown", "whether a merge runs on it cannot be told: its log is not known up to now")
    return Check(REBOOT, "ok", "yes, and the master may move away from it: no merge runs on it")
