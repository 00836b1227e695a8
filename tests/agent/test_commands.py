"""`chainwatch-agent` as a person types it: exit codes, and one line for what is wrong."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agent.estate import REPOSITORY, Dom0

HEAD = b"Nov 25 16:00:00 xcp-1 "
LINES = [
    HEAD + b"SMGC: [7] gr\xc3\xb6\xc3\x9fer \xff\n",
    HEAD + b"SM: [8] lock: released /var/lock/sm/x/sr\n",
    HEAD + b"SM: [8] Kicking GC\n",
]


def agent(*arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    path = os.pathsep.join([str(REPOSITORY / "agent"), str(REPOSITORY / "proto" / "gen")])
    environment = dict(os.environ, LANG="C", PYTHONPATH=path)
    command = [sys.executable, "-m", "chainwatch_agent"] + list(arguments)
    return subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, timeout=60
    )


def test_select_prints_what_would_be_shipped(tmp_path: Path) -> None:
    (tmp_path / "SMlog").write_bytes(b"".join(LINES))
    (tmp_path / "SMlog.2.gz").write_bytes(gzip.compress(b"".join(LINES)))
    done = agent("select", str(tmp_path / "SMlog"), str(tmp_path / "SMlog.2.gz"))
    assert (done.returncode, done.stdout) == (0, (LINES[0] + LINES[2]) * 2)
    assert agent("select", "-", given=b"".join(LINES)).stdout == LINES[0] + LINES[2]


def test_select_as_json(tmp_path: Path) -> None:
    (tmp_path / "SMlog").write_bytes(b"".join(LINES))
    done = agent("select", "--json", str(tmp_path / "SMlog"))
    records = [json.loads(text) for text in done.stdout.decode("utf-8").splitlines()]
    assert [record["offset"] for record in records] == [0, len(LINES[0]) + len(LINES[1])]
    assert records[0]["text"].endswith("gr\u00f6\u00dfer \ufffd")


def test_select_knows_other_logs_by_their_name(tmp_path: Path) -> None:
    said = b"Nov 25 16:00:00 xcp-1 systemd[1]: Starting Garbage Collector for SR x...\n"
    (tmp_path / "daemon.log.1").write_bytes(said + LINES[0])
    assert agent("select", str(tmp_path / "daemon.log.1")).stdout == said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "name one of run, check, select"),
        (["walk"], 64, "invalid choice"),
        (["select"], 64, "FILE"),
        (["select", "/nowhere/SMlog"], 2, "/nowhere/SMlog: No such file"),
        (["run", "--config", "/nowhere/agent.conf"], 2, "/nowhere/agent.conf: No such file"),
        (["check", "--config", "/nowhere/agent.conf"], 2, "/nowhere/agent.conf: No such file"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: Any, code: int, said: str) -> None:
    done = agent(*arguments)
    text = done.stderr.decode("utf-8")
    assert (done.returncode, said in text) == (code, True), text
    assert "Traceback" not in text
    assert len([part for part in text.splitlines() if not part.startswith(("usage", " "))]) == 1


def test_check_says_what_is_wrong_and_what_to_type(tmp_path: Path) -> None:
    dom0 = Dom0(tmp_path, tmp_path / "nopki", "localhost:1")
    done = agent("check", "--config", str(dom0.config))
    text = done.stdout.decode("utf-8")
    assert done.returncode == 2
    assert "FAIL /var/log/SMlog: there is no such file" in text
    assert "FAIL TLS: " in text
    assert text.count("next: ") >= 2
    assert done.stderr == b""
