"""Every message of the troubleshooting page and of the error catalogue, pasted: cause, check and fix."""

import re

import pytest
from chainwatch_collector.judge.catalogue import CATALOGUE, placeholders
from chainwatch_collector.judge.explain import MOST_ENTRIES, codes, explain, remedies
from chainwatch_collector.judge.messages import MESSAGES
from collector.judge.test_catalogue import MAY_NAME_ONLY_AS_DATA_RISK, MAY_NOT_BE_SAFE, forbidden_in
from hypothesis import given, settings
from hypothesis import strategies as st

VDI = "5f1c0004-1111-2222-3333-444444444444"
SR = "07ed1e14-a6d8-4ac6-9f42-0123456789ab"

PAGE = [
    ("nothing seems to happen", "XO_NOTHING_HAPPENS"),
    ("Error: unhealthy VDI chain", "BACKUP_WILL_SKIP"),
    ("Job canceled to protect the VDI chain", "BACKUP_WILL_SKIP"),
    ("VDI chain protection", "BACKUP_WILL_SKIP"),
    ("SR_BACKEND_FAILURE_109(, The snapshot chain is too long, )", "CHAIN_AT_LIMIT"),
    ("The Snapshot Chain is too Long", "CHAIN_AT_LIMIT"),
    ("SR_BACKEND_FAILURE_44 (insufficient space)", "SNAPSHOT_NO_SPACE"),
    ("SR_BACKEND_FAILURE_44(, There is insufficient space, )", "SNAPSHOT_NO_SPACE"),
    ("Parse Error", "HOST_TOO_OLD"),
    ("could not find the base VM", "BACKUP_BASE_MISSING"),
    ("unexpected key (full) export", "BACKUP_BASE_MISSING"),
    ("can't compute delta 1234 from 5678, fall back to a full", "BACKUP_BASE_MISSING"),
    ("Backup fell back to a full", "BACKUP_BASE_MISSING"),
    ("LICENSE_RESTRICTION(PCI_device_for_auto_update)", "VM_VENDOR_DEVICE"),
    ("LICENCE_RESTRICTION(PCI_device_for_auto_update)", "VM_VENDOR_DEVICE"),
    ("ENOSPC: no space left on device, write", "BACKUP_TARGET_FULL"),
    ("ENOSPC: no space left on device", "BACKUP_TARGET_FULL"),
    ("no VMs match this pattern", "BACKUP_PATTERN_EMPTY"),
    ("SR_OPERATION_NOT_SUPPORTED(OpaqueRef:1)", "SNAPSHOT_NOT_SUPPORTED"),
    ("Lock file is already being held", "XO_LOCK_HELD"),
    ("HTTP connection has timed out", "XO_HTTP_TIMEOUT"),
    ("Expected values to be strictly equal:", "XO_TRUNCATED_EXPORT"),
    ("the job (3b1c-22) is already running", "XO_JOB_RUNNING"),
    ("VDI_IO_ERROR", "SR_IO_ERRORS"),
    ("no XAPI associated to 1b2c", "XO_NO_XAPI"),
    ("ghost tasks", "XO_GHOST_TASK"),
    ("stats missing for a pool", "XO_STATS_MISSING"),
    ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "XO_HEAP"),
]
"""The page and the newer docs: the rows of the error catalogue's first table."""

LIMITS = [
    ("file level restore failed: chains longer than 99", "XO_FLR_CHAIN"),
    ("encrypted with AES-256-GCM: 64 GiB per file", "XO_ENCRYPTED_LIMIT"),
    ("health check timeout", "XO_HEALTH_CHECK"),
    ("EPERM: operation not permitted, unlink '/mnt/x.vhd'", "XO_IMMUTABLE"),
    ("EACCES: permission denied", "XO_IMMUTABLE"),
    ("cannot mix limited and unlimited remotes", "XO_AGGREGATED_REMOTE"),
    ("cleanVm: timed out", "XO_REMOTE_LIST"),
    ("VM has too many snapshots", "XO_MANY_SNAPSHOTS"),
    ("connect ECONNREFUSED 10.0.0.1:443", "XO_REMOTE_GONE"),
]

CODE_ONLY = [
    ("cannot backup a VM currently being migrated", "XO_MIGRATING"),
    ("cannot backup a VM created by this very job", "XO_OWN_REPLICA"),
    ("VDI must be free or attached to exactly one VM", "VDI_HELD_BY_CONTROL_DOMAIN"),
    ("VM must be a snapshot", "XO_NOT_A_SNAPSHOT"),
    ("Disk is still attached to DOM0 VM", "VDI_HELD_BY_CONTROL_DOMAIN"),
    ("VDI_IN_USE(OpaqueRef:1, data_destroy)", "VDI_IN_USE"),
    ("Couldn't delete snapshot data", "XO_CBT_PURGE"),
    ("TOO_MANY_PENDING_TASKS()", "TOO_MANY_PENDING_TASKS"),
    ("TOO_MANY_STORAGE_MIGRATES(3)", "TOO_MANY_PENDING_TASKS"),
    (f"SR_BACKEND_FAILURE_82(, Failed to snapshot VDI [opterr=failed to pause VDI {VDI}], )", "VDI_STALE_FLAG"),
    ("SR_BACKEND_FAILURE_46(, The VDI is not available [opterr=['MAP_DUPLICATE_KEY', 'VDI', 'sm_config', 'paused']])",
     "VDI_STALE_FLAG"),
    ("Command ['/usr/bin/qemu-img', 'info', '--backing-chain', '--output=json', 'x'] failed", "VDI_CORRUPT"),
    ("SR_BACKEND_FAILURE_81(, Failed to clone VDI [opterr=VDI clone failed error 2], )", "SM_CLONE_MISSING"),
    ("SR_BACKEND_FAILURE_81(, Failed to clone VDI [opterr=VDI clone failed error 28], )", "SR_FULL"),
    ("can't connect through NBD, fall back to stream export", "BACKUP_BASE_MISSING"),
    ("can't create a stream from a metadata VDI, fall back to a base", "BACKUP_BASE_MISSING"),
    ("No NBD available: NO_NBD_AVAILABLE", "BACKUP_BASE_MISSING"),
]  # fmt: skip

XENAPI = [
    ("SR_FULL(1000, 500)", "SR_FULL"),
    ("SR_SOURCE_SPACE_INSUFFICIENT(OpaqueRef:1)", "SR_FULL"),
    ("SR_NOT_ATTACHED(OpaqueRef:1)", "SR_DETACHED"),
    ("SR_HAS_NO_PBDS(OpaqueRef:1)", "SR_DETACHED"),
    ("SR_UNHEALTHY(x, degraded, fix)", "SR_UNHEALTHY"),
    ("SM_PLUGIN_COMMUNICATION_FAILURE(lvm)", "SR_UNHEALTHY"),
    ("SR_DEVICE_IN_USE()", "SM_SR_IN_USE"),
    ("VDI_MISSING(OpaqueRef:1, OpaqueRef:2)", "VDI_LOST"),
    ("VDI_NOT_MANAGED(OpaqueRef:1)", "VDI_NOT_USABLE"),
    ("VDI_INCOMPATIBLE_TYPE(OpaqueRef:1, raw)", "SNAPSHOT_NOT_SUPPORTED"),
    ("VDI_COPY_FAILED()", "VDI_COPY_FAILED"),
    ("VDI_TOO_LARGE(1, 2)", "VDI_TOO_LARGE"),
    ("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION()", "SNAPSHOT_NOT_SUPPORTED"),
    ("VDI_NO_CBT_METADATA(OpaqueRef:1)", "CBT_BROKEN"),
    ("VM_MISSING_PV_DRIVERS(OpaqueRef:1)", "QUIESCE"),
    ("VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT(OpaqueRef:1)", "QUIESCE"),
    ("VM_HAS_TOO_MANY_SNAPSHOTS(OpaqueRef:1)", "XO_MANY_SNAPSHOTS"),
    ("LICENSE_EXPIRED()", "LICENCE_EXPIRED"),
    ("OTHER_OPERATION_IN_PROGRESS(VM, OpaqueRef:1, snapshot, x)", "OTHER_OPERATION"),
    ("OPERATION_NOT_ALLOWED(no)", "OTHER_OPERATION"),
    ("OPERATION_BLOCKED(OpaqueRef:1, x)", "SNAPSHOT_NOT_SUPPORTED"),
    ("TASK_CANCELLED(OpaqueRef:1)", "TASK_CANCELLED"),
    ("HANDLE_INVALID(VM, OpaqueRef:1)", "HANDLE_INVALID"),
    ("MESSAGE_METHOD_UNKNOWN(x.y)", "METHOD_UNKNOWN"),
    ("SESSION_INVALID(OpaqueRef:1)", "SESSION_INVALID"),
    ("SESSION_AUTHENTICATION_FAILED(root, x)", "POOL_UNREACHABLE"),
    ("RBAC_PERMISSION_DENIED(SR.scan, x)", "POOL_UNREACHABLE"),
    ("HOST_IS_SLAVE(10.0.0.1)", "POOL_UNREACHABLE"),
    ("HOST_OFFLINE(OpaqueRef:1)", "HOST_DOWN"),
    ("INTERNAL_ERROR(Unix.Unix_error)", "INTERNAL_ERROR"),
    ("VDI_CBT_SNAPSHOT_FAILED", "CBT_BROKEN"),
    ("SM_GC_NO_SPACE", "COALESCE_NO_SPACE"),
]

SMLOG = [
    ("Nov 22 10:00:00 host-1 SMGC: [1] No space to coalesce *5f1c0004[VHD](20.000G//8.000G|n) (free space: 99)",
     "COALESCE_NO_SPACE"),
    (f"SM: [1] Could not coalesce due to a lack of space in SR {SR}", "COALESCE_NO_SPACE"),
    ("SM: [1] Not enough space! free space: 10, need: 20", "SNAPSHOT_NO_SPACE"),
    ("SM: [1] Raising exception [44, There is insufficient space [opterr=x]]", "SNAPSHOT_NO_SPACE"),
    ("SM: [1] Raising exception [109, The snapshot chain is too long]", "CHAIN_AT_LIMIT"),
    ("SMGC: [1] Coalesce failed, skipping", "COALESCE_FAILED"),
    ("SMGC: [1] Leaf-coalesce failed on 5f1c0004(1.000G), skipping", "COALESCE_FAILED"),
    ("SMGC: [1] Child process failed with : (x)", "COALESCE_FAILED"),
    (f"SMGC: [1] * * * * * SR {SR}: ERROR", "GC_CRASHED"),
    ("SMGC: [1] gc: EXCEPTION <class 'util.SMException'>, Unable to acquire the SR lock", "GC_CRASHED"),
    ("SMGC: [1] VHD *5f1c0004[VHD](20.000G//8.000G|n) corrupted", "VDI_CORRUPT"),
    (f"SM: [1] ***** VHD scan error: vhd=/x/{VDI}.vhd scan-error=-22 error-message='failure opening header'",
     "VDI_CORRUPT"),
    (f"SM: [1] Error scanning VDI {VDI}", "SR_SCAN_FAILED"),
    ("SR_BACKEND_FAILURE_40(, The SR scan failed [opterr=uuid=5f1c], )", "SR_SCAN_FAILED"),
    (f"SMGC: [1] Parent VDI {VDI} of {SR} not found", "VDI_PARENT_MISSING"),
    ("SMGC: [1] Not coalesceable, chain activated more than once", "CHAIN_MULTI_HOST"),
    ("SMGC: [1] GC is disabled for this SR, abort", "GC_DISABLED"),
    ("SMGC: [1] Coalesce disabled for this SR", "GC_DISABLED"),
    ("SMGC: [1] Leaf-coalesce disabled for this SR", "GC_DISABLED"),
    ("SMGC: [1] Leaf-coalesce disabled for 5f1c0004[VHD](1.000G//1.000G|n)", "LEAF_COALESCE_BLOCKED"),
    ("SMGC: [1] Skipping reset-on-boot 5f1c0004", "LEAF_COALESCE_BLOCKED"),
    ("SMGC: [1] No progress, attempt: 3", "LEAF_COALESCE_GAVE_UP"),
    ("SMGC: [1] Unexpected bump in size, compared to minimum acheived", "LEAF_COALESCE_GAVE_UP"),
    ("SMGC: [1] Aborted coalesce", "LEAF_COALESCE_GAVE_UP"),
    ("SMGC: [1] Aborted", "GC_INTERRUPTED"),
    ("SMGC: [1] *** UNDO LEAF-COALESCE", "GC_INTERRUPTED"),
    ("SM: [1] Relinking key found, back-off and retry", "VDI_STALE_FLAG"),
    (f"SM: [1] VDI {VDI} not detached cleanly", "VDI_STALE_FLAG"),
    ("failed to unpause tapdisk", "DISK_FROZEN"),
    (f"SM: [1] Scan found hidden leaf ({VDI}), ignoring", "VDI_GARBAGE"),
    ("SM: [1] ***** Long LVM call of 'lvs' took 33.1", "SR_SLOW"),
    ("SM: [1] WARNING: snapshot paused VM for 75.0 seconds", "SR_SLOW"),
    ("SM: [1] Failed to lock /var/lock/sm/x/sr on first attempt, blocked by PID 12", "SR_SLOW"),
    (f"SM: [1] Forgetting VDI with location={VDI} uuid={VDI}", "VDI_LOST"),
    ("SMGC: [1] runAbortable: wait for process completion timed out", "GC_STUCK"),
    ("SM: [1] FAILED in util.pread: (rc 5) stdout: '', stderr: 'x'", "COMMAND_FAILED"),
    ("SM: [1] /run/sr-mount/x isn't a mountpoint", "SR_SCAN_FAILED"),
    ("kernel: nfs: server filer not responding, still trying", "SR_IO_ERRORS"),
    ("kernel: blk_update_request: I/O error, dev sdb, sector 1", "SR_IO_ERRORS"),
    ("SMGC: [1] Checking with slave host-2 (path /dev/x)", "GC_BLOCKED_BY_HOST"),
    ("SM: [1] Host 1234 not enabled", "GC_NOT_RUNNING"),
    ("SM: [1] Xapi not ready, GC waiting", "GC_NOT_RUNNING"),
    ("SMGC: [1] The VDI tree appears to have been altered since", "GC_INEFFECTIVE"),
    # Lines of a healthy GC: nothing to do, and it says so.
    ("SMGC: [1] GC process exiting, no work left", "GC_NO_WORK"),
    ("SMGC: [1] No work, exiting", "GC_NO_WORK"),
    ("SMGC: [1] Another GC instance already active, exiting", "GC_ALREADY_ACTIVE"),
    ("SMGC: [1] This host is NOT master, will not run", "GC_NOT_MASTER"),
    ("SMGC: [1] GC active, about to go quiet", "GC_QUIET"),
    (f"SM: [1] Kicking SMGC@{SR}...", "GC_STARTED"),
    (f"SMGC: [1] === SR {SR}: gc ===", "GC_STARTED"),
    ("SMGC: [1] Coalesce candidate: *5f1c0004 (tree height 3)", "COALESCE_CANDIDATE"),
    ("SMGC: [1] Coalescing *5f1c0004[VHD](1.0G//1.0G|n) -> *5f1c0005[VHD](1.0G//1.0G|n)", "COALESCE_RUNNING"),
    ("SMGC: [1]   Child process completed successfully", "COALESCE_STEP_DONE"),
    (f"SM: [1] Ignoring exception for LV check: /dev/VG_XenStorage-{SR}/{VDI}.cbtlog !", "CBTLOG_CHECK"),
    ("SMGC: [1] SR 07ed ('nfs-prod-1') (6 VDIs in 5 VHD trees): no changes", "SR_TREE"),
    (f"SM: [1] ['/usr/bin/vhd-util', 'coalesce', '--debug', '-n', '/var/run/sr-mount/{SR}/{VDI}.vhd']",
     "COALESCE_RUNNING"),
    (f"SM: [1] ['/usr/bin/vhd-util', 'scan', '-f', '-m', '/var/run/sr-mount/{SR}/*.vhd']", "SM_COMMAND"),
    ("SMGC: [1] Set relinking = True for 568e74bb[VHD](65.000G///65.133G|n)", "VDI_KEY"),
    ("SMGC: [1]             *53b46c10[VHD](2.000G//40.000M|n)", "SR_TREE_NODE"),
    ("SMGC: [1] *~*~*~*~*~*~*~*~*~*~*~*", "EXCEPTION_BLOCK"),
    ("SM: [1] ERROR cluster 12 refcount=1 reference=0", "VDI_CORRUPT"),
    ("SM: [1] lock: acquired /var/lock/sm/x/sr", "SM_HARMLESS"),
]  # fmt: skip

SM_NUMBERS = [
    16, 24, 37, 38, 39, 40, 41, 43, 44, 46, 47, 50, 51, 52, 53, 54, 58, 59, 60, 64, 65, 66, 68, 72, 73, 74, 78, 79, 80,
    81, 82, 92, 100, 104, 109, 110, 111, 117, 119, 140, 141, 144, 151, 152, 153, 154, 180, 181, 200, 201, 202, 204, 205,
    430, 431, 432, 433, 434, 445, 453, 457, 458, 459, 460, 461, 1200, 5002, 5003, 5004, 5005, 5006, 5007,
]  # fmt: skip
"""SM's XE_SR_ERRORCODES.xml as far as an operator meets it."""


@pytest.mark.parametrize(("text", "first"), [*PAGE, *LIMITS, *CODE_ONLY, *XENAPI, *SMLOG])
def test_a_pasted_message_gives_cause_check_and_fix(text: str, first: str) -> None:
    found = explain(text)
    assert [entry.code for entry in found[:1]] == [first]
    for entry in found:
        assert entry.causes
        assert entry.checks
        assert entry.remedies
        assert entry.matched


@pytest.mark.parametrize("number", SM_NUMBERS)
def test_every_sm_number_is_known_in_both_forms(number: int) -> None:
    pasted = explain(f"SR_BACKEND_FAILURE_{number}(, x, )")
    logged = explain(f"SM: [4711] Raising exception [{number}, x]")
    assert pasted
    assert pasted[0].matched.endswith(str(number))
    assert [entry.code for entry in pasted] == [entry.code for entry in logged]
    assert pasted[0].code != "SM_GENERAL" or number in (202, 205, 1200)


def test_an_sm_number_that_nobody_knows_still_shows_the_way() -> None:
    (entry,) = explain("SR_BACKEND_FAILURE_7777(, something new, )")
    assert (entry.code, entry.kind) == ("SM_GENERAL", "message")


def test_what_fits_nothing_gives_nothing() -> None:
    assert explain("the quick brown fox") == []
    assert explain("") == []
    assert explain("   \n ") == []


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_a_code_explains_itself(code: str) -> None:
    (entry,) = explain(f" {code.lower()} ")
    assert (entry.code, entry.kind) == (code, "code")
    assert entry.clears_when


def test_a_message_is_found_by_its_name() -> None:
    (entry,) = explain("XO_LOCK_HELD")
    assert entry.kind == "message"


def test_the_licence_answer_has_the_exact_command() -> None:
    (entry,) = explain("LICENCE_RESTRICTION(PCI_device_for_auto_update)")
    assert any("xe vm-param-set has-vendor-device=false uuid=VM_UUID" in remedy for remedy in entry.remedies)
    assert any("halted" in remedy for remedy in entry.remedies)


def test_more_of_the_text_comes_first_and_the_vague_last() -> None:
    text = (
        "SM: [1] FAILED in util.pread: (rc 28) stdout: '', stderr: 'No space left on device'\nCoalesce failed, skipping"
    )
    codes_found = [entry.code for entry in explain(text)]
    assert codes_found[-1] == "COMMAND_FAILED"
    assert "COALESCE_FAILED" in codes_found
    assert len(codes_found) <= MOST_ENTRIES


def test_each_case_of_a_code_is_named_and_no_step_is_told_twice() -> None:
    told = explain("VDI_CORRUPT")[0].remedies
    assert [line.partition(":")[0] for line in told if line.startswith("Case ")] == [
        "Case unavailable",
        "Case killed merge",
    ]
    assert sum("Command: vhd-util check" in line for line in told) == 1
    assert sum(line.startswith("[safe]") and "check the image" in line for line in told) == 3
    assert sum(line.endswith("(as above)") and "check the image" in line for line in told) == 2


def test_the_kinds_of_a_code_are_explained_with_their_remedies() -> None:
    (entry,) = explain("GC_NOT_RUNNING")
    assert any("maintenance" in remedy and "xe host-enable uuid=HOST_UUID" in remedy for remedy in entry.remedies)


def test_the_catalogue_is_what_the_surfaces_show() -> None:
    assert set(codes()) == set(CATALOGUE)
    assert codes()["SR_SPACE_LOW"].severity == "info"


def test_no_message_proposes_what_is_never_proposed() -> None:
    for name, message in MESSAGES.items():
        assert set(message.see) <= set(CATALOGUE), name
        assert not set(MESSAGES) & set(CATALOGUE) or name == "VDI_IN_USE"
        for step in message.steps:
            said = "\n".join(filter(None, (step.text, step.command, step.precheck)))
            assert not forbidden_in(said), f"{name}: {said}"
            assert step.risk == "data risk" or not re.search(MAY_NAME_ONLY_AS_DATA_RISK, said, re.IGNORECASE)
            assert step.risk != "safe" or not re.search(MAY_NOT_BE_SAFE, said, re.IGNORECASE)
        for text in (message.meaning, *message.causes, *message.look):
            assert not forbidden_in(text), f"{name}: {text}"


def test_no_text_has_a_blank_left() -> None:
    for message in MESSAGES.values():
        assert all("{" not in text and not placeholders(text) for text in remedies(message.steps))


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_patterns_of_messages_cannot_backtrack_for_long(name: str) -> None:
    for pattern in MESSAGES[name].patterns:
        re.compile(pattern, re.IGNORECASE)
        endless = re.sub(r"\\.|\[[^\]]*\]", "x", pattern)
        assert not re.search(r"\([^()]*[*+][^()]*\)[*+{]", endless), pattern
        assert len(re.findall(r"[*+]", endless)) <= 2, pattern


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=5000))
def test_any_text_is_answered(text: str) -> None:
    assert len(explain(text)) <= MOST_ENTRIES
