"""What the agent selects is enough: a diagnosis of the selected lines alone is the diagnosis of everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from chainwatch_agent.select import BLOCK_BYTES, Selector
from chainwatch_collector.diagnose.offline import Options, read_paths
from chainwatch_collector.read.runs import Run
from corpora import CORPORA, NAMES, needs_corpora


def selected(data: bytes, block_bytes: int = BLOCK_BYTES) -> bytes:
    """The lines an agent ships of a log, one after the other."""
    selector = Selector(part_for(FLOOR, SMLOG))
    kept, at = [], 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + block_bytes) + 1 or len(data)
        kept += [part for _, part in selector.select(data[at:end], at)]
        at = end
    return b"".join(kept)


def said(path: Path) -> tuple[list[object], list[str]]:
    """Runs and facts without the places they were read at."""
    reading = read_paths([str(path)], Options())
    facts = [type(fact).__name__ + _plain(fact) for fact in reading.facts]
    return [_run(run) for run in reading.runs], facts


def _run(run: Run) -> object:
    merges = [(m.kind, m.child, m.parent, m.outcome, m.cause) for m in run.merges]
    return (run.sr, run.pid, run.outcome, run.start.at, run.start.text, merges)


def _plain(fact: object) -> str:
    names = [
        name
        for cls in type(fact).__mro__
        for name in getattr(cls, "__slots__", ())
        if name not in ("ref", "run", "proof")
    ]
    return repr([(name, getattr(fact, name)) for name in sorted(names)])


@needs_corpora
@pytest.mark.corpora
@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_counts_is_left_out(name: str, tmp_path: Path) -> None:
    whole = CORPORA / name / "SMlog"
    part = tmp_path / "SMlog"
    part.write_bytes(selected(whole.read_bytes()))
    (runs, facts), (runs_again, facts_again) = said(whole), said(part)
    assert runs_again == runs
    assert facts_again == facts
