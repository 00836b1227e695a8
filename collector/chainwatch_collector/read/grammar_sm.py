"""The messages of SM's drivers and plugins: commands (E), locks (K), tapdisk (P), scans (V), journals (J),
driver calls and errors (A), QCOW2 (Q), LINSTOR (X), XenAPI's database (D). Ids are those of the catalogue.
"""

from __future__ import annotations

from chainwatch_collector.read.rules import Row

COMMANDS = (
    Row("E5", "SM", "['{argv:any}", "command"),
    Row("E6", "SM", "  pread SUCCESS", "command_done"),
    Row("E8", "SM", "Command was: {any}"),
    Row("E9", "", "`{any}"),
    Row("E9", "", "Failed: {any}"),
    Row("E10", "SM", "FAILED to atomic write to {any}"),
)

LOCKS = (
    Row("K1", "SM", "lock: opening lock file {path:path}", "lock_opened"),
    Row("K2", "SM", "lock: acquired {any}"),
    Row("K3", "SM", "lock: tried lock {path:path}, acquired: {got:word} (exists: {word})", "lock_tried"),
    Row("K4", "SM", "Failed to lock {path:path} on first attempt, blocked by PID {holder:int}", "lock_waited"),
    Row("K5", "SM", "lock: released {path:path}", "lock_released"),
    Row("K6", "SM", "lock: closed {any}"),
    Row("K6", "SM", "lock: unlinking lock file {any}"),
    Row("K6", "SM", "lock: removing lock dir {any}"),
    Row("K7", "SM", "IPCFlag: set {sr:uuid}:{flag:word}", "flag_set"),
    Row("K8", "SM", "IPCFlag: clear {any}"),
    Row("K9", "SM", "Refcount for {any}"),
)

TAPDISK = (
    Row("P1", "SM", "Pause request for {vdi:uuid}", "pause_asked"),
    Row("P2", "SM", "Unpause request for {vdi:uuid} secondary={any}", "unpause_asked"),
    Row("P3", "SM", "Refresh request for {any}"),
    Row("P4", "SM", "Calling tap-{any}"),
    Row("P7", "SM", "Pause for {vdi:uuid}", "paused"),
    Row("P8", "SM", "Unpause for {vdi:uuid}", "unpaused"),
    Row("P9", "SM", "No {word}: nothing to pause"),
    Row("P10", "SM", "Calling tap pause with minor {n}"),
    Row("P11", "SM", "Calling tap unpause with minor {n}"),
    Row("P14", "SM", " = {int}"),
    Row("P15", "SM", "WARNING: snapshot paused VM for {seconds:float} seconds", "pause_long"),
    Row("P17", "SM", "Adding tag to: {any}"),
    Row("P18", "SM", "Relinking key found, back-off and retry{any}", "relink_key"),
    Row("P19", "SM", "Paused or host_ref key found [{any}", "paused_key"),
    Row("P21", "SM", "Activate lock succeeded"),
    Row("P22", "SM", "Removed host key {any}"),
    Row("P23", "SM", "Removed activating flag from {any}"),
    Row("P24", "SM", "SR locked, retrying{any}", "activation_locked"),
    Row("P25", "SM", "We have secondary for {vdi:uuid}, blocking leaf coalesce", "leaf_migrating"),
)

SCANS = (
    Row("V1", "SM", "WARN: vhd scan failed: output: {detail:any}", "driver_scan_failed"),
    Row("V1", "SM", "WARN: VHD scan failed: output: {detail:any}", "driver_scan_failed"),
    Row("V3", "SM", "***** VHD scan error: {detail:any}", "image_scan_error"),
    Row("V4", "SM", "WARN: vhdinfo line doesn't parse correctly: {any}"),
    Row("V4", "SM", "WARN: VHD info line doesn't parse correctly: {any}"),
    Row("V5", "SM", "*** VHD info missing: {vdi:uuid}", "info_missing"),
    Row("V5", "SM", "*** COW image info missing: {vdi:uuid}", "info_missing"),
    Row("V6", "SM", "*** vhd-scan error: {vdi:uuid}", "info_missing"),
    Row("V6", "SM", "*** cow-scan error: {vdi:uuid}", "info_missing"),
    Row("V7", "SM", "LV disappeared since last scan: {any}"),
    Row("V8", "SM", "ERROR: getAllVHDs returned 0 VDIs after {n} retries", "driver_scan_failed"),
    Row("V8", "SM", "ERROR: getAllInfoFromVG returned 0 VDIs after {n} retries", "driver_scan_failed"),
    Row("V9", "SM", "ERROR: the VHD metadata might be corrupted"),
    Row("V9", "SM", "ERROR: the image metadata might be corrupted"),
    Row("V11", "SM", "Scan found hidden leaf ({vdi:uuid}), ignoring", "hidden_leaf"),
    Row("V12", "SM", "***** Long LVM call of '{command:any}' took {seconds:float}", "lvm_slow"),
    Row("V13", "SM", "*** lvremove failed on attempt #{n}"),
    Row("V14", "SM", "*** lvchange -an failed on attempt #{n}"),
    Row("V15", "SM", "WARNING: deactivate: LV {any}"),
    Row("J1", "SM", "*** INTERRUPTED COALESCE-LEAF OP DETECTED ***", "leaf_journal_found"),
    Row("J2", "SM", "*** INTERRUPTED CLONE OP: {any}"),
    Row("J4", "SM", "*** INTERRUPTED INFLATE OP: {any}"),
    Row("J5", "SM", "Found inflate journal {any}"),
    Row("J6", "SM", "Found VHD journal {any}"),
    Row("J6", "SM", "Found COW journal {any}"),
    Row("J7", "SM", "Failed to remove the volume (maybe is leaf coalescing) for {any}"),
)

CALLS = (
    Row("A1", "SM", "sr_{verb:word} {{params:any}", "call_started"),
    Row("A1", "SM", "vdi_{verb:word} {{params:any}", "call_started"),
    Row("A2", "SM", "Raising exception [{code:n}, {text:any}", "error_raised"),
    Row("A5", "SM", "A GC instance already running, not kicking", "gc_not_kicked"),
    Row("A6", "SM", "Aborting currently-running coalesce of garbage VDI"),
    Row("A7", "SM", "The GC has already been scheduled to re-start", "gc_not_kicked"),
    Row("A8", "SM", "failed to abort the GC"),
    Row("A9", "SM", "Not enough space! free space: {free:n}, need: {need:n}", "space_short"),
    Row("A10", "SM", "Not enough space! Free space: {free:n}, need: {need:n}", "space_short"),
    Row("A12", "SM", "failed to generate message: {any}"),
    Row("A13", "SM", "RESET for SR {any}"),
    Row("A13", "SM", "Clearing attached/paused status for VDI {any}"),
    Row("A14", "", "Aborting running cleaners:{any}"),
    Row("A14", "", "Fixing refcounts on new master:{any}"),
    Row("D1", "SM", "new VDIs on disk: {vdis:any}", "records_added"),
    Row("D2", "SM", "VDIs missing from disk: {vdis:any}", "records_missing"),
    Row("D3", "SM", "VDIs changed on disk: {any}"),
    Row("D4", "SM", "Introducing VDI with location={any}"),
    Row("D5", "SM", "Forgetting VDI with location={word} uuid={vdi:uuid}", "record_forgotten"),
    Row("D6", "SM", "Updating VDI with location={any}"),
)

QCOW2 = (
    Row("Q1", "SM", "VDI chain:{any}"),
    Row("Q2", "SM", "Coalescing VDI {vdi:uuid} in chain", "activation_waits_coalesce"),
    Row("Q3", "SM", "Calling cancel_coalesce_master with args: {any}", "activation_waits_coalesce"),
    Row("Q4", "SM", "Running cancel_coalesce_master plugin: {any}", "copy_cancelled"),
    Row("Q5", "SM", "Got status {word} for tapdisk {any}"),
    Row("Q6", "SM", "Tapdisk {any}"),
    Row("Q7", "SM", "Commit command failed on tapdisk instance {detail:any}", "online_failed"),
    Row("Q8", "SM", "Query command failed on tapdisk instance {detail:any}", "online_failed"),
    Row("Q9", "SM", "Cancel command failed on tapdisk instance {any}"),
    Row("Q11", "SM", "Rebasing while process {any}"),
)

LINSTOR = (
    Row("X1", "SM", "unable to execute `{any}"),
    Row("X2", "SM", "failed to execute locally {any}"),
    Row("X3", "SM", "raise opener exception: {any}"),
    Row("X4", "SM", "Inflate {any}"),
    Row("X5", "SM", "Deflate {any}"),
)

# Seen in logs of the real SM, in no catalogue: what a driver call says while it works.
WORK = (
    Row("W1", "SM", "FileVDI.{any}"),
    Row("W2", "SM", "vdi_clone: {any}"),
    Row("W3", "SM", "utilisation {any}"),
    Row("W4", "SM", "LVMCache {any}"),
    Row("W5", "SM", "Entering {any}"),
    Row("W6", "SM", "Executing fist point {any}"),
    Row("W7", "SM", "Ignoring exception for LV check: {any}"),
    Row("W9", "SM", "_override_sm_config: {any}"),
    Row("W9", "SM", "_db_update_sm_config: {any}"),
    Row("W8", "SM", "missing config for vdi: {any}"),
)

ROWS = (*COMMANDS, *LOCKS, *TAPDISK, *SCANS, *CALLS, *QCOW2, *LINSTOR, *WORK)
