"""Retention in a running collector: it begins by itself, goes on after trouble, and does not hold up the end."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chainwatch_collector.keep.projection_tables import AUDIT
from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.serve.composition import Collector, Core
from chainwatch_collector.serve.retention_part import RetentionPart
from chainwatch_collector.serve.settings import Settings, load
from sqlalchemy import func, insert, select

PATIENCE_SECONDS = 20.0
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def configured(directory: Path, retention: str = "") -> Settings:
    (directory / "collector.toml").write_text(
        f'state_dir = "state"\n[ingest]\nlisten = "127.0.0.1:0"\n[retention]\n{retention}\n'
    )
    return load(directory / "collector.toml")


def audited(core: Core, at: datetime) -> None:
    entry = {"at_us": to_us(at), "who": "me", "what": "mute", "subject": "s", "outcome": "ok"}
    core.writer.write(lambda c: c.execute(insert(AUDIT).values(entry)) and None)


async def until_dropped(part: RetentionPart, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while part.counters()["chainwatch_retention_audit_dropped_total"] != count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_what_is_too_old_goes_by_itself_and_is_counted(tmp_path: Path) -> None:
    settings = configured(tmp_path, "history_days = 2")
    part = RetentionPart(settings.retention, first_seconds=0, every_seconds=0.05, clock=lambda: NOW)
    async with Collector(settings, [part]) as core:
        for days in (1, 3, 4):
            audited(core, NOW - timedelta(days=days))
        await until_dropped(part, 2)
        audited(core, NOW - timedelta(days=5))
        await until_dropped(part, 3)
        assert await core.readers.read(lambda c: c.execute(select(func.count()).select_from(AUDIT)).scalar()) == 1
        assert part.counters()["chainwatch_retention_lines_dropped_total"] == 0


async def test_a_collector_that_ends_does_not_wait_for_the_next_pass(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    part = RetentionPart(settings.retention)
    async with Collector(settings, [part]):
        pass
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "retention"]
