"""What a pool is made of: hosts, SRs of every type, VMs with disks. Records as full as xapi's, synthetic values.

Names are unique by class in the lab, so that tests find objects by name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.xapi import estate_fields
from lab.xapi.database import Database
from lab.xapi.images import GIB
from lab.xapi.messages import Messages
from lab.xapi.values import NULL, now


class Estate:
    """One pool's objects, written straight into its database."""

    def __init__(self, database: Database, messages: Messages, name: str = "pool") -> None:
        self.database = database
        self.messages = messages
        self.pool_ref = database.create("pool", name_label=name, restrictions=dict(estate_fields.RESTRICTIONS))
        self.sm_types: dict[str, str] = {}
        for kind in estate_fields.SM_FEATURES:
            self.sm_types[kind] = self._add_sm(kind)

    def find(self, class_name: str, name: str) -> str:
        """The reference of the object so named. Raises `KeyError`."""
        for ref, row in self.database.tables[class_name].rows.items():
            if row.fields["name_label"] == name:
                return ref
        raise KeyError(f"no {class_name} named {name!r}")

    def ref(self, class_name: str, name_or_uuid: str) -> str:
        """By uuid, by reference or by name. Raises `KeyError`."""
        table = self.database.tables[class_name]
        if name_or_uuid in table.rows:
            return name_or_uuid
        return table.by_uuid.get(name_or_uuid) or self.find(class_name, name_or_uuid)

    def add_host(self, name: str, address: str, uuid: str = "") -> str:
        """A host with its metrics and its control domain; its reference."""
        metrics = self.database.create("host_metrics", last_updated=now())
        ref = self.database.create(
            "host",
            uuid=uuid,
            name_label=name,
            hostname=name,
            address=address,
            metrics=metrics,
            allowed_operations=["provision", "vm_start", "evacuate", "vm_migrate", "vm_resume", "shutdown", "reboot"],
            software_version=dict(estate_fields.SOFTWARE_VERSION),
            license_params=dict(estate_fields.LICENSE_PARAMS),
            other_config={"agent_start_time": "1764000000.", "boot_time": "1763999900."},
            iscsi_iqn=f"iqn.2026-11.lab.example:{name}",
        )
        domain = self.database.create(
            "VM",
            name_label=f"Control domain on host: {name}",
            is_control_domain=True,
            power_state="Running",
            resident_on=ref,
            domid=0,
        )
        self.database.set("host", ref, control_domain=domain)
        return ref

    def add_sr(
        self,
        kind: str,
        name: str,
        hosts: Sequence[str] = (),
        size_bytes: int = 1024 * GIB,
        used_bytes: int = 0,
        sm_config: Mapping[str, str] | None = None,
        other_config: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> str:
        """An SR of SM type `kind`, plugged on `hosts` (all for a shared type, the first else); its reference."""
        shared = kind in estate_fields.SHARED_TYPES
        everybody = list(self.database.tables["host"].rows)
        ref = self.database.create(
            "SR",
            name_label=name,
            type=kind,
            shared=shared,
            content_type={"iso": "iso", "udev": "disk"}.get(kind, "user"),
            physical_size=size_bytes,
            physical_utilisation=used_bytes,
            allowed_operations=["scan", "vdi_create", "vdi_snapshot", "unplug", "pbd_create", "update", "forget"],
            sm_config=dict(estate_fields.SR_SM_CONFIG.get(kind, {}) if sm_config is None else sm_config),
            other_config=dict({"auto-scan": "true"} if other_config is None else other_config),
            **fields,
        )
        for host in hosts or (everybody if shared else everybody[:1]):
            self.database.create(
                "PBD",
                host=host,
                SR=ref,
                device_config=dict(estate_fields.DEVICE_CONFIG.get(kind, {})),
                other_config=dict(estate_fields.PBD_OTHER_CONFIG.get(kind, {})),
            )
        return ref

    def add_vm(self, name: str, host: str | None = None, disks: Sequence[str] = (), **fields: Any) -> str:
        """A VM, running on `host` or halted, with `disks` (VDI references) on xvda, xvdb …; its reference."""
        metrics = self.database.create("VM_metrics", last_updated=now())
        running = host is not None
        guest = self.database.create("VM_guest_metrics", **estate_fields.guest_metrics()) if running else NULL
        ref = self.database.create(
            "VM",
            name_label=name,
            metrics=metrics,
            guest_metrics=guest,
            power_state="Running" if running else "Halted",
            resident_on=host or NULL,
            allowed_operations=["snapshot", "clean_shutdown", "pool_migrate"] if running else ["snapshot", "start"],
            domid=len(self.database.tables["VM"].rows) if running else -1,
            xenstore_data={"vm-data/secret": "guest-secret-value"},
            **fields,
        )
        for position, disk in enumerate(disks):
            self.attach(ref, disk, position)
        return ref

    def attach(self, vm: str, vdi: str, position: int = 0, mode: str = "RW") -> str:
        """A VBD; on a running VM the disk is attached on its host, as `host_<ref>` says. Returns its reference."""
        record = self.database.get("VM", vm)
        running = record["power_state"] == "Running"
        ref = self.database.create(
            "VBD",
            VM=vm,
            VDI=vdi,
            device=f"xvd{chr(ord('a') + position)}",
            userdevice=str(position),
            bootable=position == 0,
            mode=mode,
            currently_attached=running,
            allowed_operations=["attach"] if not running else ["unplug"],
        )
        if running:
            self.database.put("VDI", vdi, "sm_config", {f"host_{record['resident_on']}": mode})
        return ref

    def begin_task(self, name: str, sr: str = NULL, description: str = "", **other_config: str) -> str:
        """A pending task, on an SR if one is named; its reference."""
        applies = {"applies_to": sr} if sr != NULL else {}
        return self.database.create(
            "task",
            name_label=name,
            name_description=description,
            created=now(),
            resident_on=self.database.get("pool", self.pool_ref)["master"],
            other_config={**applies, **other_config},
        )

    def end_task(self, task: str, status: str = "success", error_info: Sequence[str] = ()) -> None:
        """Finished; it stays until xapi's database GC takes it (`database.destroy`)."""
        self.database.set("task", task, status=status, progress=1.0, finished=now(), error_info=list(error_info))

    def _add_sm(self, kind: str) -> str:
        features = estate_fields.SM_FEATURES[kind]
        return self.database.create(
            "SM",
            type=kind,
            name_label=kind.upper(),
            driver_filename=f"/opt/xensource/sm/{kind.upper()}SR",
            features=dict.fromkeys(features, "1"),
            capabilities=list(features),
            supported_image_formats=["vhd", "qcow2"] if kind not in estate_fields.NO_IMAGES else [],
        )
