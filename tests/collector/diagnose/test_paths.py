"""What `diagnose` takes: files, rotations, directories, bundles; and what it refuses, with the fix."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chainwatch_collector.cli.main import main
from chainwatch_collector.diagnose import offline
from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.diagnose.limits import Limits
from chainwatch_collector.diagnose.offline import Options
from smlog import SR, Smlog

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def halves() -> tuple[bytes, bytes]:
    """One run over two files, cut in the middle of its merge."""
    log = Smlog().start(100).chain(100).inner_start(100).copy(110)
    first = len(log.lines)
    log.copied(100, 110).updated(100).finish(100)
    return b"\n".join(log.lines[:first]) + b"\n", b"\n".join(log.lines[first:]) + b"\n"


OLD, NEW = halves()


def outcomes(*paths: object, options: Options | None = None) -> list[str]:
    reading = offline.read_paths([str(path) for path in paths], options or Options(now=NOW))
    return [run.outcome for run in reading.runs]


def write_rotations(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SMlog.2.gz").write_bytes(gzip.compress(OLD))
    (folder / "SMlog.1").write_bytes(NEW)
    (folder / "SMlog").write_bytes(b"")
    (folder / "messages").write_bytes(OLD)
    return folder


def tar_of(path: Path, members: dict[str, bytes], mode: str = "w:bz2") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), int(NOW.timestamp())
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_file_alone_is_read_alone(tmp_path: Path) -> None:
    write_rotations(tmp_path)
    assert outcomes(tmp_path / "SMlog.2.gz") == ["running"]


def test_rotations_of_a_directory_are_one_log(tmp_path: Path) -> None:
    assert outcomes(write_rotations(tmp_path / "var" / "log")) == ["worked"]


def test_rotations_named_in_any_order(tmp_path: Path) -> None:
    write_rotations(tmp_path)
    assert outcomes(tmp_path / "SMlog.1", tmp_path / "SMlog.2.gz") == ["worked"]


@pytest.mark.parametrize(("name", "mode"), [("b.tar", "w"), ("b.tgz", "w:gz"), ("b.tar.bz2", "w:bz2"), ("b", "w:bz2")])
def test_tar_bundles(tmp_path: Path, name: str, mode: str) -> None:
    members = {"x/var/log/SMlog.1": OLD, "x/var/log/SMlog": NEW, "x/var/log/other": OLD}
    assert outcomes(tar_of(tmp_path / name, members, mode)) == ["worked"]


def test_zip_bundle_with_a_bundle_in_it(tmp_path: Path) -> None:
    inner = tar_of(tmp_path / "inner.tar.bz2", {"var/log/SMlog": OLD + NEW}).read_bytes()
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("host1/bug-report.tar.bz2", inner)
    assert outcomes(tmp_path / "outer.zip") == ["worked"]


def test_evidence_names_the_member_and_its_offset(tmp_path: Path) -> None:
    bundle = tar_of(tmp_path / "b.tar.bz2", {"x/var/log/SMlog": OLD + NEW})
    reading = offline.read_paths([str(bundle)], Options(now=NOW))
    start = reading.runs[0].start
    assert (start.source, start.offset) == (f"{bundle}:x/var/log/SMlog", 0)
    assert (OLD + NEW)[reading.runs[0].merges[0].start.offset :].startswith(
        b"Nov 22 08:00:00 xcp1 SMGC: [100] Coalescing"
    )


def test_zone_of_the_bundle(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    with tarfile.open(tar_of(path, {"x/var/log/SMlog": OLD}, "w"), "a") as archive:
        link = tarfile.TarInfo("x/etc/localtime")
        link.type, link.linkname = tarfile.SYMTYPE, "../usr/share/zoneinfo/Asia/Tokyo"
        archive.addfile(link)
    reading = offline.read_paths([str(path)], Options(now=NOW))
    assert reading.runs[0].start.at == datetime(2026, 11, 21, 23, tzinfo=UTC)
    assert not any("assumed" in note for note in reading.notes)


def test_two_hosts_are_two_readers(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "SMlog").write_bytes(OLD + NEW)
    reading = offline.read_paths([f"h1={tmp_path / 'one'}", f"h2={tmp_path / 'two' / 'SMlog'}"], Options(now=NOW))
    assert [(run.host, run.outcome) for run in reading.runs] == [("h1", "worked"), ("h2", "worked")]


def test_now_is_the_newest_line_and_a_minute(tmp_path: Path) -> None:
    (tmp_path / "SMlog").write_bytes(OLD)
    reading = offline.read_paths([str(tmp_path / "SMlog")], Options())
    assert reading.now is not None
    assert (reading.now.second, reading.now.minute) == (0, 1)
    assert any("--now" in note for note in reading.notes)


def test_damaged_gzip_is_read_up_to_the_damage(tmp_path: Path) -> None:
    data = gzip.compress(OLD * 200)
    (tmp_path / "SMlog.2.gz").write_bytes(data[: len(data) // 2])
    reading = offline.read_paths([str(tmp_path / "SMlog.2.gz")], Options(now=NOW))
    assert any("damaged gzip" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(total_bytes=50), "in all"),
        (Limits(file_bytes=50), "uncompressed"),
        (Limits(ratio=1, ratio_from_bytes=10), "archive bomb"),
        (Limits(members=0), "more than 0 members"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, said: str) -> None:
    bundle = tar_of(tmp_path / "b.tgz", {"x/var/log/SMlog": (OLD + NEW) * 50}, "w:gz")
    with pytest.raises(DiagnoseError) as caught:
        offline.read_paths([str(bundle)], Options(now=NOW, limits=limits))
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_line_without_an_end_is_cut(tmp_path: Path) -> None:
    (tmp_path / "SMlog").write_bytes(OLD + b"x" * 3_000_000 + b"\n" + NEW)
    assert outcomes(tmp_path / "SMlog") == ["worked"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "give at least one PATH"),
        (["nowhere"], 3, "no such file or directory"),
        (["empty"], 3, "no SMlog in it"),
        (["broken.tar.bz2"], 3, "cannot be read as an archive"),
        (["SMlog", "--now", "yesterday"], 64, "is no time"),
        (["SMlog", "--timezone", "Mars/Olympus"], 64, "is no time zone"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "SMlog").write_bytes(OLD)
    (tmp_path / "broken.tar.bz2").write_bytes(b"BZh91AY&SY" + b"\0" * 90)
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", *arguments]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_json_has_the_interface_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "SMlog").write_bytes(OLD + NEW + b"not a log line\n")
    main(["diagnose", str(tmp_path / "SMlog"), "--now", "2026-11-22T09:00:00Z", "-o", "json"])
    body = json.loads(capsys.readouterr().out)
    assert {"lines", "runs", "findings", "verdicts", "srs"} <= set(body)
    lines = body["lines"]
    assert lines["selected"] == lines["understood"] + lines["unknown"]
    assert (lines["read"], lines["unknown"]) == ((OLD + NEW).count(b"\n") + 1, 1)
    (run,) = body["runs"]
    assert run["sr_uuid"] == SR
    assert run["merges"][0]["started_at"] == "2026-11-22T08:00:00Z"
    assert body["verdicts"] == []


def test_shapes_show_no_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Smlog().sm(7, f"Frobbing '{SR}' of 10.1.2.3 with 0xdeadbeef in /secret/place and \"token\" 42")
    (tmp_path / "SMlog").write_bytes(b"\n".join(log.lines) + b"\n")
    assert main(["diagnose", str(tmp_path / "SMlog"), "--shapes", "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["shapes"]
    assert found == {"count": 1, "shape": "SM: Frobbing '<s>' of <ip> with <n> in <path> and \"<s>\" <n>"}


@pytest.mark.parametrize("form", ["table", "yaml", "tsv"])
def test_every_form_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    (tmp_path / "SMlog").write_bytes(OLD + NEW)
    main(["diagnose", str(tmp_path / "SMlog"), "-o", form])
    captured = capsys.readouterr()
    assert captured.out
    assert captured.err == ""
