"""The application with real accounts, CA and audit log over SQLite; tokens by role name work beside the accounts."""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.people import add_audit, audit_since
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.live.stored import audit_in, audit_view
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.model import NO_FILTERS
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.views import AuditEntry
from chainwatch_collector.trust.accounts import LocalAccounts
from chainwatch_collector.trust.authority import Authority, new_authority
from chainwatch_collector.trust.identities import Identities, utc_now
from collector.show.estate import estate
from collector.show.memory import MemoryModel
from collector.show.serving import NamedGuard
from fastapi import FastAPI


@dataclass
class Secured:
    """What is served, and what is behind it."""

    app: FastAPI
    model: MemoryModel
    accounts: LocalAccounts
    identities: Identities
    authority: Authority
    readers: Readers


@contextlib.contextmanager
def secured(directory: Path) -> Iterator[Secured]:
    """All of it, closed with the block."""
    url = sqlite_url(directory / "chainwatch.db")
    engine = open_engine(url)
    migrate(engine)
    writer = Writer(engine)
    readers = Readers(open_engine(url, read_only=True, pool_size=3), threads=2)
    authority = new_authority(utc_now())
    identities = Identities(authority, writer, readers, lambda: authority.fingerprint, 90)
    accounts = LocalAccounts(writer, readers, NamedGuard())
    model = estate()
    # The rest of the model stays in memory.
    model.audit = partial(_audit, readers)  # type: ignore[method-assign]
    model.record_audit = partial(_record, writer)  # type: ignore[method-assign]
    app = build_app(model, accounts, ShowSettings(), identities, accounts)
    try:
        yield Secured(app, model, accounts, identities, authority, readers)
    finally:
        writer.close()
        readers.close()
        engine.dispose()


async def _audit(
    readers: Readers,
    since: datetime,
    limit: int,
    filters: Mapping[str, str] = NO_FILTERS,
    pools: Collection[str] | None = None,
) -> Sequence[AuditEntry]:
    rows = await readers.read(lambda c: audit_since(c, since, limit, filters, pools))
    return [audit_view(row) for row in rows]


async def _record(writer: Writer, entry: AuditEntry) -> None:
    await asyncio.wrap_future(writer.submit(partial(add_audit, entry=audit_in(entry))))
