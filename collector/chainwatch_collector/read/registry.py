"""Which run a pid belongs to. A pid is a look-up among runs that are open or have just ended, never an identity."""

from __future__ import annotations

from chainwatch_collector.read.bounds import OPEN_RUNS, PIDS, first_time, put
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
        self._open: dict[int, OpenRun] = {}
        self._begun = 0

    def add(self, state: OpenRun) -> None:
        """A run that has begun."""
        self.runs.append(state.run)
        self._begun += 1
        state.number = self._begun
        self._open[state.number] = state
        if state.worker is not None:
            self.by_worker[state.worker] = state
        self.mark(state)

    def mark(self, state: OpenRun) -> None:
        """The run is not what it was when the changed ones were last asked for."""
        self.changed[state.run.key] = state.run

    def close(self, state: OpenRun) -> None:
        """The run has ended; a later line may still correct how."""
        state.ended = True
        self._open.pop(state.number, None)

    def open(self) -> list[OpenRun]:
        """Runs without an end, in order of start."""
        return list(self._open.values())

    def crowded_out(self) -> OpenRun | None:
        """The oldest open run where there are more than a host can have."""
        return next(iter(self._open.values())) if len(self._open) > OPEN_RUNS else None

    def of_sr(self, sr: str) -> list[OpenRun]:
        """Open runs of one SR, oldest first."""
        return sorted((s for s in self._open.values() if s.run.sr == sr), key=lambda s: s.run.key[1:])

    def tie_child(self, pid: int, state: OpenRun) -> None:
        """This pid is a forked child of the run."""
        put(self.by_child, pid, state, PIDS)
        self.orphans.discard(pid)

    def orphan(self, pid: int) -> None:
        """The child of a run that was killed lives on."""
        first_time(self.orphans, pid, PIDS)

    def link(self, state: OpenRun, worker: int) -> None:
        """The launcher's run goes on under the worker's pid (G6, G7)."""
        launcher = state.worker
        provisional = self.by_worker.get(worker)
        if launcher is not None and self.by_worker.get(launcher) is state:
            del self.by_worker[launcher]
        if provisional is not None and provisional is not state and not provisional.ended:
            if provisional.run.start_seen:
                # Its pid is this run's now: of what became of it nothing will be known.
                self._open.pop(provisional.number, None)
            else:
                self._open.pop(state.number, None)
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
        if sr is None:
            return None
        waiting = [s for s in self._open.values() if s.run.start_seen and s.lines == 0 and s.run.sr == sr]
        return waiting[0] if len(waiting) == 1 else None

    def forget_ended(self, keep: int) -> None:
        """Drop all but the last `keep` runs that have ended, or that a pid's next run hid, and their pids."""
        kept = {id(state.run) for state in self._open.values()}
        ended = [id(run) for run in self.runs if id(run) not in kept]
        kept.update(ended[max(0, len(ended) - keep) :])
        self.runs = [run for run in self.runs if id(run) in kept]
        for table in (self.by_worker, self.by_child, self.by_intermediate):
            for pid in [pid for pid, state in table.items() if id(state.run) not in kept]:
                del table[pid]
