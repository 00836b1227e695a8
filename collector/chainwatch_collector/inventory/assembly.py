"""What is known of a pool while its records and events come in, and the `Picture` of it at any moment. No I/O.

One thread owns it. Raw records are slimmed as they are put; fields that make no sense are left at their default, since
a pool must stay visible whatever one record holds.
"""

import logging
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from chainwatch_collector.inventory import changes
from chainwatch_collector.inventory.fields import Fields
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Message, Pool, Ref, SmType, Vdi
from chainwatch_collector.inventory.slim import SLIMMERS, slim_host, slim_vdi
from chainwatch_collector.inventory.tables import SrVdis, Table

LOG: Final = logging.getLogger(__name__)
KIND_OF_EVENT: Final[Mapping[str, str]] = {name.lower(): name for name in CLASSES}
"""Events name their class in lower case."""


class Assembly:
    """Every object of a pool by class and reference."""

    def __init__(self) -> None:
        self._tables: dict[str, Table[Any]] = {kind: Table() for kind in CLASSES if kind != "VDI"}
        self._vdis: dict[Ref, Vdi] = {}
        self._srs: dict[Ref, SrVdis] = {}
        self._metrics_of: dict[Ref, Ref] = {}
        self._touched: set[Ref] = set()

    @property
    def pool(self) -> Pool | None:
        """The pool itself, once it was put."""
        pools = self._tables["pool"].shown()
        return next(iter(pools.values()), None)

    def count(self, kind: str) -> int:
        """How many objects of a class there are."""
        return len(self._vdis) if kind == "VDI" else len(self._tables[kind])

    def refs(self, kind: str) -> Set[Ref]:
        """Their references."""
        return self._vdis.keys() if kind == "VDI" else set(self._tables[kind])

    def put(self, kind: str, ref: Ref, raw: Mapping[str, Any]) -> None:
        """An object as it is now."""
        f = Fields(kind, ref, raw)
        if kind == "VDI":
            self._put_vdi(f)
        elif kind == "host":
            self._metrics_of[ref] = f.reference("metrics") or ""
            self._tables[kind].put(ref, slim_host(f, self._live_of(f)))
        else:
            self._tables[kind].put(ref, SLIMMERS[kind](f))
            if kind == "host_metrics":
                self._join_live(ref)

    def drop(self, kind: str, ref: Ref) -> None:
        """An object is gone; one that was never here too."""
        if kind != "VDI":
            self._tables[kind].drop(ref)
            return
        vdi = self._vdis.pop(ref, None)
        if vdi is not None:
            self._srs[vdi.sr_ref].drop(vdi)
            self._touched.add(vdi.sr_ref)

    def sr_refs(self) -> set[Ref]:
        """SRs, those too that only VDIs name."""
        return set(self._tables["SR"]) | {ref for ref, vdis in self._srs.items() if len(vdis.rows)}

    def vdi_refs(self, sr_ref: Ref) -> set[Ref]:
        """The VDIs of one SR."""
        vdis = self._srs.get(sr_ref)
        return {vdi.ref for vdi in vdis.rows.shown().values()} if vdis is not None else set()

    def differs(self, kind: str, ref: Ref, raw: Mapping[str, Any] | None) -> bool:
        """Whether an object is otherwise here than this record of it says, None: that there is none."""
        if raw is None:
            return ref in self.refs(kind)
        f = Fields(kind, ref, raw)
        if kind == "VDI":
            vdi, bitmap = slim_vdi(f)
            sr, old = self._srs.get(vdi.sr_ref), self._vdis.get(ref)
            return old is None or sr is None or old.uuid != vdi.uuid or sr.differs(vdi, bitmap)
        row = slim_host(f, self._live_of(f)) if kind == "host" else SLIMMERS[kind](f)
        return ref not in self._tables[kind] or bool(self._tables[kind].get(ref) != row)

    def needed(self) -> list[Ref]:
        """VDIs whose record must be put again before `settle` (see `SrVdis`)."""
        return [ref for sr_ref in sorted(self._touched) for ref in self._srs[sr_ref].needed()]

    def settle(self) -> None:
        """After a batch: every number that takes two records is made, and bitmaps are forgotten."""
        for sr_ref in self._touched:
            for vdi in self._srs[sr_ref].settle():
                self._vdis[vdi.ref] = vdi
        self._touched.clear()

    def picture(self, before: Picture, as_of: datetime, messages: tuple[Message, ...]) -> Picture:
        """Everything as it is, sharing with `before` what did not change."""
        shown = {kind: table.shown() for kind, table in self._tables.items()}
        vdis_by_sr = {sr_ref: vdis.rows.shown() for sr_ref, vdis in self._srs.items() if len(vdis.rows)}
        pool, hosts, pbds = self.pool, shown["host"], shown["PBD"]
        return Picture(
            pool=pool,
            as_of=as_of,
            hosts=hosts,
            srs=shown["SR"],
            vdis_by_sr=before.vdis_by_sr if _same(before.vdis_by_sr, vdis_by_sr) else vdis_by_sr,
            vms=shown["VM"],
            vbds=shown["VBD"],
            pbds=pbds,
            sm_types=_by_type(shown["SM"], before.sm_types),
            tasks=shown["task"],
            messages=before.messages if messages == before.messages else messages,
            master_since=changes.master_since(before, pool, as_of),
            host_enabled_since=changes.host_enabled_since(before, hosts, as_of),
            pbd_attached_since=changes.pbd_attached_since(before, pbds, as_of),
        )

    def _put_vdi(self, f: Fields) -> None:
        vdi, bitmap = slim_vdi(f)
        old = self._vdis.get(vdi.ref)
        if old is not None and (old.sr_ref, old.uuid) != (vdi.sr_ref, vdi.uuid):
            self.drop("VDI", vdi.ref)
        sr = self._srs.get(vdi.sr_ref)
        if sr is None:
            sr = self._srs[vdi.sr_ref] = SrVdis()
        self._vdis[vdi.ref] = sr.put(vdi, bitmap)
        self._touched.add(vdi.sr_ref)

    def _live_of(self, host: Fields) -> bool | None:
        return self._tables["host_metrics"].get(host.reference("metrics") or "")

    def _join_live(self, metrics_ref: Ref) -> None:
        live = self._tables["host_metrics"].get(metrics_ref)
        for host_ref in self._hosts_with(metrics_ref):
            host: Host | None = self._tables["host"].get(host_ref)
            if host is not None:
                self._tables["host"].put(host_ref, replace(host, live=live))

    def _hosts_with(self, metrics_ref: Ref) -> Iterator[Ref]:
        return (host for host, metrics in self._metrics_of.items() if metrics == metrics_ref)


def _same(before: Mapping[Ref, Mapping[str, Vdi]], now: Mapping[Ref, Mapping[str, Vdi]]) -> bool:
    return before.keys() == now.keys() and all(before[ref] is now[ref] for ref in now)


def _by_type(types: Mapping[Ref, SmType], before: Mapping[str, SmType]) -> Mapping[str, SmType]:
    now = {sm_type.type: sm_type for sm_type in types.values()}
    return before if before == now else now
