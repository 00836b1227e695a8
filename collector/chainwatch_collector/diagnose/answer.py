"""The JSON of `diagnose -o json` (interfaces.md section 3): read, tracked and judged as live."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.diagnose.offline import Reading
from chainwatch_collector.inventory.dump import InventoryError, picture_from_dump
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.judge.judge import Judge
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.read.facts import Fact
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.track.tracker import PoolTracker
from chainwatch_collector.words import iso


def body(reading: Reading, inventory: str | None = None) -> dict[str, Any]:
    """lines, runs, findings, verdicts, srs, and notes on what was assumed. Raises DiagnoseError for a bad inventory."""
    picture = _picture(inventory, reading.now) if inventory is not None else None
    state = tracked(reading, picture)
    answer = Judge().judge(state, state.now, Ledger()).answer
    understood = sum(reader.lines_understood for reader in reading.readers)
    unknown = sum(reader.lines_unknown for reader in reading.readers)
    return {
        "now": iso(reading.now) if reading.now else None,
        "lines": {
            "read": reading.lines_read,
            "selected": understood + unknown,
            "understood": understood,
            "unknown": unknown,
        },
        "runs": [run.to_json() for run in reading.runs],
        **_judged(answer),
        "notes": reading.notes,
    }


def tracked(reading: Reading, picture: Picture | None) -> PoolState:
    """Everything read, as one pool's state at the time of the diagnosis."""
    pool = picture.pool if picture is not None else None
    tracker = PoolTracker(pool.uuid if pool is not None else None, offline=True)
    facts: dict[str, list[Fact]] = {}
    for fact in reading.facts:
        facts.setdefault(fact.ref.host, []).append(fact)
    for reader in reading.readers:
        tracker.take(reader.host, facts.pop(reader.host, []), reader.runs)
    if picture is not None:
        tracker.see(picture)
    return tracker.state(reading.now or datetime.fromtimestamp(0, UTC))


def _picture(path: str, as_of: datetime | None) -> Picture:
    try:
        records = json.loads(Path(path).read_text("utf-8"))
        return picture_from_dump(records, as_of)
    except OSError as error:
        raise DiagnoseError(
            f"{path}: {error.strerror}", "Check the path; `chainwatch pool dump` writes one."
        ) from error
    except (InventoryError, ValueError) as error:
        raise DiagnoseError(f"{path}: {error}", "Give the JSON that `chainwatch pool dump` writes.") from error


def _judged(answer: Answer) -> dict[str, Any]:
    return {
        "findings": [_plain(finding) for finding in answer.findings],
        "verdicts": [_plain(verdict) for verdict in answer.verdicts],
        "srs": [_plain(sr) for sr in answer.srs],
    }


def _plain(value: Any) -> Any:
    """Records as JSON: times in UTC with Z."""
    if isinstance(value, datetime):
        return iso(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
