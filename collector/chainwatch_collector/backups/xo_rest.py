"""Xen Orchestra's REST API, read only: backup jobs, schedules, logs, repositories, and how it sees its servers.

`GET /rest/v0/{backup-jobs,schedules,backup-logs,backup-repositories,servers}?fields=*` with the token as a cookie;
shapes as in `@xen-orchestra/rest-api`. What has another shape is left out, never guessed.
"""

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2

from chainwatch_collector.backups.jobs import Job, Remote, RunStatus, VmRun, XoSeen
from chainwatch_collector.backups.pattern import named
from chainwatch_collector.backups.schedule import Schedule, ScheduleError, parse

TIMEOUT_SECONDS: Final = 30.0
MAX_BYTES: Final = 128 * 2**20
LOGS_SPAN: Final = timedelta(days=15)
_STATUSES: Final[tuple[RunStatus, ...]] = ("success", "skipped", "failure", "interrupted", "pending")


class XoError(Exception):
    """Xen Orchestra cannot be asked now; says why and the fix, without the token."""


async def read(url: str, token: str, verify: ssl.SSLContext | bool, mounts: Mapping[str, str], now: datetime) -> XoSeen:
    """Everything that it tells of backups. Raises `XoError`."""
    async with httpx2.AsyncClient(
        base_url=url.rstrip("/"),
        verify=verify,
        timeout=TIMEOUT_SECONDS,
        cookies={"authenticationToken": token},
        follow_redirects=False,
    ) as client:
        jobs = await _collection(client, "backup-jobs")
        schedules = await _collection(client, "schedules")
        remotes = await _collection(client, "backup-repositories")
        servers = await _collection(client, "servers")
        # A limit would keep the oldest: they come in the order of time. The filter is Xen Orchestra's complex-matcher.
        logs = await _collection(client, "backup-logs", filter=f"start:>{int((now - LOGS_SPAN).timestamp() * 1000)}")
    return seen_of(jobs, schedules, remotes, servers, logs, mounts, now)


async def _collection(client: httpx2.AsyncClient, name: str, **query: str) -> list[dict[str, Any]]:
    """The objects of a collection. Raises `XoError`."""
    body = bytearray()
    try:
        async with client.stream("GET", f"/rest/v0/{name}", params={"fields": "*", **query}) as response:
            if response.status_code in (401, 403):
                raise XoError(f"{name}: HTTP {response.status_code}: the token is not accepted; make a new one there")
            if response.status_code == 404:
                raise XoError(f"{name}: HTTP 404: update Xen Orchestra, or correct [xen_orchestra] url")
            if response.status_code != 200:
                raise XoError(f"{name}: HTTP {response.status_code}")
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise XoError(f"{name}: the answer has no end")
    except httpx2.HTTPError as error:
        raise XoError(f"{name}: {type(error).__name__}: is Xen Orchestra up, and is its certificate trusted?") from None
    try:
        found = json.loads(body)
    except ValueError:
        raise XoError(f"{name}: the answer is no JSON; does [xen_orchestra] url name Xen Orchestra?") from None
    if not isinstance(found, list):
        raise XoError(f"{name}: the answer is no list")
    return [one for one in found if isinstance(one, dict)]


def seen_of(
    jobs: Iterable[Mapping[str, Any]],
    schedules: Iterable[Mapping[str, Any]],
    remotes: Iterable[Mapping[str, Any]],
    servers: Iterable[Mapping[str, Any]],
    logs: Iterable[Mapping[str, Any]],
    mounts: Mapping[str, str],
    now: datetime,
) -> XoSeen:
    """The collections as what the rest of the product knows. Pure."""
    by_job: dict[str, list[Schedule]] = {}
    for one in schedules:
        if one.get("enabled") and isinstance(one.get("jobId"), str):
            by_job.setdefault(one["jobId"], []).extend(_schedule(one))
    known = {uuid: _remote(uuid, one, mounts) for one in remotes if (uuid := _text(one, "id"))}
    return XoSeen(
        jobs=tuple(_job(one, by_job, known) for one in jobs if one.get("type") == "backup" and _text(one, "id")),
        runs=tuple(run for log in logs for run in _runs(log) if now - run.at <= LOGS_SPAN),
        servers={pool: _text(one, "status") for one in servers if (pool := _text(one, "poolId"))},
    )


def _text(one: Mapping[str, Any], key: str) -> str:
    value = one.get(key)
    return value if isinstance(value, str) else ""


def _schedule(one: Mapping[str, Any]) -> list[Schedule]:
    try:
        return [parse(_text(one, "cron"), _text(one, "timezone") or "UTC")]
    except ScheduleError:
        return []


def _remote(uuid: str, one: Mapping[str, Any], mounts: Mapping[str, str]) -> Remote:
    """Its url holds secrets and stays out."""
    name = _text(one, "name") or uuid
    return Remote(uuid=uuid, name=name, path=mounts.get(uuid) or mounts.get(name) or "")


def _job(one: Mapping[str, Any], schedules: Mapping[str, list[Schedule]], remotes: Mapping[str, Remote]) -> Job:
    uuid = _text(one, "id")
    pattern = one.get("vms")
    wanted = _ids(one.get("remotes"))
    return Job(
        name=_text(one, "name") or uuid,
        id=uuid,
        pattern=pattern if isinstance(pattern, dict) else {},
        whole=one.get("mode") == "full",
        schedules=tuple(schedules.get(uuid, ())),
        target_srs=tuple(_ids(one.get("srs"))),
        remotes=tuple(remotes.get(id_, Remote(uuid=id_, name=id_)) for id_ in wanted),
    )


def _ids(pattern: Any) -> list[str]:
    """`{id: X}` or `{id: {__or: [X, Y]}}`."""
    return list(named(pattern.get("id"))) if isinstance(pattern, dict) else []


def _runs(log: Mapping[str, Any]) -> Iterator[VmRun]:
    job = _text(log, "jobId")
    tasks = log.get("tasks")
    for task in tasks if isinstance(tasks, list) else []:
        data = task.get("data") if isinstance(task, dict) else None
        if not job or not isinstance(data, dict) or data.get("type") != "VM" or not _text(data, "id"):
            continue
        at, status = _moment(task.get("start")), task.get("status")
        if at is not None and status in _STATUSES:
            nested = list(_remotes(task))
            yield VmRun(
                job=job,
                vm=_text(data, "id"),
                at=at,
                status=status,
                remotes=tuple(remote for remote, _ in nested),
                no_space=tuple(remote for remote, full in nested if full),
            )


def _remotes(task: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """(remote, whether ENOSPC ended it there)."""
    subtasks = task.get("tasks")
    for one in subtasks if isinstance(subtasks, list) else []:
        data = one.get("data") if isinstance(one, dict) else None
        if isinstance(data, dict) and data.get("type") == "remote" and _text(data, "id"):
            yield _text(data, "id"), "ENOSPC" in json.dumps(one)


def _moment(value: Any) -> datetime | None:
    """Milliseconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
