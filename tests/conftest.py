"""Fixtures for every test."""

from __future__ import annotations

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
