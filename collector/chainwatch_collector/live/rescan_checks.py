"""May this SR be scanned now? The five questions of interfaces.md section 5, asked of the state. Pure."""

from chainwatch_collector.inventory.records import Pbd
from chainwatch_collector.judge.known import covered, gc_host_state
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.show.views import Check
from chainwatch_collector.track.state import PoolState, SrState

NOT_A_MOUNTPOINT = "isn't a mountpoint"


def prechecks(state: PoolState | None, sr_uuid: str, limits: Thresholds) -> tuple[Check, ...]:
    """Five answers in the order of the questions; unknown is not ok."""
    sr = state.srs.get(sr_uuid) if state is not None else None
    if state is None or sr is None:
        return (Check("the SR is known", "unknown", "there is no state of this SR yet: its pool is being read"),)
    return (_attached(state, sr), _no_run(state, sr, limits), _no_merge(sr), _no_scan_failure(sr), _mounted(sr))


def _attached(state: PoolState, sr: SrState) -> Check:
    name = "the SR is attached on its GC host"
    host = state.hosts.get(sr.gc_host or "")
    if host is None or host.record is None or state.picture is None:
        return Check(name, "unknown", "it is not known which host runs this SR's GC")
    pbd = _pbd(state, sr, host.record.ref)
    if pbd is None or not pbd.currently_attached:
        return Check(name, "error", f"{sr.name} is not attached on {host.name}: plug its PBD first")
    if not state.picture.reachable:
        return Check(name, "unknown", f"XenAPI does not answer: {state.picture.problem}")
    return Check(name, "ok", f"attached on {host.name}")


def _pbd(state: PoolState, sr: SrState, host_ref: str) -> Pbd | None:
    pbds = state.picture.pbds.values() if state.picture is not None else ()
    return next((pbd for pbd in pbds if pbd.sr_ref == sr.ref and pbd.host_ref == host_ref), None)


def _no_run(state: PoolState, sr: SrState, limits: Thresholds) -> Check:
    name = "no GC run is active"
    if sr.open_run is not None:
        return Check(name, "error", f"a GC run of this SR is active (pid {sr.open_run.pid}): a start now would be lost")
    if not covered(gc_host_state(state, sr), state.now, limits):
        return Check(name, "unknown", "the GC host's log is not known up to now: a run could be active unseen")
    return Check(name, "ok", "no run is active")


def _no_merge(sr: SrState) -> Check:
    name = "no merge runs"
    copies = [one for one in sr.processes if one.copies]
    if copies:
        return Check(name, "error", f"an image process copies now (pid {copies[0].process.pid})")
    return Check(name, "ok", "no image process copies")


def _no_scan_failure(sr: SrState) -> Check:
    name = "no scan failure is open"
    failed = sr.open_incidents("scan_failed")
    if failed:
        return Check(name, "error", f"the last scan failed: {failed[-1].detail or 'see chainwatch why'}")
    return Check(name, "ok", "the last scan went through" if sr.scan_ok is not None else "no scan has failed")


def _mounted(sr: SrState) -> Check:
    name = f'no "{NOT_A_MOUNTPOINT}" was logged'
    texts = [ref.text for one in sr.incidents for ref in one.proofs if NOT_A_MOUNTPOINT in ref.text]
    texts += [one.detail for one in sr.incidents if NOT_A_MOUNTPOINT in one.detail]
    if texts:
        return Check(name, "error", "the mount is doubtful: a scan now could drop the records of every VDI")
    return Check(name, "ok", "nothing of the kind is open")
