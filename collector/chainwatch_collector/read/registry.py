"""Which run a pid belongs to. A pid is a look-up among runs that are open or have just ended, never an identity."""

from __future__ import annotations

from collections.abc import Iterator

from chainwatch_collector.read.open_runs import OpenRun
from chainwatch_collector.read.runs import Run
from chainwatch_collector.read.words import RunKey


class Registry:
    """Runs in order of start, and the pids of those that are going on."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.by_worker: dict[int, OpenRun] = {}
        self.by_child: dict[int, OpenRun] = {}
        # 8.2 and -b: intermediate pid -> the run whose launcher named it, or the worker it named first.
        self.by_intermediate: dict[int, OpenRun] = {}
        self.named_worker: dict[int, int] = {}
        self.orphans: set[int] = set()
        self.changed: dict[RunKey, Run] = {}

    def add(self, state: OpenRun) -> None:
        """A run that has begun."""
        self.runs.append(state.run)
        if state.worker is not None:
            self.by_worker[state.worker] = state
        self.mark(state)

    def mark(self, state: OpenRun) -> None:
        """The run is not what it was when the changed ones were last asked for."""
        self.changed[state.run.key] = state.run

    def open(self) -> Iterator[OpenRun]:
        """Runs without an end, each once."""
        seen: set[int] = set()
        for state in [*self.by_worker.values(), *self.by_intermediate.values()]:
            if not state.ended and id(state) not in seen:
                seen.add(id(state))
                yield state

    def of_sr(self, sr: str) -> list[OpenRun]:
        """Open runs of one SR, oldest first."""
        return sorted((s for s in self.open() if s.run.sr == sr), key=lambda s: s.run.key[1:])

    def link(self, state: OpenRun, worker: int) -> None:
        """The launcher's run goes on under the worker's pid (G6, G7)."""
        launcher = state.worker
        provisional = self.by_worker.get(worker)
        if launcher is not None and self.by_worker.get(launcher) is state:
            del self.by_worker[launcher]
        if provisional is not None and not provisional.run.start_seen and not provisional.ended:
            self._adopt(state, provisional)
            state = provisional
        state.run.launcher_pid = launcher
        state.run.pid = worker
        state.worker = worker
        self.by_worker[worker] = state
        self.mark(state)

    def _adopt(self, launched: OpenRun, provisional: OpenRun) -> None:
        """The worker's first lines came before the lines that name it: one run, with the launcher's start."""
        first, later = launched.run, provisional.run
        self.changed.pop(later.key, None)
        self.changed.pop(first.key, None)
        later.key, later.start, later.sr, later.start_seen = first.key, first.start, first.sr, True
        self.runs.remove(first)
        self.runs.sort(key=lambda run: run.key[1:])

    def waiting_launch(self, sr: str | None) -> OpenRun | None:
        """The one run of this SR that was launched and has shown nothing else yet, if it is one."""
        waiting = [s for s in self.open() if s.run.start_seen and s.lines == 0 and s.run.sr == sr]
        return waiting[0] if sr is not None and len(waiting) == 1 else None

    def forget_ended(self, keep: int) -> None:
        """Drop all but the last `keep` runs that have ended, and their pids."""
        ended = [run for run in self.runs if run.outcome != "running"]
        for run in ended[: max(0, len(ended) - keep)]:
            self.runs.remove(run)
        kept = {id(run) for run in self.runs}
        for table in (self.by_worker, self.by_child, self.by_intermediate):
            for pid in [pid for pid, state in table.items() if id(state.run) not in kept]:
                del table[pid]
