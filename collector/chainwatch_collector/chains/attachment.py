"""Which hosts have an SR attached and by how many of their paths, and how those hosts stand."""

from dataclasses import dataclass
from typing import Literal

from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.inventory.records import Host, Pbd, Sr

Standing = Literal["up", "disabled", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class PathCount:
    """Paths of one LUN by its SCSI id (`mpath-<id>`), or iSCSI sessions (`iscsi`)."""

    name: str
    current: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """One host and one SR. `pbd` None: a shared SR that this host was never given.

    `degraded`: paths and sessions below their maximum, told only while attached.
    """

    host: Host
    pbd: Pbd | None
    attached: bool
    standing: Standing
    degraded: tuple[PathCount, ...] = ()

    @property
    def missing(self) -> bool:
        """Not attached though the host is there to use it. Where the host is down or disabled that is its effect."""
        return not self.attached and self.standing not in ("down", "disabled")


def standing(host: Host) -> Standing:
    """`host_metrics.live` and `host.enabled`. A host that is not live is down, whatever else it says."""
    if host.live is False:
        return "down"
    if not host.enabled:
        return "disabled"
    return "up" if host.live else "unknown"


def attachments(index: PoolIndex, sr: Sr) -> tuple[Attachment, ...]:
    """One for each PBD of the SR; for a shared SR also one for each host of the pool without a PBD."""
    found: list[Attachment] = []
    given: set[str] = set()
    for pbd in index.pbds(sr.ref):
        host = index.picture.hosts.get(pbd.host_ref)
        given.add(pbd.host_ref)
        if host is not None:
            degraded = _degraded(pbd) if pbd.currently_attached else ()
            found.append(Attachment(host, pbd, pbd.currently_attached, standing(host), degraded))
    if sr.shared and not sr.is_tools_sr and given:
        without = (host for ref, host in index.picture.hosts.items() if ref not in given)
        found += [Attachment(host, None, False, standing(host)) for host in without]
    return tuple(found)


def _degraded(pbd: Pbd) -> tuple[PathCount, ...]:
    """`PBD.other_config`: `mpath-<scsi id>` = "[current, maximum]", written by mpathcount.py; `iscsi_sessions`."""
    counts = [PathCount(scsi_id, *told) for scsi_id, told in sorted(pbd.paths.items())]
    if pbd.iscsi_sessions is not None:
        counts.append(PathCount("iscsi", *pbd.iscsi_sessions))
    return tuple(count for count in counts if count.current < count.maximum)
