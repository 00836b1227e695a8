"""Field values of the lab's objects: shapes as in the field, content made up. Secrets are in them to be scrubbed."""

from collections.abc import Mapping
from typing import Any

from lab.xapi.values import now

RESTRICTIONS: Mapping[str, str] = {
    "restrict_rbac": "false",
    "restrict_ad": "false",
    "restrict_cbt": "false",
    "restrict_pci_device_for_auto_update": "true",
    "restrict_email_alerting": "false",
    "restrict_storage_motion": "false",
    "enable_xha": "true",
}
SOFTWARE_VERSION: Mapping[str, str] = {
    "product_version": "8.3.0",
    "product_version_text": "8.3",
    "product_version_text_short": "8.3",
    "product_brand": "XCP-ng",
    "platform_name": "XCP",
    "platform_version": "3.4.0",
    "build_number": "cloud",
    "hostname": "localhost",
    "date": "20260801T00:00:00Z",
    "dbv": "0.0.1",
    "xapi": "26.1",
    "xapi_build": "26.1.11",
    "xen": "4.17.5-15",
    "linux": "4.19.0+1",
    "xencenter_min": "2.21",
    "xencenter_max": "2.21",
    "network_backend": "openvswitch",
    "db_schema": "5.790",
}
LICENSE_PARAMS: Mapping[str, str] = {
    "restrict_rbac": "false",
    "restrict_ad": "false",
    "restrict_cbt": "false",
    "restrict_pci_device_for_auto_update": "true",
    "expiry": "20360101T00:00:00Z",
    "license_type": "",
    "address1": "",
    "company": "",
}
SHARED_TYPES = frozenset(
    {"nfs", "smb", "cephfs", "glusterfs", "lvmoiscsi", "lvmohba", "lvmofcoe", "linstor", "iso", "gfs2"}
)
NO_IMAGES = frozenset({"iso", "udev", "linstor"})
_VDI_FEATURES = (
    "SR_PROBE",
    "SR_UPDATE",
    "VDI_CREATE",
    "VDI_DELETE",
    "VDI_ATTACH",
    "VDI_DETACH",
    "VDI_RESIZE",
    "VDI_CLONE",
    "VDI_SNAPSHOT",
    "VDI_MIRROR",
    "VDI_CONFIG_CBT",
    "VDI_UPDATE",
)
_FILE_FEATURES = (*_VDI_FEATURES, "THIN_PROVISIONING", "VDI_READ_CACHING", "SR_SUPPORTS_LOCAL_CACHING")
SM_FEATURES: Mapping[str, tuple[str, ...]] = {
    "ext": _FILE_FEATURES,
    "nfs": _FILE_FEATURES,
    "smb": _FILE_FEATURES,
    "cephfs": _FILE_FEATURES,
    "file": _FILE_FEATURES,
    "lvm": _VDI_FEATURES,
    "lvmoiscsi": _VDI_FEATURES,
    "lvmohba": _VDI_FEATURES,
    "linstor": (*_VDI_FEATURES, "THIN_PROVISIONING"),
    "iso": ("VDI_CREATE", "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH", "SR_SCAN"),
    "udev": ("VDI_INTRODUCE", "VDI_ATTACH", "VDI_DETACH", "VDI_UPDATE", "VDI_MIRROR"),
    "zfs-ng": ("SR_ATTACH", "SR_DETACH", "VDI_CREATE", "VDI_SNAPSHOT", "VDI_CLONE", "LARGE_VDI"),
}
SR_SM_CONFIG: Mapping[str, Mapping[str, str]] = {
    "lvm": {"allocation": "thick", "use_vhd": "true", "devserial": "scsi-36001405aa"},
    "lvmoiscsi": {"allocation": "thick", "use_vhd": "true", "multipathable": "true", "devserial": "scsi-36001405bb"},
    "lvmohba": {"allocation": "thick", "use_vhd": "true", "multipathable": "true", "devserial": "scsi-36001405cc"},
    "udev": {"type": "cd"},
}
DEVICE_CONFIG: Mapping[str, Mapping[str, str]] = {
    "nfs": {"server": "192.0.2.10", "serverpath": "/srv/vms", "options": ""},
    "smb": {"server": "\\\\192.0.2.11\\vms", "username": "backup", "cifspassword_secret": "device-config-secret"},
    "cephfs": {"server": "192.0.2.12", "serverpath": "/", "options": "name=admin,secret=device-config-secret"},
    "ext": {"device": "/dev/disk/by-id/scsi-36001405dd-part3"},
    "lvm": {"device": "/dev/disk/by-id/scsi-36001405aa-part3"},
    "file": {"location": "/srv/vms"},
    "lvmoiscsi": {
        "target": "192.0.2.13",
        "targetIQN": "iqn.2026-11.lab.example:target",
        "SCSIid": "36001405bb",
        "port": "3260",
        "chapuser": "initiator",
        "chappassword": "device-config-secret",
    },
    "lvmohba": {"SCSIid": "36001405cc"},
    "linstor": {"group-name": "linstor_group/thin_device", "redundancy": "2", "provisioning": "thin"},
    "iso": {"location": "192.0.2.14:/srv/iso", "type": "nfs_iso", "cifspassword": "device-config-secret"},
    "udev": {"location": "/dev/xapi/cd"},
}
PBD_OTHER_CONFIG: Mapping[str, Mapping[str, str]] = {
    "lvmoiscsi": {"multipathed": "true", "mpath-36001405bb": "[2, 2]", "iscsi_sessions": "2"},
    "lvmohba": {"multipathed": "true", "mpath-36001405cc": "[4, 4]"},
}


def guest_metrics() -> dict[str, Any]:
    """A running guest with its tools."""
    return {
        "os_version": {"name": "Debian GNU/Linux 13", "distro": "debian", "major": "13", "uname": "6.12.48"},
        "PV_drivers_version": {"major": "8", "minor": "4", "micro": "0", "build": "1"},
        "networks": {"0/ip": "192.0.2.100", "0/ipv4/0": "192.0.2.100"},
        "last_updated": now(),
    }
