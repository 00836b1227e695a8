"""A collector process that is looked at over REST, and logs that reach it as an agent would send them."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2 as httpx
from lab.collector_process import CollectorProcess
from lab.wire import SMLOG, connect, file_seen, key_of, span
from smlog import Smlog

PATIENCE_SECONDS = 30.0


def just_now() -> Smlog:
    """A log that begins two minutes ago, so that nothing in it is old news."""
    return Smlog(now=datetime.fromtimestamp(int(time.time()) - 120, UTC))


def bytes_of(log: Smlog) -> bytes:
    """As it is on disk."""
    return b"".join(line + b"\n" for line in log.lines)


async def ship(collector: CollectorProcess, host_uuid: str, data: bytes, log: str = SMLOG, piece: int = 0) -> None:
    """Send a log to its present end, from where the collector says that it stands; in pieces of so many bytes."""
    key = key_of(data)
    async with connect(collector.ingest_port, collector.pki.ca, collector.pki.host(host_uuid)) as wire:
        welcome = await wire.welcome(hostname=f"host-{host_uuid[:4]}", timezone="UTC")
        start = next((p.to_offset for p in welcome.positions if p.file == key), 0)
        await wire.send(file_seen=file_seen(data, log=log))
        while start < len(data):
            end = data.index(b"\n", min(start + (piece or len(data)), len(data) - 1)) + 1
            await wire.send(span=span(data, start, end))
            await wire.acked_to(key, end)
            start = end


@dataclass
class Rest:
    """The API of a collector process, asked as somebody on this machine."""

    collector: CollectorProcess
    client: httpx.Client = field(init=False)
    opened: list[httpx.Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = self.new_client()

    def new_client(self, token: str | None = None) -> httpx.Client:
        """One more; all are closed together."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        trust = ssl.create_default_context(cafile=str(self.collector.pki.ca))
        url = f"https://127.0.0.1:{self.collector.web_port}"
        # No connection is kept: the collector is killed and started again under it.
        none_kept = httpx.Limits(max_keepalive_connections=0)
        self.opened.append(httpx.Client(base_url=url, verify=trust, headers=headers, trust_env=False, limits=none_kept))
        return self.opened[-1]

    def get(self, path: str, **params: Any) -> Any:
        response = self.client.get("/api/v1" + path, params=params)
        response.raise_for_status()
        return response.json()

    def findings(self, sr: str | None = None) -> list[dict[str, Any]]:
        """Those of one SR; empty while nobody knows the SR."""
        response = self.client.get("/api/v1/findings", params={"sr": sr} if sr else {})
        return list(response.json()["items"]) if response.status_code == 200 else []

    def codes(self, sr: str | None = None) -> set[str]:
        return {finding["code"] for finding in self.findings(sr)}

    async def until(self, what: Callable[[], Any]) -> Any:
        """What it gives, as soon as that is something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(httpx.HTTPStatusError):
                # Not known yet.
                found = what()
                if found:
                    return found
            assert time.monotonic() < deadline, f"it never came; findings: {self.findings()}"
            await asyncio.sleep(0.05)

    def close(self) -> None:
        for client in self.opened:
            client.close()
