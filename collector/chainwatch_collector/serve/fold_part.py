"""The fold in the collector: fed from the event loop, its answers put on the board for the surfaces."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from chainwatch_collector.backups.news import BackupNews
from chainwatch_collector.fold.inbox import Inbox
from chainwatch_collector.fold.loading import FoldStore
from chainwatch_collector.fold.pool_driver import FoldSettings
from chainwatch_collector.fold.pool_fold import FOLD_VERSION, Judged
from chainwatch_collector.fold.thread import FoldThread
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.live.board import Board
from chainwatch_collector.receive.shared import IngestListener
from chainwatch_collector.serve.composition import Core
from chainwatch_collector.show.views import Check
from chainwatch_collector.track.observations import DuplicateRefused, Observation


def utc_now() -> datetime:
    """The collector's clock."""
    return datetime.now(UTC)


class FoldPart:
    """A `Part`. `pictured` is for the inventory, in the event loop's thread."""

    def __init__(
        self, board: Board, thresholds: Thresholds, version: int = FOLD_VERSION, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._board = board
        self._thresholds = thresholds
        self._version = version
        self._clock = clock
        self._inbox = Inbox()
        self._thread: FoldThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def listener(self) -> IngestListener:
        """Evidence, observations and streams of this collector's agents."""
        return self

    async def start(self, core: Core) -> None:
        """Begin to fold every pool that this collector owns."""
        self._loop = asyncio.get_running_loop()
        store = FoldStore(core.readers, core.writer, self._clock)
        owner = collector_id(core.settings.path(core.settings.state_dir))
        shared = core.settings.database.get_backend_name() != "sqlite"
        settings = FoldSettings(owner, self._version, shared)
        self._thread = FoldThread(
            store, self._inbox, settings, self._thresholds, self._judged, self._placed, len(core.settings.pools)
        )
        self._thread.start()

    async def stop(self) -> None:
        """Commit what was gathered, give the pools up, end the thread."""
        self._inbox.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    # --- from the event loop ----------------------------------------------------------------------------------

    def evidence_committed(self, host_id: int, host_uuid: str) -> None:
        """New lines, coverage or gaps of a host are readable."""
        self._inbox.evidence(host_uuid)

    def observed(self, observation: Observation) -> None:
        """A Status or Samples message was kept."""
        self._inbox.observed(observation, self._clock())

    def stream_changed(self, host_uuid: str, connected: bool) -> None:
        """A host's stream opened or ended."""
        self._inbox.stream_changed(host_uuid, connected, self._clock())

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """A second dom0 came with a connected host's certificate."""
        self._inbox.duplicate_refused(duplicate)

    def pictured(self, pool_uuid: str, picture: Picture) -> None:
        """XenAPI says something new of a pool."""
        self._board.pictured(pool_uuid, picture)
        self._inbox.picture(pool_uuid, picture)

    def retired(self, pool_uuid: str) -> None:
        """The pool that was known by this uuid has another one."""
        self._board.retired(pool_uuid)
        self._inbox.retired(pool_uuid)

    def news(self, pool_uuid: str, news: BackupNews) -> None:
        """What is known of a pool's backups from outside of it."""
        self._inbox.news(pool_uuid, news)

    def checks(self) -> tuple[Check, ...]:
        """For readiness: a pool that is not folded is an error."""
        problems = self._thread.problems() if self._thread is not None else {}
        if not problems:
            return (Check("fold", "ok", "every pool is folded"),)
        pool, reason = next(iter(problems.items()))
        return (Check("fold", "error", f"pool {pool}: {reason}"),)

    def counters(self) -> dict[str, float]:
        """By full metric name."""
        return {"chainwatch_fold_samples_dropped_total": float(self._inbox.samples_dropped)}

    # --- from the fold's thread -------------------------------------------------------------------------------

    def _judged(self, judged: Judged) -> None:
        self._in_loop(lambda: self._board.judged(judged))

    def _placed(self, homes: Mapping[str, str]) -> None:
        self._in_loop(lambda: self._board.placed(homes))

    def _in_loop(self, work: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work)


def collector_id(state_dir: Path) -> str:
    """This installation's name as an owner of pools: the same over restarts, so that it need not wait for its own lease
    to end. The state directory's lock makes sure that only one process has it.
    """
    path = state_dir / "collector-id"
    if path.exists():
        known = path.read_text(encoding="ascii").strip()
        if known:
            return known
    made = secrets.token_hex(8)
    part = path.with_name(path.name + ".new")
    part.write_text(made + "\n", encoding="ascii")
    part.replace(path)
    return made
