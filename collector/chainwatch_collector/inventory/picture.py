"""The picture of one pool at one moment: immutable maps of slim records, cheap to take anew after a change.

The owner of the session builds one after every batch of events and shares what did not change, so that `srs_changed`
by comparison of the per-SR maps' identity costs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.inventory.records import (
    Host,
    HostRates,
    Message,
    Pbd,
    Pool,
    Ref,
    SmType,
    Sr,
    Task,
    Vbd,
    Vdi,
    Vm,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What XenAPI said of a pool, and when. `problem` says in a line why it cannot be asked now, empty while it can.

    `vdis_by_sr`: SR ref → uuid → Vdi. A picture without a `pool` was never taken. `complete`: classes that were read.
    """

    pool: Pool | None
    as_of: datetime | None
    problem: str = ""
    problem_since: datetime | None = None
    hosts: Mapping[Ref, Host] = field(default_factory=dict)
    srs: Mapping[Ref, Sr] = field(default_factory=dict)
    vdis_by_sr: Mapping[Ref, Mapping[str, Vdi]] = field(default_factory=dict)
    vms: Mapping[Ref, Vm] = field(default_factory=dict)
    vbds: Mapping[Ref, Vbd] = field(default_factory=dict)
    pbds: Mapping[Ref, Pbd] = field(default_factory=dict)
    sm_types: Mapping[str, SmType] = field(default_factory=dict)
    tasks: Mapping[Ref, Task] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    # How master and attachments came to be as they are: last changes seen in this session, None where never seen.
    master_since: datetime | None = None
    host_enabled_since: Mapping[Ref, datetime] = field(default_factory=dict)
    pbd_attached_since: Mapping[Ref, datetime] = field(default_factory=dict)
    # Host uuid → its newest rates; only hosts that were asked, which happens while a transfer runs.
    rates: Mapping[str, HostRates] = field(default_factory=dict)

    @property
    def reachable(self) -> bool:
        """Whether XenAPI answers now."""
        return self.pool is not None and not self.problem

    def vdis(self, sr_ref: Ref) -> Mapping[str, Vdi]:
        """uuid → Vdi of one SR."""
        return self.vdis_by_sr.get(sr_ref, {})

    def all_vdis(self) -> Iterator[Vdi]:
        """Every VDI of the pool."""
        for vdis in self.vdis_by_sr.values():
            yield from vdis.values()

    def sr_by_uuid(self, uuid: str) -> Sr | None:
        """The SR with this uuid."""
        return next((sr for sr in self.srs.values() if sr.uuid == uuid), None)

    def host_by_uuid(self, uuid: str) -> Host | None:
        """The host with this uuid."""
        return next((host for host in self.hosts.values() if host.uuid == uuid), None)
