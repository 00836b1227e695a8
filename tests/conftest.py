"""Fixtures for every test."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from corpora import NAMES, SCOREBOARD, summary


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
