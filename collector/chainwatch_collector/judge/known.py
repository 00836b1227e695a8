"""Whether enough is known to say that something did not happen: rule 2, UNKNOWN is not OK."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from chainwatch_collector.chains.scope import family, gets_verdict
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Ref, Vm
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.observations import Revocation
from chainwatch_collector.track.state import HostState, PoolState, SrState

_REVOKED_STREAM_ENDS: Final = timedelta(minutes=2)
"""A revoked host's stream is looked at every minute."""


def silent(host: HostState, now: datetime, limits: Thresholds) -> bool:
    """An agent that was there and has said nothing for longer than it may. A host without one is not silent."""
    if host.last_seen_at is None:
        return False
    return (now - host.last_seen_at).total_seconds() > limits.agent_silent_seconds


def revoked(host: HostState) -> Revocation | None:
    """Who revoked it and when. One that is heard of when its stream had long to be ended has a certificate of a given
    CA, which no table of the collector's names.
    """
    told, heard = host.revoked, host.last_seen_at
    return told if told is not None and (heard is None or heard - told.at <= _REVOKED_STREAM_ENDS) else None


def covered(host: HostState | None, now: datetime, limits: Thresholds) -> bool:
    """Whether the host's log is known up to now, so that what it does not show did not happen."""
    if host is None or host.last_seen_at is None or silent(host, now, limits) or host.covered_until is None:
        return False
    return now - host.covered_until <= timedelta(seconds=limits.agent_behind_seconds)


def gc_host_state(state: PoolState, sr: SrState) -> HostState | None:
    """The host that runs the SR's GC."""
    return state.hosts.get(sr.gc_host) if sr.gc_host is not None else None


def gc_host_named(state: PoolState, sr: SrState) -> dict[str, str]:
    """The parameter of steps that look where the SR's GC runs; empty where that is not known."""
    host = gc_host_state(state, sr)
    return {"host": host.name} if host is not None else {}


def has_chains(sr: SrState) -> bool:
    """Whether SM's GC works on the SR and XenAPI shows its chains."""
    return sr.record is not None and sr.forest is not None and not sr.no_gc


def latest(*times: datetime | None) -> datetime | None:
    """The latest of those that are known."""
    return max((at for at in times if at is not None), default=None)


class Guests:
    """Who has which disk; made when it is first asked for, and gone through once then."""

    def __init__(self, picture: Picture | None) -> None:
        self._picture = picture
        self._vms: dict[Ref, set[Ref]] | None = None

    def vm_of(self, sr: SrState, vdi_uuid: str) -> Vm | None:
        """The one guest that has the disk; None where none has it, or several do."""
        picture = self._picture
        vdi = picture.vdis(sr.ref).get(vdi_uuid) if picture is not None and sr.ref is not None else None
        if picture is None or vdi is None:
            return None
        if self._vms is None:
            self._vms = {}
            for vbd in picture.vbds.values():
                if vbd.vdi_ref is not None:
                    self._vms.setdefault(vbd.vdi_ref, set()).add(vbd.vm_ref)
        vms = self._vms.get(vdi.ref, set())
        guests = [picture.vms[ref] for ref in vms if ref in picture.vms and gets_verdict(picture.vms[ref])]
        return guests[0] if len(guests) == 1 else None


def vhd_path(sr: SrState, vdi_uuid: str) -> str:
    """Where the image is on its GC host (smlog.md 4.3); empty for QCOW2, LINSTOR and what is not known."""
    node = sr.forest.nodes.get(vdi_uuid) if sr.forest is not None else None
    if sr.record is None or len(vdi_uuid) != 36 or (node is not None and node.vdi.image_format not in (None, "vhd")):
        return ""
    if family(sr.record) == "lvm":
        return f"/dev/VG_XenStorage-{sr.uuid}/VHD-{vdi_uuid}"
    return f"/var/run/sr-mount/{sr.uuid}/{vdi_uuid}.vhd" if family(sr.record) == "file" else ""


def leaf_params(state: PoolState, guests: Guests, sr: SrState, vdi_uuid: str) -> dict[str, str]:
    """What the steps of a leaf merge need: the GC host, and for the coalesce-leaf plugin, which is for LVM, the VM."""
    vm = guests.vm_of(sr, vdi_uuid)
    if vm is None or sr.record is None or sr.gc_host is None or family(sr.record) != "lvm":
        return gc_host_named(state, sr)
    return {**gc_host_named(state, sr), "gc_host_uuid": sr.gc_host, "vm_uuid": vm.uuid}
