"""Web, REST, metrics and QueryService in the collector's own event loop, over the live read model."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Generator, Mapping
from importlib.metadata import version
from typing import Final

import uvicorn
from fastapi import FastAPI

from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.model import LiveModel
from chainwatch_collector.live.rescans import Rescanner
from chainwatch_collector.receive.evidence_relay import EvidenceRelay
from chainwatch_collector.receive.shared import IngestListener
from chainwatch_collector.serve.admission import Admission
from chainwatch_collector.serve.composition import Core, StartError
from chainwatch_collector.serve.fold_part import utc_now
from chainwatch_collector.serve.one_port import OnePort
from chainwatch_collector.serve.query_server import QueryServer
from chainwatch_collector.serve.raw_lines import AgentLines
from chainwatch_collector.serve.request_pace import RequestPace
from chainwatch_collector.serve.timed_http import TimedHttp
from chainwatch_collector.serve.token_file import token_file
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.tokens import TokenFileError
from chainwatch_collector.show.views import Check, NotAvailableError
from chainwatch_collector.track.observations import DuplicateRefused, Observation
from chainwatch_collector.trust.accounts import LocalAccounts

LOG = logging.getLogger(__name__)
REFRESH_SECONDS: Final = 2.0
_GRACE_SECONDS: Final = 2
_MOST_CONNECTIONS: Final = 300
_BACKLOG: Final = 1024
_START_SECONDS: Final = 0.01


class WebPart:
    """A `Part`; start it last, it is stopped first. `checks`, `counters`: what other parts add."""

    def __init__(
        self,
        board: Board,
        thresholds: Thresholds,
        checks: Callable[[], tuple[Check, ...]] = tuple,
        counters: Callable[[], Mapping[str, float]] = dict,
        rescans: Rescanner | None = None,
    ) -> None:
        self._board = board
        self._thresholds = thresholds
        self._checks = checks
        self._counters = counters
        self._rescans = rescans
        self._core: Core | None = None
        self._app: FastAPI | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._query: QueryServer | None = None
        self._port: OnePort | None = None
        self._relay: EvidenceRelay | None = None
        self._admission: Admission | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._problem = ""
        self._wake = asyncio.Event()

    @property
    def listener(self) -> IngestListener:
        """Agents that come and go are looked up at once; all else is heard of through the board."""
        return self

    def evidence_committed(self, host_id: int, host_uuid: str) -> None:
        """The fold makes something of it."""

    def observed(self, observation: Observation) -> None:
        """The fold makes something of it."""

    def stream_changed(self, host_uuid: str, connected: bool) -> None:
        """Look at the hosts again."""
        self._wake.set()

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """The fold makes something of it."""

    async def start(self, core: Core) -> None:
        """Listen. Raises `StartError`."""
        self._core = core
        model = LiveModel(
            self._board,
            core.readers,
            core.writer,
            utc_now,
            self._all_counters,
            self._ready,
            self._thresholds,
            self._rescans,
        )
        settings, web = core.settings, core.settings.web
        try:
            tokens = token_file(settings.path(settings.state_dir), web.listen, web.tls, web.external_url)
        except TokenFileError as error:
            raise StartError(str(error)) from None
        show = ShowSettings(version("chainwatch"), web.external_url, settings.rescan.enabled)
        guard = LocalAccounts(core.writer, core.readers, tokens)
        shared = settings.database.get_backend_name() != "sqlite"
        self._relay = EvidenceRelay(core.ingest, core.writer, core.readers, shared=shared)
        self._app = build_app(model, guard, show, core.identities, guard, AgentLines(self._relay))
        _make_routes(self._app)
        self._server = _Server(self._config(core, self._app))
        listener = _listening(web.listen)
        await model.refresh()
        self._query = QueryServer(model, guard, core.tls.tls.web, core.tls.newer_web())
        self._admission = Admission(web.admission()) if web.tls else None
        self._port = OnePort(listener, self._server, await self._query.start(), self._admission, _MOST_CONNECTIONS)
        self._serving = asyncio.create_task(self._server.serve([]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(_START_SECONDS)
        self._tasks = [asyncio.create_task(self._port.serve()), asyncio.create_task(self._refresh(model))]
        self._relay.start()
        LOG.info("web listens on %s:%d", web.listen.rpartition(":")[0], listener.getsockname()[1])

    def _config(self, core: Core, app: FastAPI) -> uvicorn.Config:
        certificate, key = core.tls.tls.web or (None, None)
        web = core.settings.web
        config = uvicorn.Config(
            RequestPace(app, web.requests_per_second, by_address=web.tls),
            http=TimedHttp,
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS + 1,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            files = f"{certificate}, {key}"
            raise StartError(f"web: {files}: {reason}; write them there, or set [web] certificate and key") from None
        return config

    async def stop(self) -> None:
        """End the streams, answer what was asked, close."""
        if self._app is not None:
            self._app.state.streams.close()
        self._board.hub.close()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        if self._relay is not None:
            await self._relay.stop()
        if self._query is not None:
            await self._query.stop()
        if self._port is not None:
            await self._port.close()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    def certificates_changed(self) -> None:
        """New connections get the new ones; those that are open keep theirs."""
        if self._core is None or self._server is None:
            return
        web, context = self._core.tls.tls.web, self._server.config.ssl
        if web is not None and context is not None:
            context.load_cert_chain(*web)

    async def _refresh(self, model: LiveModel) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), REFRESH_SECONDS)
            self._wake.clear()
            try:
                await model.refresh()
                self._problem = ""
            except NotAvailableError as error:
                self._problem = error.message
            except Exception as error:  # the database is away: what is shown stays as it was  # noqa: BLE001
                if not self._problem:
                    LOG.warning("hosts and mutes cannot be read: %s", str(error).split("\n", 1)[0])
                self._problem = "the database does not answer"

    def _ready(self) -> tuple[Check, ...]:
        database = Check("database", "error" if self._problem else "ok", self._problem or "answers")
        return (database, *self._checks())

    def _all_counters(self) -> dict[str, float]:
        assert self._core is not None
        ours = self._core.ingest.shared.counters.as_metrics()
        written = self._core.writer.counters
        ours |= {
            "chainwatch_store_commits_total": float(written.commits),
            "chainwatch_store_rollbacks_total": float(written.rollbacks),
            "chainwatch_store_commit_seconds_total": written.commit_seconds,
        }
        refused = self._admission.refused if self._admission is not None else 0
        ours["chainwatch_web_connections_refused_total"] = float(refused)
        return {**ours, **self._counters()}


class _Server(uvicorn.Server):
    """The collector handles its signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _make_routes(app: FastAPI) -> None:
    """FastAPI makes what a route needs when it is first tried: half a second, which the first caller must not take
    from a running collector's event loop.
    """
    nowhere = {"type": "http", "method": "GET", "path": "/-", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(nowhere)


def _listening(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"web: {listen}: {error.strerror}: is a collector running, or set [web] listen") from None
    return listener
