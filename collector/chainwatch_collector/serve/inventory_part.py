"""The inventory in the collector: a follower per configured pool, its pictures handed to the event loop and stored."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.inventory.connection import Pace
from chainwatch_collector.inventory.follow import NOT_ASKED, FollowCounters, PoolFollower, Rhythm
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.pool_config import PoolSettings
from chainwatch_collector.inventory.records import Pool
from chainwatch_collector.inventory.session import Timeouts
from chainwatch_collector.inventory.stored import StoredPictureError, picture_from_bytes, picture_to_bytes
from chainwatch_collector.keep.pools import PoolRow, load_pools, save_pool
from chainwatch_collector.keep.projections import load_inventory, save_inventory
from chainwatch_collector.keep.writer import Priority, WriterBusyError, WriterClosedError
from chainwatch_collector.serve.composition import Core

LOG: Final = logging.getLogger(__name__)
STORE_SECONDS: Final = 300.0
STOP_SECONDS: Final = 10.0
_PINNED: Final = "pinned_certificates"
_LEARNED: Final = "learned_certificates"
"""Of a pool's row: SHA-256 of certificates, as configured when those of the other hosts were learned."""


def unknown_pool_uuid(key: str) -> str:
    """What a configured pool is called as long as it never said its uuid."""
    return str(uuid5(NAMESPACE_URL, f"chainwatch:pool:{key}"))


class InventoryPart:
    """A `Part`; start it after those that it tells. Everything is called in the event loop's thread.

    `pictured(pool uuid, picture)`: at every change and at least every few seconds. `retired(pool uuid)`: the pool that
    was shown under this uuid has another one; it happens to a pool that could not be reached since it was configured.
    """

    def __init__(
        self,
        pictured: Callable[[str, Picture], None],
        retired: Callable[[str], None] = lambda _uuid: None,
        *,
        rhythm: Rhythm | None = None,
        pace: Pace | None = None,
        timeouts: Timeouts | None = None,
        store_seconds: float = STORE_SECONDS,
    ) -> None:
        self._pictured = pictured
        self._retired = retired
        self._rhythm, self._pace, self._timeouts = rhythm, pace, timeouts
        self._store_seconds = store_seconds
        self._core: Core | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followers: dict[str, PoolFollower] = {}
        self._pictures: dict[str, Picture] = {}
        self._known: dict[str, PoolRow] = {}
        self._shown: dict[str, str] = {}
        self._stored: dict[str, Picture] = {}
        self._storing: asyncio.Task[None] | None = None

    @property
    def listener(self) -> None:
        """Evidence is no affair of the inventory."""
        return

    @property
    def pictures(self) -> Mapping[str, Picture]:
        """The newest picture of each pool by its name in the configuration."""
        return self._pictures

    def picture(self, name_or_uuid: str) -> Picture | None:
        """The newest picture of a pool."""
        by_uuid = (one for one in self._pictures.values() if one.pool is not None and one.pool.uuid == name_or_uuid)
        return self._pictures.get(name_or_uuid) or next(by_uuid, None)

    def settings_of(self, pool_uuid: str) -> PoolSettings | None:
        """The configuration of a pool that has told its uuid."""
        pools = self._core.settings.pools if self._core is not None else []
        found = next((one for one in pools if self._shown.get(one.key) == pool_uuid), None)
        return None if found is None else self._with_learned(found)

    def counters(self) -> dict[str, FollowCounters]:
        """By pool name."""
        return {key: follower.counters for key, follower in self._followers.items()}

    async def start(self, core: Core) -> None:
        """Show what was stored, then follow every pool."""
        self._core, self._loop = core, asyncio.get_running_loop()
        self._known = await core.readers.read(load_pools)
        for pool in core.settings.pools:
            self._followers[pool.key] = await self._follower(core, pool)
        for follower in self._followers.values():
            follower.start()
        self._storing = asyncio.create_task(self._store_now_and_then())

    async def stop(self) -> None:
        """Log out everywhere, store the last pictures."""
        if self._storing is not None:
            self._storing.cancel()
            await asyncio.gather(self._storing, return_exceptions=True)
            self._storing = None
        followers = list(self._followers.values())
        ended = await asyncio.gather(*(asyncio.to_thread(one.stop, STOP_SECONDS) for one in followers))
        for follower, is_ended in zip(followers, ended, strict=True):
            if not is_ended:
                LOG.warning("pool %s: its session did not end within %g s", follower.key, STOP_SECONDS)
        await self._store()
        self._loop = None

    async def _follower(self, core: Core, pool: PoolSettings) -> PoolFollower:
        return PoolFollower(
            pool.key,
            pool.bare_addresses,
            pool.credentials(),
            self._with_learned(pool).trust(),
            self._from_thread,
            before=await self._load(core, pool.key),
            rhythm=self._rhythm or Rhythm(check=pool.check_pace),
            pace=self._pace,
            timeouts=self._timeouts,
            on_learned=self._learned_in_thread,
        )

    def _with_learned(self, pool: PoolSettings) -> PoolSettings:
        """The pool with what was learned since these fingerprints are pinned, and not by what was pinned before."""
        known = self._known.get(pool.key)
        told = known.body if known is not None else {}
        learned = told.get(_LEARNED, []) if told.get(_PINNED) == sorted(pool.fingerprints) else []
        return pool.model_copy(update={"learned": frozenset(map(str, learned))})

    async def _load(self, core: Core, key: str) -> Picture | None:
        known = self._known.get(key)
        stored = await core.readers.read(lambda c: load_inventory(c, known.uuid)) if known is not None else None
        if stored is None:
            return None
        try:
            picture = await asyncio.to_thread(picture_from_bytes, stored[1])
        except StoredPictureError as error:
            LOG.warning("pool %s: %s; it is read anew", key, error)
            return None
        self._stored[key] = picture
        return picture

    def _from_thread(self, key: str, picture: Picture) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._received, key, picture)

    def _learned_in_thread(self, key: str, fingerprints: frozenset[str]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._learned, key, fingerprints)

    def _learned(self, key: str, fingerprints: frozenset[str]) -> None:
        """After the picture that they belong to: kept at once, a failover may come first."""
        assert self._core is not None
        pinned = next((pool.fingerprints for pool in self._core.settings.pools if pool.key == key), [])
        if key in self._known:
            row = self._known[key]
            self._keep(row._replace(body=row.body | {_PINNED: sorted(pinned), _LEARNED: sorted(fingerprints)}))

    def _received(self, key: str, picture: Picture) -> None:
        self._pictures[key] = picture
        if picture.pool is not None:
            self._know(key, picture.pool)
            self._show(key, picture.pool.uuid, picture)
        elif picture.problem != NOT_ASKED:
            uuid = unknown_pool_uuid(key)
            self._show(key, uuid, replace(picture, pool=Pool(ref="", uuid=uuid, name=key, master_ref=None)))

    def _show(self, key: str, uuid: str, picture: Picture) -> None:
        before = self._shown.get(key)
        if before is not None and before != uuid:
            self._retired(before)
        self._shown[key] = uuid
        self._pictured(uuid, picture)

    def _know(self, key: str, pool: Pool) -> None:
        known = self._known.get(key)
        body = known.body if known is not None and known.uuid == pool.uuid else {}
        self._keep(PoolRow(pool.uuid, key, body | {"pool_name": pool.name}))

    def _keep(self, row: PoolRow) -> None:
        if self._known.get(row.name) != row:
            self._known[row.name] = row
            self._write(lambda connection: save_pool(connection, row, datetime.now(UTC)))

    async def _store_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._store_seconds)
            await self._store()

    async def _store(self) -> None:
        for key, picture in list(self._pictures.items()):
            if picture.pool is None or picture.as_of is None or self._stored.get(key) is picture:
                continue
            self._stored[key] = picture
            body = await asyncio.to_thread(picture_to_bytes, picture)
            uuid, as_of = picture.pool.uuid, picture.as_of
            self._write(_saving(uuid, as_of, body), len(body))

    def _write(self, work: Callable[[Connection], None], weight: int = 1024) -> None:
        assert self._core is not None
        try:
            future = self._core.writer.submit(work, priority=Priority.HOUSEKEEPING, weight=weight)
        except (WriterBusyError, WriterClosedError) as error:
            LOG.warning("the inventory was not stored: %s", error)
            return
        future.add_done_callback(lambda done: _tell(done.exception()))


def _saving(uuid: str, as_of: datetime, body: bytes) -> Callable[[Connection], None]:
    return lambda connection: save_inventory(connection, uuid, as_of, body)


def _tell(error: BaseException | None) -> None:
    if isinstance(error, SQLAlchemyError):
        LOG.warning("the inventory was not stored: %s", str(error).split("\n", 1)[0])
    elif error is not None:
        LOG.error("the inventory was not stored", exc_info=error)
