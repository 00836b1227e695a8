"""Gives a simulated SM its time: lines into a real file, copies as real processes with the real argv."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.dom0.rsyslog import Rsyslog
from lab.dom0.steps import Merged, Refused, Run, Say, Step, Wait

# Run by a shell whose argv is SM's own (`/usr/bin/vhd-util coalesce …`): writes in small steps, then is gone.
COPY_SCRIPT = """\
exec 4>>"$CHAINWATCH_LAB_TARGET"
printf -v block '%*s' "$CHAINWATCH_LAB_STEP_BYTES" ''
step=0
while [ "$step" -lt "$CHAINWATCH_LAB_STEPS" ]; do
  printf '%s' "$block" >&4
  sleep "$CHAINWATCH_LAB_STEP_SECONDS"
  step=$((step + 1))
  if [ "$CHAINWATCH_LAB_STALLS" ]; then kill -STOP $$; fi
done
"""
# Run by a shell whose argv is that of a GC that systemd started: there until it is told to end.
GC_SCRIPT = "read -r line\n"
GC_PATH = "opt/xensource/sm/cleanup.py"
STEP_SECONDS = 0.2


class Player:
    """Plays the steps of any number of SRs at once; `scratch` holds the copies' script and target."""

    def __init__(self, log: Rsyslog, scratch: Path, changed: Callable[[Merged | Refused], None], scale: float = 1.0):
        self._log = log
        self._scratch = scratch
        self._changed = changed
        self._scale = scale
        self._writing = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        scratch.mkdir(parents=True, exist_ok=True)

    def play(self, steps: Iterable[Step]) -> None:
        """To the end, in the caller's thread."""
        for step in steps:
            self._step(step)
        self.flush()

    def flush(self) -> None:
        """rsyslog's queue is empty."""
        with self._writing:
            self._log.flush()

    def rotate(self, hup_after_seconds: float = 0.0) -> None:
        """logrotate with a late HUP."""
        with self._writing:
            self._log.rename()
        time.sleep(hup_after_seconds)
        with self._writing:
            self._log.hup()

    def kill_copies(self) -> None:
        """Every image process that runs now, by kill -9."""
        for process in list(self._processes):
            process.kill()

    def go_on(self) -> None:
        """Copies that stalled move again."""
        for process in list(self._processes):
            process.send_signal(signal.SIGCONT)

    @contextmanager
    def gc_process(self, sr_uuid: str) -> Iterator[subprocess.Popen[bytes]]:
        """The process of a GC run, as the agent meets it; the run's pid is its own."""
        script = self._scratch / GC_PATH
        if not script.exists():
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(GC_SCRIPT)
        argv = ["/usr/bin/python3", GC_PATH, "-g", "-u", sr_uuid]
        with subprocess.Popen(argv, executable="/bin/bash", cwd=self._scratch, stdin=subprocess.PIPE) as process:
            yield process

    def _step(self, step: Step) -> None:
        if isinstance(step, Say):
            with self._writing:
                self._log.say(step)
        elif isinstance(step, Wait):
            self.flush()
            time.sleep(step.seconds * self._scale)
        elif isinstance(step, Run):
            self.flush()
            self._run(step)
        else:
            self._changed(step)

    def _run(self, step: Run) -> None:
        seconds = max(STEP_SECONDS, step.seconds * self._scale)
        count = max(1, round(seconds / STEP_SECONDS))
        script = self._scratch / step.argv[1]
        if not script.exists():
            script.write_text(COPY_SCRIPT)
        step_bytes = min(step.written_bytes // count, 1 << 20)
        target = self._scratch / f"target-{step.pid}"
        environment = {
            "PATH": os.environ["PATH"],
            "CHAINWATCH_LAB_TARGET": str(target),
            "CHAINWATCH_LAB_STEPS": str(count),
            "CHAINWATCH_LAB_STEP_BYTES": str(step_bytes),
            "CHAINWATCH_LAB_STEP_SECONDS": str(STEP_SECONDS),
            "CHAINWATCH_LAB_STALLS": "yes" if step.stalls else "",
        }
        process = subprocess.Popen(step.argv, executable="/bin/bash", cwd=self._scratch, env=environment)
        self._processes.add(process)
        process.wait()
        self._processes.discard(process)
        target.unlink(missing_ok=True)
