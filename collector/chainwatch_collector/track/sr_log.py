"""What one host's log says of one SR, folded in the log's own order: its runs, its trees, and what went wrong.

Pure: no clock, no inventory. Logs of several hosts about one shared SR are put together by `assemble.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from chainwatch_collector.read.facts import (
    AbortRequested,
    Fact,
    GcEnded,
    GcKicked,
    GcStarted,
    GcStepped,
    GcSwitchedOff,
    HostAsked,
    LineRef,
    LockWaited,
    RunKey,
    SmCommandStarted,
    Switch,
    TreeSeen,
    TreeUnchanged,
)
from chainwatch_collector.track import merge_log, run_log, trouble_log
from chainwatch_collector.track.incidents import Incidents
from chainwatch_collector.track.runs_seen import RunsSeen
from chainwatch_collector.track.steps import CopyRate, StepSeen
from chainwatch_collector.track.trees import LoggedTrees

_NAME_LENGTH: Final = 256
_WORKING: Final = ("deleting", "preparing", "copying")
"""A run that does one of these has found the SR's gc switch on."""


@dataclass(slots=True)
class SrLog:
    """`sr`: the full uuid or the 4 hex digits of a tree header. `full_run`, `scan_ok`: the newest proofs of health.

    `merged_at`, `passed_at`: by the 8 characters of an image, the newest line that shows it merged away, or sound.
    """

    sr: str
    name: str = ""
    runs: RunsSeen = field(default_factory=RunsSeen)
    trees: LoggedTrees = field(default_factory=LoggedTrees)
    incidents: Incidents = field(default_factory=Incidents)
    switches: dict[Switch, GcSwitchedOff] = field(default_factory=dict)
    step: StepSeen | None = None
    started: LineRef | None = None
    kick: LineRef | None = None
    abort: LineRef | None = None
    lock_wait: LockWaited | None = None
    full_run: LineRef | None = None
    clean_ends: list[datetime] = field(default_factory=list)
    scan_ok: LineRef | None = None
    last_merge: LineRef | None = None
    last_line: LineRef | None = None
    command: str | None = None
    snapshots_open: dict[str, LineRef] = field(default_factory=dict)
    scan_failures: int = 0
    interruptions: int = 0
    merge_started: dict[str, LineRef] = field(default_factory=dict)
    copy_started: dict[str, LineRef] = field(default_factory=dict)
    copy_bytes: dict[str, int] = field(default_factory=dict)
    rates: list[CopyRate] = field(default_factory=list)
    merged_at: dict[str, LineRef] = field(default_factory=dict)
    passed_at: dict[str, LineRef] = field(default_factory=dict)

    def fold(self, fact: Fact) -> None:
        """Take one fact in; facts come in the order of the host's log."""
        self.last_line = fact.ref
        if not (self._progress(fact) or run_log.fold(self, fact) or merge_log.fold(self, fact)):
            trouble_log.fold(self, fact)

    def _progress(self, fact: Fact) -> bool:
        match fact:
            case GcKicked():
                self._kicked(fact)
            case GcStarted():
                self.started = fact.ref
                self.step = StepSeen(fact.run, "waiting_for_lock", fact.ref) if fact.run else None
            case GcStepped() if fact.run is not None:
                self._stepped(fact, fact.run)
            case HostAsked() if self.step is not None and fact.run == self.step.run:
                self.step = StepSeen(self.step.run, self.step.step, fact.ref, fact.host_name)
            case LockWaited():
                self.lock_wait = fact
            case AbortRequested():
                self.abort = fact.ref
            case TreeSeen():
                self.called(fact.sr_name)
                self.trees = self.trees.folded(fact)
            case TreeUnchanged():
                self.called(fact.sr_name)
            case SmCommandStarted():
                self.command = fact.command
                trouble_log.command_started(self, fact)
            case _:
                return False
        return True

    def called(self, name: str) -> None:
        """As its log names it."""
        self.name = name[:_NAME_LENGTH] or self.name

    def _stepped(self, fact: GcStepped, run: RunKey) -> None:
        self.step = StepSeen(run, fact.step, fact.ref)
        off = self.switches.get("gc")
        if fact.step in _WORKING and off is not None and off.run != run:
            del self.switches["gc"]

    def _kicked(self, fact: GcKicked) -> None:
        self.kick = fact.ref
        if self.command == "sr_scan":
            # The driver kicks after it has scanned (FileSR.scan, LVHDSR.scan): the scan went through.
            trouble_log.scan_succeeded(self, fact.ref)

    def ended(self, fact: GcEnded) -> None:
        """A run is over: its step is."""
        if self.step is not None and self.step.run == fact.run:
            self.step = None
