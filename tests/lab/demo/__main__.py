"""`python -m lab.demo [--once]`: start everything, wait for the first diagnosis, show it, serve until Ctrl-C.

Exit 0 where the diagnosis was right, 1 where it was not within the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.demo.plans import BROKEN_SR, EXPECTED, disaster_recovery, prod
from lab.estate import Installation

HERE = Path(".demo")
PATIENCE_SECONDS = 90.0
# The demo does not wait for minutes: what is held down in life is told at once.
QUICK = "[thresholds]\nagent_missing_seconds = 3\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--once", action="store_true", help="stop after the diagnosis")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, _interrupted)
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    began = time.monotonic()
    try:
        with Installation(HERE.resolve(), [prod(), disaster_recovery()], extra=QUICK) as installation:
            return _show(installation, began, once)
    except KeyboardInterrupt:
        return 0


def _interrupted(*_signal: object) -> None:
    raise KeyboardInterrupt


def _show(installation: Installation, began: float, once: bool) -> int:
    command = Command(installation)
    print("Two pools, four hosts, three of them with an agent. Garbage collection runs on three SRs …", flush=True)
    runs = [
        installation.collect("prod", "xcp-prod-1", BROKEN_SR, corrupt="base", bytes_per_second=500e6),
        installation.collect("prod", "xcp-prod-2", "local-2", bytes_per_second=60e6),
        installation.collect("dr", "xcp-dr-1", "nfs-dr-1"),
    ]
    for run in runs:
        run.wait(PATIENCE_SECONDS)
    right = wait_until(lambda: command.missing() == set() and command.settled(), PATIENCE_SECONDS)
    print(f"The first diagnosis was there {time.monotonic() - began:.0f} s after the start.\n", flush=True)
    command.show("status")
    command.show("why", BROKEN_SR)
    if not right:
        print(f"demo: expected and not found: {command.missing()}; see {HERE}/collector/collector.log", file=sys.stderr)
    if not once:
        _serve(command)
    return 0 if right else 1


def _serve(command: Command) -> None:
    print(f"Web: {command.url}\n")
    print("For a second terminal:")
    print("  export " + " ".join(f"{name}={value}" for name, value in command.variables.items()))
    print(f"  {command.program} health --detail\n\nCtrl-C ends everything.", flush=True)
    while True:
        time.sleep(3600)


class Command:
    """The operators' command against this installation."""

    def __init__(self, installation: Installation) -> None:
        self.url = f"https://127.0.0.1:{installation.collector.web_port}"
        self.variables = {"CHAINWATCH_URL": self.url, "CHAINWATCH_CA_FILE": str(installation.pki.ca)}
        self.program = Path(".venv/bin/chainwatch")
        self._environment = {**os.environ, **self.variables}

    def show(self, *arguments: str) -> None:
        """As an operator types it."""
        print(f"$ chainwatch {' '.join(arguments)}", flush=True)
        subprocess.run([self.program, *arguments], env=self._environment, check=False)
        print(flush=True)

    def ask(self, *arguments: str) -> Any:
        """The body, None where there is none yet."""
        command: list[str | Path] = [self.program, *arguments, "-o", "json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def missing(self) -> set[str]:
        """The SRs whose expected finding is not there yet."""
        body = self.ask("health")
        found = {(one.get("sr_uuid"), one["code"]) for one in body["findings"]} if body else set()
        names = {one["name"]: one["uuid"] for one in self._srs()}
        return {sr for sr, code in EXPECTED.items() if (names.get(sr), code) not in found}

    def settled(self) -> bool:
        """Whether the ends of all runs have come through."""
        return all(one["state"] != "running" for one in self._srs())

    def _srs(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (self.ask("sr", "list") or {}).get("items", [])
        return items


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it came to hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


if __name__ == "__main__":
    sys.exit(main())
