"""Rates from a host's `/rrd_updates`: bytes of its network, its guests' interfaces and its SRs. Read-only.

Served by every host for itself; a session of the pool is good on each of them (xenapi.md 3.5). Values come as strings,
NaN among them, and a data source of an idle SR is not there at all.
"""

import http.client
import json
import math
import ssl
import urllib.parse
from datetime import UTC, datetime
from typing import Any, Final

from chainwatch_collector.inventory.records import HostRates
from chainwatch_collector.inventory.tls import Trust, UntrustedCertificateError
from chainwatch_collector.inventory.transport import USER_AGENT

MIB: Final = 2**20
BACK_SECONDS: Final = 60
FETCH_SECONDS: Final = 8.0
MAX_BYTES: Final = 32 * MIB
_PIECE: Final = 65_536


class RrdError(Exception):
    """A host's rates cannot be had now; says why, without a secret."""


def parse_updates(body: Any) -> HostRates:
    """The JSON of `/rrd_updates` as rates. Raises `RrdError` for JSON of another shape."""
    try:
        legend = [str(name) for name in body["meta"]["legend"]]
        rows = [(int(row["t"]), list(row["values"])) for row in body["data"]]
        at = datetime.fromtimestamp(max((t for t, _ in rows), default=int(body["meta"]["end"])), UTC)
        columns = [_mean(values[index] for _, values in rows) for index in range(len(legend))]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, OSError) as error:
        raise RrdError(f"its RRD answer has another shape: {type(error).__name__}") from None
    totals = _Totals()
    for name, value in zip(legend, columns, strict=True):
        parts = name.split(":", 3)
        if value is not None and len(parts) == 4:
            totals.add(parts[1], parts[2], parts[3], value)
    return HostRates(at=at, network=totals.network(), vifs=totals.vifs, vbds=totals.vbds, srs=totals.srs)


def _mean(values: Any) -> float | None:
    known = [number for number in (float(value) for value in values) if math.isfinite(number)]
    return sum(known) / len(known) if known else None


class _Totals:
    """Sums by what the names of data sources mean (xenapi.md 3.5)."""

    def __init__(self) -> None:
        self.vifs: dict[str, tuple[float, float]] = {}
        self.vbds: dict[str, tuple[float, float]] = {}
        self.srs: dict[str, tuple[float, float]] = {}
        self._interfaces: dict[str, tuple[float, float]] = {}

    def add(self, owner: str, uuid: str, name: str, value: float) -> None:
        words = name.split("_")
        if owner == "vm" and words[0] == "vif" and words[-1] in ("rx", "tx"):
            _sum(self.vifs, uuid, words[-1] == "tx", value)
        elif owner == "vm" and words[0] == "vbd" and words[2:] in (["read"], ["write"]):
            _sum(self.vbds, uuid, words[2] == "write", value)
        elif owner == "host" and words[0] == "pif" and words[-1] in ("rx", "tx"):
            _sum(self._interfaces, "_".join(words[1:-1]), words[-1] == "tx", value)
        elif owner == "host" and name.startswith(("io_throughput_read_", "io_throughput_write_")):
            _sum(self.srs, words[-1], words[2] == "write", value * MIB)

    def network(self) -> tuple[float, float] | None:
        """The aggregate where the host has one, else its Ethernet ports: bonds and VLANs count the same bytes again."""
        found = self._interfaces
        if "aggr" in found:
            return found["aggr"]
        ports = [rates for name, rates in found.items() if name.startswith(("eth", "en")) and "." not in name]
        chosen = ports or list(found.values())
        if not chosen:
            return None
        return sum(rates[0] for rates in chosen), sum(rates[1] for rates in chosen)


def _sum(into: dict[str, tuple[float, float]], key: str, second: bool, value: float) -> None:
    first, other = into.get(key, (0.0, 0.0))
    into[key] = (first, other + value) if second else (first + value, other)


def fetch_rates(netloc: str, session: str, trust: Trust, seconds: float = FETCH_SECONDS) -> HostRates:
    """One GET to the host at `netloc` (host:port), within `seconds` per read. Raises `RrdError`."""
    query = {"session_id": session, "start": -BACK_SECONDS, "cf": "AVERAGE", "interval": 5, "host": "true"}
    path = "/rrd_updates?" + urllib.parse.urlencode({**query, "json": "true"})
    connection = http.client.HTTPSConnection(netloc, timeout=seconds, context=trust.context())
    try:
        connection.connect()
        sock = connection.sock
        trust.check(sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None)
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Connection": "close"}
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            return parse_updates(_json(response))
    except (OSError, http.client.HTTPException, UntrustedCertificateError) as error:
        raise RrdError(f"its RRDs cannot be read: {type(error).__name__}") from None
    finally:
        connection.close()


def _json(response: http.client.HTTPResponse) -> Any:
    if response.status != http.client.OK:
        raise RrdError(f"its RRDs cannot be read: HTTP {response.status}")
    body = bytearray()
    while piece := response.read(_PIECE):
        body += piece
        if len(body) > MAX_BYTES:
            raise RrdError("its RRD answer has no end")
    try:
        return json.loads(body)
    except ValueError:
        raise RrdError("its RRD answer is no JSON") from None
