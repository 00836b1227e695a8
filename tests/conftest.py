"""Fixtures for every test."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Generator
from typing import Any

import pytest
from corpora import NAMES, SCOREBOARD, Score, summary


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker process ends: its part of the scoreboard."""
    scores = getattr(node, "workeroutput", {}).get("scores", [])
    node.config.stash.setdefault(SCOREBOARD, []).extend(Score(**score) for score in scores)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What a worker tells of its part."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        scores = session.config.stash.get(SCOREBOARD, [])
        output["scores"] = [dataclasses.asdict(score) for score in scores]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The scoreboard of the real corpora."""
    scores = config.stash.get(SCOREBOARD, [])
    if not scores:
        if not NAMES:
            terminalreporter.write_line("corpora: none here, their tests skipped (CHAINWATCH_CORPORA)")
        return
    terminalreporter.section("corpora", sep="-")
    for line in summary(sorted(scores, key=lambda score: score.name)):
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true what would skip fails: only the corpora may be missing there."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and item.get_closest_marker("corpora") is None:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: nothing may skip with CI=true: {report.longrepr}"
    return report
