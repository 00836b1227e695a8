"""The JSON of `diagnose -o json` (interfaces.md section 3), from what was read."""

from __future__ import annotations

from typing import Any

from chainwatch_collector.diagnose.offline import Reading
from chainwatch_collector.read.facts import TreeSeen
from chainwatch_collector.read.runs import Run


def body(reading: Reading, inventory: str | None = None) -> dict[str, Any]:
    """lines, runs, findings, verdicts, srs, and notes on what was assumed."""
    understood = sum(reader.lines_understood for reader in reading.readers)
    unknown = sum(reader.lines_unknown for reader in reading.readers)
    return {
        "now": reading.now.isoformat().replace("+00:00", "Z") if reading.now else None,
        "lines": {
            "read": reading.lines_read,
            "selected": understood + unknown,
            "understood": understood,
            "unknown": unknown,
        },
        "runs": [run.to_json() for run in reading.runs],
        "findings": [],
        "verdicts": [],
        "srs": _srs(reading),
        "notes": reading.notes,
    }


def _srs(reading: Reading) -> list[dict[str, Any]]:
    names: dict[str, str] = {fact.sr: fact.sr_name for fact in reading.facts if isinstance(fact, TreeSeen) and fact.sr}
    last: dict[str, Run] = {}
    for run in reading.runs:
        uuid = run.sr or run.sr_prefix
        if uuid:
            last[uuid] = run
    return [_sr(uuid, names.get(uuid, ""), run) for uuid, run in sorted(last.items())]


def _sr(uuid: str, name: str, run: Run) -> dict[str, Any]:
    unknown = dict.fromkeys(
        (
            "depth_max",
            "inner_pending",
            "leaf_pending",
            "kept",
            "blocked",
            "garbage",
            "free_ratio",
            "bytes_to_merge",
            "eta_seconds",
            "last_merge_at",
        )
    )
    return {"uuid": uuid, "name": name, "state": "unknown", **unknown}
