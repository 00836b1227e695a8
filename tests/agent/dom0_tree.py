"""The files of a dom0 that the agent reads besides its logs, written below a directory as dom0 has them."""

import os
from typing import Dict

SR = "1f74d512-a410-be6f-c816-8a1e43ea1801"
VDI = "0920e6e7-319e-45a9-a15d-1c3dedf6db27"
HOST = "a1b2c3d4-0000-4000-8000-00000000000a"
UNIT = "SMGC@{}.service".format(SR.replace("-", "\\x2d"))

INVENTORY = """\
PRODUCT_BRAND='XCP-ng'
PRODUCT_NAME='xenenterprise'
PRODUCT_VERSION='8.3.0'
PRODUCT_VERSION_TEXT='8.3'
INSTALLATION_UUID='{}'
MANAGEMENT_INTERFACE='xenbr0'
""".format(HOST)

FILES: Dict[str, str] = {
    "etc/xensource-inventory": INVENTORY,
    "etc/machine-id": "b" * 32 + "\n",
    "usr/share/doc/sm-3.2.12/README.md": "",
    "usr/share/doc/sm-fairlock-9/README": "",
    "proc/sys/kernel/random/boot_id": "3f2c0d52-0000-4000-8000-000000000001\n",
    "proc/sys/kernel/hostname": "xcp-1\n",
    "proc/sys/kernel/osrelease": "4.19.0+1\n",
    "proc/stat": "cpu  1 2 3\nbtime 1795619949\nprocesses 7\n",
    "proc/loadavg": "1.25 0.50 0.25 2/300 4711\n",
    "proc/meminfo": "MemTotal:        2048000 kB\nMemFree:           10240 kB\nMemAvailable:     512000 kB\n",
    "var/log/SMlog": "",
    "run/nonpersistent/sm/{}/gc_init".format(SR): "",
    "run/nonpersistent/sm/{}/gc_running_{}".format(SR, VDI): "7",
    "run/sm/ipc/{}/abort".format(SR): "4711\n",
    "run/{}.speed_log".format(SR): "".join("{}.5\n".format(1000 + n) for n in range(12)),
    "sys/fs/cgroup/systemd/system.slice/system-SMGC.slice/{}/cgroup.procs".format(UNIT): "4711\n4712\n",
}


def write_dom0(root: str) -> None:
    """All FILES below `root`; /var/run and /var/lock lead to /run as in dom0, the zone is Berlin's."""
    for path, text in FILES.items():
        write(root, path, text)
    os.symlink("../run", os.path.join(root, "var/run"))
    os.symlink("../usr/share/zoneinfo/Europe/Berlin", os.path.join(root, "etc/localtime"))


def write(root: str, path: str, text: str) -> str:
    """One file, with its directories."""
    target = os.path.join(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    return target
