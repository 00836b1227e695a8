"""`python -m lab.dom0 --root DIR --hostname NAME [--agent COMMAND…]`: one dom0, driven by JSON lines on stdin.

Commands, each with an `id`: `{"do": "collect", "sr": {…}, "faults": {…}}` (a kick and a GC run), `{"do": "rotate"}`,
`{"do": "kill_copies"}`, `{"do": "go_on"}` (copies that stalled), `{"do": "start_agent"}`, `{"do": "stop_agent"}`,
`{"do": "kill_agent"}`, `{"do": "say", "ident": …, "pid": …, "text": …}`, `{"do": "log", "log": "kern.log", "text": …}`,
`{"do": "mount", "sr_uuid": …, "source": "filer:/export"}` (a file system of that name where SM mounts the SR).
Answers on stdout: `{"merged": {…}}`, `{"refused": {…}}` as they happen, `{"done": ID}` after each.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from lab.dom0.gc import Collection, kick
from lab.dom0.images import Image, Images
from lab.dom0.player import Player
from lab.dom0.rsyslog import Rsyslog
from lab.dom0.steps import Merged, Refused, Say


class Dom0:
    """The inside of one dom0's namespaces."""

    def __init__(self, root: Path, hostname: str, agent: list[str], scale: float = 1.0) -> None:
        self._root = root
        self._hostname = hostname
        self._agent_command = agent
        self._agent: subprocess.Popen[bytes] | None = None
        self._telling = threading.Lock()
        self._log = Rsyslog(root / "var/log/SMlog", hostname)
        self._player = Player(self._log, root / "scratch", self._changed, scale)
        self._pid = 100_000
        self._threads: list[threading.Thread] = []

    def obey(self, command: dict[str, Any]) -> None:
        """One command; runs of the GC go on beside the next ones."""
        do = command["do"]
        if do == "collect":
            self._pid += 1000
            thread = threading.Thread(target=self._collect, args=(command, self._pid), name="gc")
            self._threads.append(thread)
            thread.start()
            return
        if do == "say":
            self._player.play([Say(command["ident"], command["pid"], command["text"])])
        elif do == "rotate":
            self._player.rotate(0.3)
        elif do == "kill_copies":
            self._player.kill_copies()
        elif do == "go_on":
            self._player.go_on()
        elif do == "log":
            self._log_line(command["log"], command["text"])
        elif do == "mount":
            self._mount(command["sr_uuid"], command["source"])
        elif do == "start_agent":
            self.start_agent()
        else:
            self.end_agent(signal.SIGKILL if do == "kill_agent" else signal.SIGTERM)
        self._tell({"done": command["id"]})

    def _collect(self, command: dict[str, Any], children_from: int) -> None:
        images, faults = images_of(command["sr"]), command.get("faults", {})
        self._player.play(kick(images.sr_uuid, children_from))
        with self._player.gc_process(images.sr_uuid) as process, self._gc_lock(images.sr_uuid):
            collection = Collection(images, process.pid, children_from=children_from, **faults)
            self._player.play(collection.steps())
            if collection.killed_in_copy:
                process.kill()
        self._tell({"done": command["id"]})

    def _log_line(self, name: str, text: str) -> None:
        """A line of another log of the host."""
        with Rsyslog(self._root / "var/log" / name, self._hostname) as log:
            log.line(text)

    def _mount(self, sr_uuid: str, source: str) -> None:
        """In this dom0's mount namespace alone, so that it goes with it; without one there is none. Twice is once."""
        if os.getpid() != 1:
            return
        place = self._root / "run/sr-mount" / sr_uuid
        place.mkdir(parents=True, exist_ok=True)
        if not place.is_mount():
            subprocess.run(["mount", "-t", "tmpfs", source, place], check=True)

    def _gc_lock(self, sr_uuid: str) -> IO[bytes]:
        """Held as the GC holds it; closing the file lets go."""
        directory = self._root / "var/lock/sm" / sr_uuid
        directory.mkdir(parents=True, exist_ok=True)
        stream = (directory / "gc_active").open("wb")
        fcntl.lockf(stream, fcntl.LOCK_EX)
        return stream

    def _changed(self, step: Merged | Refused) -> None:
        self._tell({type(step).__name__.lower(): step._asdict()})

    def _tell(self, message: dict[str, Any]) -> None:
        with self._telling:
            print(json.dumps(message), flush=True)

    def start_agent(self) -> None:
        """In this dom0's process namespace."""
        if self._agent_command:
            log = (self._root / "agent.log").open("ab")
            with log:
                self._agent = subprocess.Popen(self._agent_command, stdout=log, stderr=subprocess.STDOUT)

    def end_agent(self, number: signal.Signals) -> None:
        """And reap it."""
        if self._agent is not None:
            self._agent.send_signal(number)
            self._agent.wait()
            self._agent = None

    def close(self) -> None:
        """Everything of this dom0 ends."""
        self._player.kill_copies()
        self.end_agent(signal.SIGTERM)
        for thread in self._threads:
            thread.join(30)
        self._log.close()


def images_of(described: dict[str, Any]) -> Images:
    """`{"uuid", "name", "free_bytes", "images": [{uuid, parent, hidden, virtual_bytes, blocks}]}`.

    `blocks`: from and to; or several such pairs as `block_runs`.
    """
    images = Images(described["uuid"], described.get("name", ""), described.get("free_bytes", 1 << 40))
    for one in described["images"]:
        runs = one.pop("block_runs", None) or [one.get("blocks", (0, 0))]
        blocks = frozenset(number for first, end in runs for number in range(first, end))
        images.add(Image(**{**one, "blocks": blocks}))
    return images


def main() -> None:
    """Until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--hostname", required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="how long everything takes, 1 as SM does")
    parser.add_argument("--agent", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getpid() == 1:
        # The first process of a namespace gets no signal that it has no handler for.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    dom0 = Dom0(options.root, options.hostname, options.agent, options.scale)
    dom0.start_agent()
    try:
        for line in sys.stdin:
            dom0.obey(json.loads(line))
    finally:
        dom0.close()


if __name__ == "__main__":
    main()
