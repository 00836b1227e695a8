"""An agent and a browser that come for the first time, from a process of their own: beside the honest agents they would
cost the event loop in which those are measured.

`python -m fuzz.newcomers`: a `Where` as a line of JSON on stdin, then any line each time they shall come; each is
answered by `served`. What fails ends the process.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
from lab.pki import Identity
from lab.wire import connect

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Where:
    """The collector, and the agent's files."""

    ingest_port: int
    web_port: int
    ca: str
    certificate: str
    key: str


async def come(where: Where) -> None:
    """Both are served. Raises what the collector or the network says."""
    ca, pair = Path(where.ca), Identity(Path(where.certificate), Path(where.key))
    async with connect(where.ingest_port, ca, pair) as wire, browser(where.web_port, ca) as client:
        await wire.welcome()
        (await client.get("/healthz")).raise_for_status()


def browser(port: int, ca: Path) -> httpx.AsyncClient:
    """Of somebody who trusts the collector's CA."""
    trust = ssl.create_default_context(cafile=str(ca))
    url = f"https://127.0.0.1:{port}"
    return httpx.AsyncClient(base_url=url, verify=trust, trust_env=False, timeout=PATIENCE_SECONDS)


async def main() -> None:
    """Come until stdin ends."""
    where = Where(**json.loads(sys.stdin.readline()))
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        await come(where)
        print("served", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
