"""The agent's life: put together, run until SIGTERM, read the configuration again at SIGHUP."""

import asyncio
import os
import signal
import sys
import time
from typing import Dict, List, Optional

from chainwatch.v1 import ingest_service_pb2

from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.config import ConfigError, Settings, below, load
from chainwatch_agent.evidence import EvidenceServer
from chainwatch_agent.follower import Pace
from chainwatch_agent.hello import hello
from chainwatch_agent.history import History
from chainwatch_agent.hold import Ring
from chainwatch_agent.inotify import log_events
from chainwatch_agent.log import Log
from chainwatch_agent.notify import notify
from chainwatch_agent.own_cost import OwnCost
from chainwatch_agent.reader import Reader
from chainwatch_agent.ship import Shipper
from chainwatch_agent.status import StatusReader
from chainwatch_agent.transport import slow_protobuf
from chainwatch_agent.watch import Watcher

_CHECKPOINT_SECONDS = 10.0
# The kernel tells of every change: polling only makes sure.
_POLLS_WITH_INOTIFY = 5


def clock_us() -> int:
    """The wall clock."""
    return int(time.time() * 1e6)


class Agent:
    """One configuration's worth of agent. `run` returns when `stop` was called."""

    def __init__(self, settings: Settings, log: Log, agent_epoch: int) -> None:
        self.settings = settings
        self._log = log
        paths = {name: below(settings.root, name) for name in settings.logs}
        self._checkpoint = Checkpoint(os.path.join(settings.state_dir, "checkpoint"))
        problem = self._checkpoint.load()
        if problem:
            log.say("checkpoint", problem)
        self.reader = Reader(
            list(paths.items()),
            self._checkpoint,
            clock_us,
            History(settings.history_seconds, settings.history_bytes),
            Pace(span_bytes=settings.span_bytes),
            settings.window_bytes,
        )
        self._ring = Ring(agent_epoch, settings.ring_observations)
        self._watcher = Watcher(settings.root, settings.process_events)
        self._status = StatusReader(settings.root)
        self._own_cost = OwnCost()
        self._events = log_events(paths.values()) if settings.inotify else None
        evidence = EvidenceServer(paths, settings.evidence)
        self.shipper = Shipper(settings, self.reader, self._ring, evidence, self._hello, log)
        if self._events is not None:
            self.shipper.idle_seconds = settings.poll_seconds * _POLLS_WITH_INOTIFY
        self._checkpoint_problem = ""
        self._current_at = time.monotonic()

    def stop(self) -> None:
        """End `run`: what is on its way is waited for."""
        self.shipper.stop()

    async def run(self) -> None:
        """Until `stop`."""
        loop = asyncio.get_event_loop()
        if self._events is not None:
            loop.add_reader(self._events.fileno(), self._logs_changed)
        process_events = self._watcher.event_fileno()
        if process_events is not None:
            loop.add_reader(process_events, self._watcher.on_events)
        chores = [asyncio.ensure_future(chore) for chore in (self._beat(), self._watch(), self._keep_checkpoint())]
        for task in chores:
            task.add_done_callback(self._chore_ended)
        try:
            await self.shipper.run()
        finally:
            for task in chores:
                task.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            if self._events is not None:
                loop.remove_reader(self._events.fileno())
                self._events.close()
            if process_events is not None:
                loop.remove_reader(process_events)
            self._watcher.close()
            self._save_checkpoint()

    def _chore_ended(self, task: "asyncio.Future[None]") -> None:
        """A chore never ends by itself: what broke it is said, and the service manager starts a whole agent again."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.say("chore", "ends for an error of its own: {}: {}".format(type(error).__name__, error))
            self.stop()

    def _logs_changed(self) -> None:
        if self._events is not None and self._events.read():
            self.shipper.wake()

    async def _beat(self) -> None:
        """A Status every heartbeat."""
        while True:
            now_us = clock_us()
            self._ring.add(self._status.read(now_us, self._counters(), self.reader.logs(), self._problems()))
            self.shipper.wake()
            notify("WATCHDOG=1\nSTATUS={}".format(self._state()))
            await asyncio.sleep(self.shipper.tempo.heartbeat_seconds)

    async def _watch(self) -> None:
        """Samples of the processes that work on images, faster while there are any."""
        while True:
            samples = self._watcher.sample(clock_us())
            if samples is not None:
                self._ring.add(samples)
                self.shipper.wake()
            busy = self._watcher.busy
            await asyncio.sleep(self.shipper.tempo.busy_seconds if busy else self.settings.watch_seconds)

    async def _keep_checkpoint(self) -> None:
        while True:
            await asyncio.sleep(_CHECKPOINT_SECONDS)
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        try:
            self._checkpoint.save()
            self._checkpoint_problem = ""
        except OSError as error:
            self.reader.counters.add("checkpoint_errors_total")
            self._checkpoint_problem = "{}: {}".format(self.settings.state_dir, error.strerror or error)
            self._log.say("checkpoint", self._checkpoint_problem)

    def _state(self) -> str:
        return "connected to {}".format(self.shipper.connected_to) if self.shipper.connected_to else "not connected"

    def _problems(self) -> List[str]:
        found = self.reader.problems()
        if self._checkpoint_problem:
            found.append(self._checkpoint_problem)
        if slow_protobuf():
            found.append("protobuf runs in pure Python: the agent costs six times the CPU")
        return found

    def _counters(self) -> Dict[str, float]:
        values = self.reader.counters.values()
        values.update(self._watcher.counters())
        values["observations_dropped_total"] = float(self._ring.dropped)
        values["unacked_bytes"] = float(self.reader.window.in_flight_bytes)
        values["lag_bytes"] = float(self.reader.lag_bytes())
        values["lag_seconds"] = self._lag_seconds(values["lag_bytes"] + values["unacked_bytes"])
        values.update(self._own_cost.values())
        return values

    def _lag_seconds(self, behind_bytes: float) -> float:
        """Since when the collector has not had everything, as far as the heartbeats can tell."""
        now = time.monotonic()
        if not behind_bytes and self.shipper.connected_to:
            self._current_at = now
        return now - self._current_at

    def _hello(self) -> ingest_service_pb2.Hello:
        features = ["evidence"] if self.settings.evidence else []
        if self._watcher.exact_exits:
            features.append("process-events")
        return hello(self.settings.root, self.settings.logs, self._ring.agent_epoch, features)


class Daemon:
    """Runs an `Agent`, a new one where SIGHUP found another configuration or other credentials."""

    def __init__(self, config: str, settings: Settings, log: Log) -> None:
        self._config = config
        self._settings = settings
        self._log = log
        self._agent: Optional[Agent] = None
        self._over = False
        # Random per process start, never 0; with seq it identifies observations.
        self._epoch = int.from_bytes(os.urandom(7), "big") | 1

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_event_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        notify("READY=1")
        while not self._over:
            self._agent = Agent(self._settings, self._log, self._epoch)
            await self._agent.run()
            self._epoch += 1
        notify("STOPPING=1")

    def _terminate(self) -> None:
        self._over = True
        notify("STOPPING=1")
        if self._agent is not None:
            self._agent.stop()

    def _reload(self) -> None:
        """Certificates are read anew in every case; a configuration that is wrong is told of and not used."""
        try:
            self._settings = load(self._config)
        except ConfigError as error:
            self._log.say("config", "SIGHUP: {}; going on with the configuration before".format(error))
        else:
            self._log.say("config", "SIGHUP: {} read again".format(self._config))
        if self._agent is not None:
            self._agent.stop()


def run_daemon(config: str, settings: Settings, log: Log) -> int:
    """Run until SIGTERM; the exit status."""
    if sys.version_info < (3, 6):
        log.say("python", "Python 3.6 or newer is needed")
        return 2
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(Daemon(config, settings, log).run())
    finally:
        loop.close()
    return 0
