"""What `make bench` measures: one figure a row, with the anchor it is held against (interfaces.md section 3)."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TypedDict


class Figure(TypedDict):
    """`ratio` is value to anchor where an anchor was measured on the same machine in the same minute."""

    name: str
    value: float
    unit: str
    anchor: str | None
    ratio: float | None
    goal: str
    met: bool


def figure(
    name: str, value: float, unit: str, goal: str, met: bool, anchor: str | None = None, ratio: float | None = None
) -> Figure:
    """A row; numbers are rounded to what a person compares."""
    return Figure(
        name=name,
        value=float(f"{value:.4g}"),
        unit=unit,
        anchor=anchor,
        ratio=None if ratio is None else float(f"{ratio:.3g}"),
        goal=goal,
        met=met,
    )


def table(figures: list[Figure]) -> list[str]:
    """For people."""
    rows = [("figure", "value", "ratio", "goal", "met")]
    for one in figures:
        ratio = "–" if one["ratio"] is None else f"{one['ratio']:g}"
        rows.append((one["name"], f"{one['value']:g} {one['unit']}", ratio, one["goal"], "yes" if one["met"] else "NO"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def machine() -> str:
    """Processor, cores, kernel, Python: what a number means nothing without."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = f"{len(models)} x {models[0]}" if models else platform.machine()
    return f"{model}, Linux {platform.release()}, Python {platform.python_version()}"
