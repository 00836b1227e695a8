"""Xen Orchestra's REST API, as a small HTTP server plays it."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from chainwatch_collector.backups.xo_rest import XoError, read

TOKEN = "token-0123456789"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
JOB, SCHEDULE, REMOTE, SR = "job-1", "schedule-1", "remote-1", "5a5a0000-0000-4000-8000-00000000000a"


def millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def run(days: int, status: str, **remote: Any) -> dict[str, Any]:
    """A log of one VM."""
    at = millis(NOW - timedelta(days=days))
    export = {"message": "export", "data": {"type": "remote", "id": REMOTE}, "status": status, **remote}
    task = {"data": {"type": "VM", "id": "vm-1"}, "start": at, "status": status, "tasks": [export]}
    return {"id": str(at), "jobId": JOB, "message": "backup", "start": at, "status": status, "tasks": [task]}


def collections() -> dict[str, Any]:
    return {
        "backup-jobs": [
            {
                "id": JOB,
                "name": "nightly",
                "type": "backup",
                "mode": "delta",
                "vms": {"type": "VM", "tags": {"__or": [["prod"]]}},
                "remotes": {"id": {"__or": [REMOTE]}},
                "srs": {"id": SR},
                "settings": {},
            },
            {"id": "m", "name": "mirror", "type": "mirrorBackup"},
        ],
        "schedules": [
            {"id": SCHEDULE, "jobId": JOB, "cron": "0 1 * * *", "timezone": "Europe/Paris", "enabled": True},
            {"id": "off", "jobId": JOB, "cron": "0 5 * * *", "enabled": False},
            {"id": "odd", "jobId": JOB, "cron": "whenever", "enabled": True},
        ],
        "backup-repositories": [{"id": REMOTE, "name": "nas", "enabled": True, "url": "smb://user:secret@nas/share"}],
        "servers": [{"id": "s", "status": "connected", "poolId": "pool-1"}, {"id": "t", "status": "disconnected"}],
        "backup-logs": [
            run(60, "success"),
            run(2, "skipped"),
            run(
                1,
                "failure",
                tasks=[{"result": {"code": "ENOSPC", "message": "ENOSPC: no space left on device, write"}}],
            ),
            {
                "jobId": JOB,
                "tasks": [None, {"data": {"type": "VM"}}, {"data": {"type": "VM", "id": "x"}, "start": "?"}],
            },
        ],
    }


class Orchestra(ThreadingHTTPServer):
    daemon_threads = True
    answers: dict[str, Any]
    status = 200
    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Orchestra

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        self.server.asked.append(self.path)
        is_known = self.headers.get("Cookie", "") == f"authenticationToken={TOKEN}"
        status = 401 if not is_known else self.server.status
        name = split.path.removeprefix("/rest/v0/")
        if status == 200 and name not in self.server.answers:
            status = 404
        answer = self.server.answers.get(name)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        assert parse_qs(split.query)["fields"] == ["*"]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing is written."""


@pytest.fixture
def orchestra() -> Iterator[Orchestra]:
    with Orchestra(("127.0.0.1", 0), Handler) as server:
        server.answers, server.asked = collections(), []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: Orchestra) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


async def test_jobs_logs_and_servers_are_read(orchestra: Orchestra) -> None:
    seen = await read(url(orchestra) + "/", TOKEN, True, {"nas": "/mnt/nas"}, NOW)
    (job,) = seen.jobs
    assert (job.name, job.id, job.whole, job.target_srs) == ("nightly", JOB, False, (SR,))
    assert job.pattern == {"type": "VM", "tags": {"__or": [["prod"]]}}
    assert [(one.text, one.zone.key) for one in job.schedules] == [("0 1 * * *", "Europe/Paris")]
    (remote,) = job.remotes
    assert (remote.name, remote.path) == ("nas", "/mnt/nas")
    assert "secret" not in repr(seen)
    logs = next(path for path in orchestra.asked if "backup-logs" in path)
    assert parse_qs(urlsplit(logs).query)["filter"] == [f"start:>{millis(NOW - timedelta(days=15))}"]
    assert seen.servers == {"pool-1": "connected"}
    assert [(one.vm, one.status, one.no_space) for one in seen.runs] == [
        ("vm-1", "skipped", ()),
        ("vm-1", "failure", (REMOTE,)),
    ]


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "token is not accepted"), (403, "token"), (404, "update Xen Orchestra"), (500, "HTTP 500")],
)
async def test_a_refusal_says_the_fix(orchestra: Orchestra, status: int, said: str) -> None:
    orchestra.status = status
    with pytest.raises(XoError, match=said):
        await read(url(orchestra), TOKEN, True, {}, NOW)


async def test_a_wrong_token_is_not_shown(orchestra: Orchestra) -> None:
    with pytest.raises(XoError) as refused:
        await read(url(orchestra), "wrong-secret", True, {}, NOW)
    assert "wrong-secret" not in str(refused.value)


@pytest.mark.parametrize("answer", [b"<html>", {"not": "a list"}])
async def test_what_is_not_xen_orchestra_is_refused(orchestra: Orchestra, answer: Any) -> None:
    orchestra.answers["backup-jobs"] = answer
    with pytest.raises(XoError, match="the answer is no"):
        await read(url(orchestra), TOKEN, True, {}, NOW)


async def test_nobody_there() -> None:
    with pytest.raises(XoError, match="is Xen Orchestra up"):
        await read("http://127.0.0.1:1", TOKEN, True, {}, NOW)
