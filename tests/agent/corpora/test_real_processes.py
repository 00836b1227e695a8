"""Processes as they really ran: every argv, and every /proc sample put back into a proc tree and measured again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chainwatch.v1 import evidence_pb2
from chainwatch_agent.image_command import recognise
from chainwatch_agent.processes import TICKS_PER_SECOND, ProcFs
from chainwatch_agent.tracked import Tracked
from corpora import CORPORA, NAMES, needs_corpora

pytestmark = [pytest.mark.corpora, needs_corpora]

SAMPLED = sorted(path.parent.name for path in CORPORA.glob("*/procfs_samples.jsonl"))
MERGES = {evidence_pb2.PROCESS_KIND_VHD_COALESCE, evidence_pb2.PROCESS_KIND_QEMU_COMMIT}
Json = dict[str, Any]


def samples(name: str) -> Iterator[Json]:
    """One process at one moment each."""
    for line in (CORPORA / name / "procfs_samples.jsonl").read_text().splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("name", NAMES)
def test_every_argv_is_known_with_its_sr(name: str) -> None:
    truth = json.loads((CORPORA / name / "ground_truth.json").read_text())
    srs = {sr["uuid"] for sr in truth["srs"]}
    for process in truth.get("processes_sampled", []):
        argv = process["argv"]
        command = recognise(argv)
        assert command is not None, argv
        assert command.sr_uuid in srs, argv
        names_an_image = any(word.endswith((".vhd", ".qcow2")) and "*" not in word for word in argv)
        assert bool(command.vdi_uuid) == names_an_image, argv
        asks_only = "cleanup" in argv[1] and bool({"-a", "-q"} & set(argv))
        assert (command.kind == evidence_pb2.PROCESS_KIND_UNSPECIFIED) == asks_only, argv


def put_back(root: Path, sample: Json) -> None:
    """The sample as the /proc that it was read from."""
    directory = root / "proc" / str(sample["pid"])
    for name in ("fd", "fdinfo"):
        (directory / name).mkdir(parents=True, exist_ok=True)
        for file in (directory / name).iterdir():
            file.unlink()
    fields = ["0"] * 40
    fields[0], fields[1] = sample["state"], str(sample["ppid"])
    fields[11], fields[12], fields[19] = str(sample["utime"]), str(sample["stime"]), str(sample["starttime"])
    (directory / "stat").write_text(f"{sample['pid']} ({sample['comm']}) {' '.join(fields)}\n")
    (directory / "io").write_text("".join(f"{key}: {value}\n" for key, value in sample["io"].items()))
    (directory / "wchan").write_text(sample["wchan"])
    for number, fd in sample["fds"].items():
        (directory / "fd" / number).symlink_to(fd["target"])
        (directory / "fdinfo" / number).write_text(f"pos:\t{fd['pos']}\nflags:\t{fd['flags']}\nmnt_id:\t1\n")


@pytest.mark.parametrize("name", SAMPLED)
def test_every_sample_is_measured_as_it_was(name: str, tmp_path: Path) -> None:
    proc = ProcFs(str(tmp_path))
    parents: dict[str, set[str]] = {}
    written: dict[int, int] = {}
    for sample in (found for found in samples(name) if "starttime" in found):
        put_back(tmp_path, sample)
        command = recognise(sample["argv"])
        assert command is not None
        process = Tracked(sample["pid"], proc.stat(sample["pid"]), command, 0)
        assert process.measure(proc, 1)
        seen = process.sample()
        assert (seen.state, seen.ppid, seen.start_ticks) == (sample["state"], sample["ppid"], sample["starttime"])
        assert seen.cpu_seconds == pytest.approx((sample["utime"] + sample["stime"]) / TICKS_PER_SECOND)
        assert (seen.rchar, seen.wchar) == (sample["io"]["rchar"], sample["io"]["wchar"])
        assert seen.wchan in sample["wchan"]
        assert seen.write_bytes >= written.get(seen.pid, 0)
        written[seen.pid] = seen.write_bytes
        if seen.kind in MERGES:
            parents.setdefault(seen.vdi_uuid, set()).add(seen.parent_vdi_uuid)
    assert parents
    assert all(len(targets - {""}) == 1 for targets in parents.values()), parents
    assert pairs_of_the_log(name) >= {(child, *(targets - {""})) for child, targets in parents.items()}


def pairs_of_the_log(name: str) -> set[tuple[str, ...]]:
    """(child, parent) of every merge in the corpus's ground truth, by the first eight characters they are known by."""
    expected = json.loads((CORPORA / name / "expected.json").read_text())
    short = {(merge["child8"], merge["parent8"]) for run in expected["runs"] for merge in run["merges"]}
    uuids = {uuid for sample in samples(name) for uuid in uuids_of(sample)}
    return {(a, b) for a in uuids for b in uuids if (a[:8], b[:8]) in short}


def uuids_of(sample: Json) -> set[str]:
    """VDIs that a sample's descriptors name."""
    return {Path(fd["target"]).stem for fd in sample.get("fds", {}).values() if "/sr-mount/" in fd["target"]}
