"""Lines of daemon.log, kern.log, user.log and drbd-kern.log that carry a reason (SMlog catalogue 1.5).

Here only literals count: such a log is the whole host's, and a line without one of them is none of ours. Ids are
DA (daemon), KE (kernel), US (libvhd and tap-ctl), DR (drbd).
"""

from __future__ import annotations

from chainwatch_collector.read.rules import Row

DAEMON = (
    Row("DA1", "systemd", "Starting Garbage Collector for SR {sr:uuid}...", "unit_started"),
    Row("DA2", "systemd", "Started Garbage Collector for SR {sr:uuid}."),
    Row("DA3", "systemd", "Failed to start Garbage Collector for SR {sr:uuid}.", "unit_failed"),
    Row("DA4", "systemd", "SMGC@{unit:word}: main process exited, code={how:any}", "unit_exited"),
    Row("DA4", "systemd", "SMGC@{unit:word}: Main process exited, code={how:any}", "unit_exited"),
    Row("DA5", "systemd", "SMGC@{any}"),
    Row("DA5", "systemd", "Unit SMGC@{any}"),
    Row("DA5", "systemd", "Stopping Garbage Collector for SR {any}"),
    Row("DA5", "systemd", "Stopped Garbage Collector for SR {any}"),
    Row("DA6", "", "All output goes to log"),
    Row("DA7", "multipathd", "{map:word}: remaining active paths: {n:n}", "path_changed"),
    Row("DA7", "multipathd", "{map:word}: mark as failed", "path_changed"),
    Row("DA8", "iscsid", "Kernel reported iSCSI connection {any}", "path_changed"),
    Row("DA9", "tapdisk", "{detail:any}", "tapdisk_said"),
)

KERNEL = (
    Row("KE1", "kernel", "blk_update_request: {what:word} error, dev {device:word}, {any}", "kernel_io"),
    Row("KE1", "kernel", "blk_update_request: I/O error, dev {device:word} {any}", "kernel_io"),
    Row("KE1", "kernel", "print_req_error: {any} error, dev {device:word}, {any}", "kernel_io"),
    Row("KE1", "kernel", "end_request: I/O error, dev {device:word}, {any}", "kernel_io"),
    Row("KE2", "kernel", "Buffer I/O error on device {device:word} {any}", "kernel_io"),
    Row("KE2", "kernel", "Buffer I/O error on dev {device:word} {any}", "kernel_io"),
    Row("KE3", "kernel", "EXT4-fs error (device {device:word} {any}", "kernel_io"),
    Row("KE3", "kernel", "EXT4-fs ({device:word} Remounting filesystem read-only", "read_only"),
    Row("KE3", "kernel", "Aborting journal on device {device:word}", "read_only"),
    Row("KE3", "kernel", "XFS ({device:word} {detail:any}", "kernel_xfs"),
    Row("KE4", "kernel", "nfs: server {server:word} not responding, {any}", "nfs_down"),
    Row("KE4", "kernel", "nfs: server {server:word} OK", "nfs_up"),
    Row("KE4", "kernel", "CIFS VFS: {any} has not responded in {any}", "nfs_down"),
    Row("KE5", "kernel", "device-mapper: multipath: Failing path {device:word}", "path_changed"),
    Row("KE5", "kernel", "device-mapper: multipath: {any}Reinstating path {device:word}"),
    Row("KE5", "kernel", " connection{device:word} detected conn error {any}", "path_changed"),
    Row("KE5", "kernel", " session{device:word} session recovery timed out {any}", "path_changed"),
    Row("KE6", "kernel", "Out of memory: {detail:any}", "out_of_memory"),
    Row("DR1", "kernel", "drbd {resource:text}: {detail:any}", "drbd_said"),
)

USER = (Row("US1", "vhd-util", "{detail:any}", "vhd_said"),)

ROWS = (*DAEMON, *KERNEL, *USER)
