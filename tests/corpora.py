"""The real corpora, which live outside the repository: where they are, and how a diagnosis is compared with them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
CORPORA = Path(os.environ.get("CHAINWATCH_CORPORA", REPOSITORY.parent / "shared" / "corpora"))
NAMES = sorted(path.parent.name for path in CORPORA.glob("*/expected.json"))

needs_corpora = pytest.mark.skipif(not NAMES, reason=f"no corpora in {CORPORA}; set CHAINWATCH_CORPORA")

Json = dict[str, Any]


@dataclass
class Score:
    """One row of the scoreboard."""

    name: str
    runs: int = 0
    merges: int = 0
    wrong: list[str] = field(default_factory=list)
    missing_codes: list[str] = field(default_factory=list)
    false_codes: list[str] = field(default_factory=list)
    unknown: int = 0
    selected: int = 0

    @property
    def good(self) -> bool:
        """Everything as expected."""
        return not (self.wrong or self.missing_codes or self.false_codes)


SCOREBOARD = pytest.StashKey[list[Score]]()


def expected(name: str) -> Json:
    """`expected.json` of one corpus."""
    found: Json = json.loads((CORPORA / name / "expected.json").read_text())
    return found


def compare(name: str, want: Json, have: Json) -> Score:
    """Runs by SR in order of start; merges in order within a run; codes as sets."""
    score = Score(name, len(have["runs"]), sum(len(run["merges"]) for run in have["runs"]))
    score.unknown, score.selected = have["lines"]["unknown"], have["lines"]["selected"]
    for sr in sorted({run["sr_uuid"] for run in [*want["runs"], *have["runs"]]}, key=str):
        _runs(
            [run for run in want["runs"] if run["sr_uuid"] == sr],
            sorted((run for run in have["runs"] if run["sr_uuid"] == sr), key=lambda run: str(run["started_at"])),
            score,
        )
    codes = {finding["code"] for finding in have["findings"]}
    score.missing_codes = sorted(set(want["must_have_codes"]) - codes)
    score.false_codes = sorted(set(want["must_not_have_codes"]) & codes)
    return score


def _runs(want: list[Json], have: list[Json], score: Score) -> None:
    left = list(have)
    for run in want:
        if left and left[0]["pid"] == run["pid"]:
            found = left.pop(0)
            if not _allowed(run, "outcome", found["outcome"]):
                score.wrong.append(f"run {run['pid']}: {found['outcome']}, not {_wanted(run, 'outcome')}")
            _merges(run, found, score)
        elif not run.get("optional"):
            score.wrong.append(f"run {run['pid']}: missing")
    score.wrong.extend(f"run {run['pid']}: not expected ({run['outcome']})" for run in left)


def _merges(want: Json, have: Json, score: Score) -> None:
    left = list(have["merges"])
    for merge in want["merges"]:
        head = left[0] if left else None
        if head is not None and _same_pair(merge, head):
            left.pop(0)
            for key in ("outcome", "cause"):
                if not _allowed(merge, key, head[key]):
                    score.wrong.append(
                        f"run {want['pid']} {merge['child8']}: {key} {head[key]}, not {_wanted(merge, key)}"
                    )
        elif not merge.get("optional"):
            score.wrong.append(f"run {want['pid']} {merge['kind']} {merge['child8']}: missing")
    score.wrong.extend(f"run {want['pid']} {merge['kind']} {merge['child'][:8]}: not expected" for merge in left)


def _same_pair(want: Json, have: Json) -> bool:
    return bool(
        want["kind"] == have["kind"]
        and have["child"].startswith(want["child8"])
        and have["parent"].startswith(want["parent8"])
    )


def _allowed(want: Json, key: str, value: object) -> bool:
    return value in _wanted(want, key)


def _wanted(want: Json, key: str) -> list[object]:
    anything = want.get(f"{key}_any")
    return list(anything) if anything is not None else [want.get(key)]


def summary(scores: list[Score]) -> list[str]:
    """The scoreboard's lines."""
    good = sum(score.good for score in scores)
    selected, unknown = sum(s.selected for s in scores), sum(s.unknown for s in scores)
    lines = [f"corpora: {good} of {len(scores)} as expected; {unknown} of {selected} selected lines unknown"]
    for score in scores:
        told = [*score.wrong, *(f"no {c}" for c in score.missing_codes), *(f"false {c}" for c in score.false_codes)]
        mark = "ok  " if score.good else "FAIL"
        lines.append(
            f"  {mark} {score.name}: {score.runs} runs, {score.merges} merges" + "".join(f"; {t}" for t in told)
        )
    return lines
