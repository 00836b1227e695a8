"""A whole installation: pools with their XenAPI, a dom0 with a real agent per host, one real collector.

What a dom0's garbage collector does to its images is done to the pool's VDIs too, so that log and XenAPI agree as they
do in life.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.agent_process import AgentProcess
from lab.collector_process import CollectorProcess
from lab.dom0.host import Dom0Process, HostDirectory
from lab.pki import Pki
from lab.xapi.process import LabProcess, lab_process

GIB = 1 << 30


def stable_uuid(*names: str) -> str:
    """The same for the same names, in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(names)))


@dataclass
class Disk:
    """One image of a chain, as a dom0's files and as a VDI. `blocks`: from, to, of 2 MiB each."""

    name: str
    parent: str | None = None
    hidden: bool = True
    blocks: tuple[int, int] = (0, 64)
    size_gib: int = 20


@dataclass
class Storage:
    """One SR with its images. `vms`: name → the disk that it has, `guests`: name → its host where not the master.

    `mounted_from`: the filer's export, where the hosts' mount tables are to name it.
    """

    kind: str
    name: str
    disks: Sequence[Disk] = ()
    vms: dict[str, str] = field(default_factory=dict)
    size_gib: float = 1024
    used_gib: float = 300
    host: str = ""
    mounted_from: str = ""
    guests: dict[str, str] = field(default_factory=dict)
    image_format: str = "vhd"
    other_config: dict[str, str] = field(default_factory=dict)


@dataclass
class PoolPlan:
    """A pool; its first host is the master."""

    name: str
    hosts: Sequence[str]
    storages: Sequence[Storage]
    agents: Sequence[str] | None = None

    def host_uuids(self) -> dict[str, str]:
        return {host: stable_uuid("host", self.name, host) for host in self.hosts}

    def sr_uuid(self, storage: str) -> str:
        return stable_uuid("sr", self.name, storage)

    def vdi_uuid(self, storage: str, disk: str) -> str:
        return stable_uuid("vdi", self.name, storage, disk)

    def build(self) -> list[tuple[str, dict[str, Any]]]:
        """The operations that make the pool's objects."""
        return [operation for storage in self.storages for operation in self._build(storage)]

    def _build(self, storage: Storage) -> list[tuple[str, dict[str, Any]]]:
        fields: dict[str, Any] = {
            "uuid": self.sr_uuid(storage.name),
            "size_bytes": round(storage.size_gib * GIB),
            "used_bytes": round(storage.used_gib * GIB),
            "other_config": {"auto-scan": "true", **storage.other_config},
        }
        made: list[tuple[str, dict[str, Any]]] = [
            ("add_sr", {"kind": storage.kind, "name": storage.name, "host": storage.host, **fields})
        ]
        for disk in storage.disks:
            image: dict[str, Any] = {
                "sr": storage.name,
                "uuid": self.vdi_uuid(storage.name, disk.name),
                "name": disk.name,
                "parent": self.vdi_uuid(storage.name, disk.parent) if disk.parent else "",
                "hidden": disk.hidden,
                "blocks": list(range(*disk.blocks)),
                "size_bytes": disk.size_gib * GIB,
                "image_format": storage.image_format,
            }
            made.append(("add_image", image))
        for vm, disk_name in storage.vms.items():
            disks = [self.vdi_uuid(storage.name, disk_name)]
            host = storage.guests.get(vm, storage.host or self.hosts[0])
            made.append(("add_vm", {"name": vm, "disks": disks, "host": host}))
        made.append(("publish_blocks", {"sr": storage.name}))
        return made


class Installation:
    """Everything of `plans`, running below `directory`. A context manager: nothing is left behind.

    `extra` goes into collector.toml; `scale` says how long SM takes for what it does, 1 as in life.
    """

    def __init__(
        self, directory: Path, plans: Sequence[PoolPlan], extra: str = "", database_url: str = "", scale: float = 1.0
    ) -> None:
        self.directory = directory
        self.scale = scale
        self.plans = {plan.name: plan for plan in plans}
        self.pki = Pki(directory / "pki")
        self.collector = CollectorProcess(directory / "collector", self.pki, database_url, extra=extra)
        self.pools: dict[str, LabProcess] = {}
        self.dom0s: dict[str, Dom0Process] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Installation:
        try:
            for plan in self.plans.values():
                self._start_pool(plan)
            self.collector.start()
            self._stack.callback(self.collector.stop)
            for plan in self.plans.values():
                for host in plan.hosts if plan.agents is None else plan.agents:
                    self._start_dom0(plan, host)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _start_pool(self, plan: PoolPlan) -> None:
        pool = self._stack.enter_context(
            lab_process(name=plan.name, hosts=list(plan.hosts), uuids=plan.host_uuids(), build=plan.build())
        )
        self.pools[plan.name] = pool
        follow_pool(self.collector, pool, plan.name)

    def _start_dom0(self, plan: PoolPlan, host: str) -> None:
        directory = HostDirectory(self.directory / f"dom0-{plan.name}-{host}", host, plan.host_uuids()[host])
        agent = AgentProcess(
            directory,
            self.pki,
            [self.collector.ingest_port],
            extra="[watch]\nseconds = 1\n",
            logs="/var/log/SMlog, /var/log/kern.log",
        )
        dom0 = Dom0Process(directory, agent.run_command, lambda change: self._changed(plan, change), self.scale)
        self._stack.callback(dom0.stop)
        self.dom0s[host] = dom0
        self._boot(plan, host)

    def _boot(self, plan: PoolPlan, host: str) -> None:
        self.dom0s[host].start()
        for storage in plan.storages:
            if storage.mounted_from:
                sr_uuid = plan.sr_uuid(storage.name)
                self.dom0s[host].tell(do="mount", sr_uuid=sr_uuid, source=storage.mounted_from)

    def power_off(self, pool: str, host: str) -> None:
        """The host dies as it is, and XenAPI comes to know."""
        self.dom0s[host].power_off()
        self.pools[pool].do("power_off", host=host)

    def power_on(self, pool: str, host: str) -> None:
        """It is back, with its agent."""
        self._boot(self.plans[pool], host)
        self.pools[pool].do("power_on", host=host)

    def _changed(self, plan: PoolPlan, change: dict[str, Any]) -> None:
        pool = self.pools[plan.name]
        if "merged" in change:
            merged = change["merged"]
            pool.do("coalesce_inner" if merged["kind"] == "inner" else "coalesce_leaf", vdi=merged["child"])
        elif "refused" in change:
            pool.do("no_space", sr=change["refused"]["sr_uuid"])

    def collect(
        self,
        pool: str,
        host: str,
        storage: str,
        *,
        corrupt: str = "",
        footer_lost: str = "",
        gone: str = "",
        **faults: Any,
    ) -> threading.Event:
        """A GC run of an SR on a host, with the images that the pool has; the event is set when it has ended.

        `corrupt`, `footer_lost` name a disk, `gone` one that is merged on the SR and not yet in XenAPI; `faults` as
        `lab.dom0.gc.Collection` has them, with `undoes` a disk's name.
        """
        plan = self.plans[pool]
        if "undoes" in faults:
            faults["undoes"] = plan.vdi_uuid(storage, faults["undoes"])
        found = self.pools[pool].do("sr_images", sr=plan.sr_uuid(storage))
        for image in found["images"]:
            image["parent"] = None if gone and image["parent"] == plan.vdi_uuid(storage, gone) else image["parent"]
            image["corrupt"] = image["uuid"] == plan.vdi_uuid(storage, corrupt)
            image["footer_lost"] = image["uuid"] == plan.vdi_uuid(storage, footer_lost)
        found["images"] = [one for one in found["images"] if one["uuid"] != plan.vdi_uuid(storage, gone)]
        return self.dom0s[host].tell(do="collect", sr=found, faults=faults)


def follow_pool(collector: CollectorProcess, pool: LabProcess, name: str) -> None:
    """Write the pool into the collector's configuration; before its start."""
    pools_dir = collector.directory / "pools.d"
    pools_dir.mkdir(exist_ok=True)
    secret = pools_dir / f"{name}.password"
    secret.write_text(pool.reader_password)
    secret.chmod(0o600)
    addresses = ", ".join(f'"{address}:{pool.port}"' for address in pool.addresses.values())
    (pools_dir / f"{name}.toml").write_text(
        f'name = "{name}"\naddresses = [{addresses}]\nusername = "{pool.reader}"\n'
        f'password_file = "{secret.name}"\nca_file = "{pool.ca_file}"\n'
    )
