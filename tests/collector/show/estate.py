"""An estate to look at: two pools, one in trouble; and the other states that a screen must be good at."""

from datetime import timedelta

from chainwatch_collector.judge.answer import (
    Answer,
    DiskVerdict,
    Finding,
    FindingSubject,
    Merge,
    Run,
    SrAnswer,
    Step,
    Verdict,
)
from chainwatch_collector.show.views import (
    AgentView,
    Attachment,
    ChainNode,
    Check,
    Event,
    Explanation,
    Forecast,
    HistoryPoint,
    JobView,
    JobWindow,
    LogPosition,
    MergeView,
    PoolView,
    SrView,
    Subject,
    TaskView,
    Transition,
    Why,
)
from collector.show.memory import NOW, MemoryModel, evidence, minutes_ago

GIB = 2**30
PROD, DR = "9fdf2c9e-0000-4000-8000-000000000001", "9fdf2c9e-0000-4000-8000-000000000002"
NFS, ISCSI, LOCAL, ISO = (f"07edc1b2-0000-4000-8000-00000000000{n}" for n in (1, 2, 3, 4))
DR_SR = "07edc1b2-0000-4000-8000-000000000005"
HOSTS = tuple(f"40a1f9b0-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
VMS = tuple(f"b2c3d4e5-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


def vdi(number: int) -> str:
    return f"5f1c{number:04d}-1111-4000-8000-{number:012d}"


def estate() -> MemoryModel:
    """Pool prod: an SR without room to merge, one that merges now, a local one, an ISO one. Pool dr: not reachable."""
    model = MemoryModel()
    model.pool_views = [
        PoolView(PROD, "prod", "host-1", True, NOW, 2, 2, None, "XCP-ng 8.3"),
        PoolView(DR, "dr", "host-3", False, minutes_ago(42), 1, 1, "cannot log in: SESSION_AUTHENTICATION_FAILED"),
    ]
    model.agent_views = _agents()
    model.sr_views = {view.uuid: view for view in _sr_views()}
    model.nodes = {NFS: _nfs_nodes(), ISCSI: _iscsi_nodes()}
    model.pool_answers = {PROD: _prod_answer(), DR: _dr_answer()}
    model.merge_views = _merges()
    model.task_views = _tasks()
    model.event_list = _events()
    model.entries = {entry.code: entry for entry in _catalogue()}
    model.whys = {NFS: _why(), HOSTS[0]: _why_host()}
    model.points = {NFS: _points()}
    model.forecast_list = _forecasts()
    model.transition_list = _transitions()
    model.job_views = [_job()]
    model.prechecks = {NFS: (Check("no GC run is active", "error", "a GC run of this SR is active (pid 32436)"),)}
    return model


def _job() -> JobView:
    """Of both pools; its window has no room for certain."""
    window = JobWindow(NFS, "nfs-prod-1", PROD, 1, (90 * GIB, 101 * GIB), 12 * GIB, "at_risk")
    vms = {PROD: (VMS[0],), DR: ("d" * 8 + VMS[1][8:],)}
    sentence = "Job 'nightly' backs up 2 VMs; its window needs 90.0 GiB to 101 GiB on SR 'nfs-prod-1'."
    return JobView("10b00000-0000-4000-8000-000000000001", "nightly", sentence, NOW, vms, (window,))


def healthy() -> MemoryModel:
    """Everything well: one pool, one SR, nothing to say."""
    model = MemoryModel()
    model.pool_views = [PoolView(PROD, "prod", "host-1", True, NOW, 1, 1)]
    model.agent_views = _agents()[:1]
    model.sr_views = {LOCAL: _sr_views()[2]}
    model.nodes = {LOCAL: []}
    model.pool_answers = {PROD: Answer(srs=(SrAnswer(LOCAL, "local-1", "idle", 1, 0, 0, 0, 0, 0, 0.8, 0),))}
    model.entries = {entry.code: entry for entry in _catalogue()}
    return model


def _agents() -> list[AgentView]:
    log = LogPosition("/var/log/SMlog", 52_428_800, 52_428_800)
    until = NOW + timedelta(days=60)
    return [
        AgentView(
            HOSTS[0], "host-1", PROD, "prod", "reporting", minutes_ago(0.05), 0.4, "0.1.0", "3.6.8", "3.2.12",
            minutes_ago(900), until, lines_selected=5_200, bytes_selected=692_000, bytes_read=97_000_000, logs=(log,),
        ),
        AgentView(
            HOSTS[1], "host-2", PROD, "prod", "behind", minutes_ago(0.1), 95.0, "0.1.0", "3.6.8", "3.2.12",
            minutes_ago(300), until, gaps=1, logs=(LogPosition("/var/log/SMlog", 52_428_800, 12_000_000),),
        ),
        AgentView(HOSTS[2], "host-3", DR, "dr", "silent", minutes_ago(42), None, "0.1.0", "3.6.8", "3.2.12"),
    ]  # fmt: skip


def _sr_views() -> list[SrView]:
    gc = (HOSTS[0], "host-1")
    both = tuple(Attachment(HOSTS[n], f"host-{n + 1}", True, "reporting") for n in (0, 1))
    return [
        SrView(
            NFS,
            "nfs-prod-1",
            PROD,
            "prod",
            "nfs",
            True,
            4096 * GIB,
            3728 * GIB,
            9000 * GIB,
            6,
            HOSTS[0],
            "host-1",
            both,
        ),
        SrView(
            ISCSI, "iscsi-1", PROD, "prod", "lvmoiscsi", True, 2048 * GIB, 900 * GIB, 0, 3, HOSTS[0], "host-1", both
        ),
        SrView(LOCAL, "local-1", PROD, "prod", "ext", False, 400 * GIB, 80 * GIB, 0, 1, *gc, both[:1]),
        SrView(ISO, "ISOs", PROD, "prod", "iso", True, 0, 0, 0, 12, None, "", both),
        SrView(DR_SR, "dr-nfs", DR, "dr", "nfs", True, 1024 * GIB, 10 * GIB, 0, 1, HOSTS[2], "host-3"),
    ]


def _nfs_nodes() -> list[ChainNode]:
    def node(n: int, up: int | None, depth: int, status: str, size: int, **more: object) -> ChainNode:
        name = str(more.pop("name", "base copy"))
        parent = vdi(up) if up is not None else None
        return ChainNode(
            vdi(n), name, parent, depth, status, 100 * GIB, size * GIB, sr_uuid=NFS, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    owner = {"vm_uuid": VMS[0], "vm_name": "vm-db-1", "device": "xvda"}
    return [
        node(1, None, 1, "kept", 84, hidden=True),
        node(2, 1, 2, "blocked", 84, hidden=True, reason="no room: 84 GiB needed, 41 GiB free"),
        node(3, 2, 3, "inner_pending", 12, hidden=True),
        node(4, 3, 4, "leaf", 20, name="db-1 disk 0", **owner),
        node(5, 2, 3, "leaf", 0, name="nightly snapshot", is_snapshot=True, vm_name="vm-db-1"),
        node(6, None, 1, "leaf", 40, name="web disk", vm_uuid=VMS[1], vm_name="vm-web-3", device="xvda"),
    ]


def _iscsi_nodes() -> list[ChainNode]:
    rows = [(11, None, 1, "kept"), (12, 11, 2, "merging"), (13, 12, 3, "leaf")]
    return [
        ChainNode(
            vdi(n), "app disk" if status == "leaf" else "base copy", vdi(up) if up else None, depth, status,  # type: ignore[arg-type]
            50 * GIB, 20 * GIB, VMS[2] if status == "leaf" else None, "vm-app-1" if status == "leaf" else "", "xvdb",
            sr_uuid=ISCSI,
        )
        for n, up, depth, status in rows
    ]  # fmt: skip


def _prod_answer() -> Answer:
    srs = (
        SrAnswer(NFS, "nfs-prod-1", "blocked", 4, 1, 0, 2, 1, 0, 0.09, 96 * GIB, None, minutes_ago(1500)),
        SrAnswer(ISCSI, "iscsi-1", "running", 3, 1, 0, 1, 0, 0, 0.56, 20 * GIB, 720.0, minutes_ago(30)),
        SrAnswer(LOCAL, "local-1", "idle", 1, 0, 0, 0, 0, 0, 0.8, 0, None, minutes_ago(9000)),
        SrAnswer(ISO, "ISOs", "no_gc"),
    )
    return Answer(_prod_findings(), _verdicts(), srs, _runs())


def _prod_findings() -> tuple[Finding, ...]:
    line = "SMGC: [32436] No space to coalesce *5f1c0002[VHD](100.000G//84.000G|n) (free space: 44023414784)"
    steps = (
        Step("safe", "delete snapshots that nobody needs, or move a disk away, until 84 GiB are free"),
        Step("safe", "then have SM scan it", f"xe sr-scan uuid={NFS}", "no GC run is active"),
        Step(
            "data risk", "as a last resort forget and reintroduce the SR", None, "every VM on it is halted",
            "a wrong device forgets the disks' names",
        ),
    )  # fmt: skip
    on_nfs = FindingSubject("sr", NFS, "nfs-prod-1")
    disk = FindingSubject("vdi", vdi(4), "db-1 disk 0")
    return (
        Finding(
            "f1", (), "COALESCE_NO_SPACE", "error", False, on_nfs,
            "9 % free; the largest pending merge needs 84 GiB, 41 GiB are there", minutes_ago(6), 4,
            (evidence(minutes_ago(6), line),), steps, NFS,
        ),
        Finding(
            "f2", ("f1",), "CHAIN_NEAR_LIMIT", "warning", False, disk,
            "27 of 30 links; 24 kept, 2 pending, 1 blocked", minutes_ago(2900), 1, sr_uuid=NFS,
        ),
        Finding(
            "f3", (), "SR_SPACE_LOW", "warning", True, on_nfs, "9 % free", minutes_ago(4000), 1, sr_uuid=NFS,
        ),
        Finding(
            "f4", (), "AGENT_BEHIND", "warning", False, FindingSubject("host", HOSTS[1], "host-2"),
            "evidence is 95 s late", minutes_ago(3), 1,
        ),
    )  # fmt: skip


def _verdicts() -> tuple[Verdict, ...]:
    db = DiskVerdict(vdi(4), 27, 3, 1, 0, 2, 1, (90 * GIB, 101 * GIB))
    web = DiskVerdict(vdi(6), 1, 29, 0, 0, 0, 0, (10, 20))
    return (
        Verdict(VMS[0], "vm-db-1", NOW, "refused", "refused", ("SNAPSHOT_NO_SPACE", "COALESCE_NO_SPACE"), True, (db,)),
        Verdict(VMS[1], "vm-web-3", NOW, "ok", "ok", (), False, (web,)),
    )


def _runs() -> tuple[Run, ...]:
    child, parent = vdi(2), vdi(1)
    done = Merge("inner", vdi(12), vdi(11), minutes_ago(40), minutes_ago(30), "done", None)
    refused = Merge("inner", child, parent, minutes_ago(6), minutes_ago(6), "no_space", "no_space")
    return (
        Run(ISCSI, HOSTS[0], 31001, minutes_ago(41), minutes_ago(29), "worked", (done,)),
        Run(NFS, HOSTS[0], 32436, minutes_ago(6.1), minutes_ago(6), "failed", (refused,)),
        Run(NFS, HOSTS[0], 31111, minutes_ago(66), minutes_ago(65), "failed", (refused,)),
        Run(NFS, HOSTS[0], 30011, minutes_ago(1510), minutes_ago(1500), "worked", ()),
    )


def _dr_answer() -> Answer:
    on_pool = FindingSubject("pool", DR, "dr")
    unreachable = Finding(
        "f9", (), "POOL_UNREACHABLE", "error", False, on_pool, "cannot log in: SESSION_AUTHENTICATION_FAILED",
        minutes_ago(42), 1, (), (Step("safe", "check user and password in pools.d/dr.toml"),),
    )  # fmt: skip
    silent = Finding(
        "f10", ("f9",), "AGENT_SILENT", "error", False, FindingSubject("host", HOSTS[2], "host-3"),
        "last heard 42 min ago", minutes_ago(41), 1,
    )  # fmt: skip
    return Answer((unreachable, silent), (), (SrAnswer(DR_SR, "dr-nfs", "unknown"),), ())


def _merges() -> list[MergeView]:
    return [
        MergeView(
            ISCSI, "iscsi-1", PROD, "inner", vdi(12), vdi(11), minutes_ago(4), "host-1", vm_name="vm-app-1",
            done_bytes=8 * GIB, total_bytes=20 * GIB, rate_bytes_per_second=34e6, eta_seconds=379.0,
        ),
        MergeView(
            NFS, "nfs-prod-1", PROD, "inner", vdi(2), vdi(1), minutes_ago(6), "host-1", "no_space", "no_space",
            minutes_ago(6),
        ),
    ]  # fmt: skip


def _tasks() -> list[TaskView]:
    moving = TaskView(
        "7a5c0001-0000-4000-8000-000000000001", "Export of VM vm-app-1", "export", PROD, "prod", minutes_ago(50), 0.42,
        True, "42 % and 81 MiB/s", "host-1", None, 85e6, 4100.0, "xo",
    )  # fmt: skip
    stalled = TaskView(
        "7a5c0002-0000-4000-8000-000000000002", "Export of VM vm-web-3", "export", PROD, "prod", minutes_ago(400), 0.17,
        False, "no progress and no bytes for 3 h", "host-2", None, 0.0, None, "xo",
    )  # fmt: skip
    return [moving, stalled]


def _events() -> list[Event]:
    texts = (
        ("GcStarted", "SMGC: [32436] === SR 07edc1b2-0000-4000-8000-000000000001: gc ==="),
        ("SpaceRefused", "SMGC: [32436] No space to coalesce *5f1c0002[VHD](100.000G//84.000G|n)"),
        ("unknown", "SMGC: [32436] a line that nothing understands"),
    )
    return [
        Event(
            f"e{number:04d}", minutes_ago(6 + number), HOSTS[0], "host-1", "/var/log/SMlog", 1000 * number,
            texts[number % 3][0], texts[number % 3][1], PROD, NFS if number % 3 < 2 else None,
        )
        for number in range(60)
    ]  # fmt: skip


def _catalogue() -> list[Explanation]:
    rows = (
        ("COALESCE_NO_SPACE", "no room to merge", "error", "sr", "SM refused a merge because the SR lacks the space."),
        (
            "CHAIN_NEAR_LIMIT",
            "chain near its limit",
            "warning",
            "vdi",
            "20 links or more; SM refuses at 30.",
        ),
        ("SR_SPACE_LOW", "little free space", "warning", "sr", "Merges and snapshots need room that is going away."),
        ("AGENT_BEHIND", "evidence is late", "warning", "host", "The agent reads more slowly than SM writes."),
        (
            "AGENT_SILENT",
            "agent stopped reporting",
            "error",
            "host",
            "What the host does is unknown.",
        ),
        ("POOL_UNREACHABLE", "no XenAPI session", "error", "pool", "The pool cannot be asked; its picture is frozen."),
    )
    return [
        Explanation(
            code, title, severity, subject, meaning, "merges wait and chains grow", ("snapshots that nobody deletes",),
            ("chainwatch why SR",), ("[safe] free space",), "the merge is done",
        )
        for code, title, severity, subject, meaning in rows
    ]  # fmt: skip


def _why() -> Why:
    checks = (
        Check("agent on host-1 reporting", "ok", "last line 3 s ago"),
        Check("garbage collector started", "ok", "SMGC ran 14:02, 6 min ago (pid 32436)"),
        Check("exceptions in SMlog", "ok", "none in 24 h"),
        Check("free space for merge", "error", "9 % free; candidate 5f1c0002 needs 84 GiB, 41 GiB available"),
        Check("chain depth", "warning", "27 of 30 on vm-db-1/xvda, +1 per night: limit in 3 days"),
        Check("coalesce process running", "skipped", "not expected, blocked above"),
    )
    line = "No space to coalesce *5f1c0002[VHD](100.000G//84.000G|n)"
    subject = Subject("sr", NFS, "nfs-prod-1", PROD)
    return Why(
        subject, "nfs-prod-1 is NOT coalescing: no room to merge.", "error", "COALESCE_NO_SPACE", checks, ("f1", "f2"),
        (evidence(minutes_ago(6), line),), NOW,
    )  # fmt: skip


def _why_host() -> Why:
    said = "no, and the master may not move away from it: that would cut off 1 running merge"
    subject = Subject("host", HOSTS[0], "host-1", PROD)
    return Why(subject, "host-1 is fine.", "ok", None, (Check("may be rebooted now", "error", said),), (), (), NOW)


def _points() -> list[HistoryPoint]:
    return [
        HistoryPoint(NOW - timedelta(hours=6 * n), 27 - n // 4, 3, (96 - n) * GIB, 0.09 + n * 0.004)
        for n in range(28, -1, -1)
    ]


def _forecasts() -> list[Forecast]:
    disk = Subject("vdi", vdi(4), "db-1 disk 0", PROD)
    on_nfs = Subject("sr", NFS, "nfs-prod-1", PROD)
    limit = NOW + timedelta(days=3)
    day = timedelta(days=1)
    return [
        Forecast(disk, "chain_limit", "reaches 30 links in 3 days", limit, limit - day, limit + day),
        Forecast(on_nfs, "sr_full", "the data do not carry a forecast: fewer than 3 backup cycles"),
    ]


def _transitions() -> list[Transition]:
    on_nfs = Subject("sr", NFS, "nfs-prod-1", PROD)
    return [
        Transition(minutes_ago(6), "f1", "COALESCE_NO_SPACE", on_nfs, "error", "raised", "9 % free; 84 GiB needed"),
        Transition(minutes_ago(3000), "f0", "COALESCE_NO_SPACE", on_nfs, "error", "cleared", "merged"),
        Transition(minutes_ago(3100), "f0", "COALESCE_NO_SPACE", on_nfs, "error", "raised", "11 % free"),
    ]
