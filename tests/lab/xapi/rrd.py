"""`/rrd_updates` of one host, as JSON: values are strings, NaN among them; the connection closes."""

import base64
import binascii
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from lab.xapi import http_wire
from lab.xapi.failures import XapiError
from lab.xapi.http_wire import Request, Response

if TYPE_CHECKING:
    from lab.xapi.host_server import HostServer
    from lab.xapi.pool import XapiPool

STEPS_SECONDS = (5, 60, 3600, 86_400)
_ROWS_MAX = 120


def answer(pool: "XapiPool", host: "HostServer", request: Request) -> Response:
    """GET of this host's metrics; 401 without a session or password, 404 for other paths."""
    if request.path != "/rrd_updates":
        return http_wire.error_page(HTTPStatus.NOT_FOUND)
    if not _authorized(pool, request):
        return http_wire.error_page(HTTPStatus.UNAUTHORIZED)
    if request.path in host.faults.denied:
        return http_wire.error_page(HTTPStatus.FORBIDDEN)
    return Response(HTTPStatus.OK, "application/json", [json.dumps(_updates(pool, host, request)).encode()], close=True)


def _authorized(pool: "XapiPool", request: Request) -> bool:
    try:
        for ref in request.query.get("session_id", []):
            pool.sessions.find(ref)
            return True
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        pool.sessions.authenticate(name, password)
    except (XapiError, binascii.Error, UnicodeDecodeError):
        return False
    return scheme.lower() == "basic"


def _updates(pool: "XapiPool", host: "HostServer", request: Request) -> dict[str, object]:
    step = next((s for s in STEPS_SECONDS if s >= _number(request, "interval", 5)), STEPS_SECONDS[-1])
    now = int(time.time()) // step * step
    start = _number(request, "start", -10 * step)
    start = now + start if start < 0 else start
    rows = max(1, min((now - start) // step, _ROWS_MAX))
    legend = _legend(pool, host, request)
    # The newest sample of a source that has just appeared is not known yet.
    data = [{"t": now - i * step, "values": [_value(host, name, i) for name in legend]} for i in range(rows)]
    meta = {"start": now - (rows - 1) * step, "step": step, "end": now, "rows": rows, "columns": len(legend)}
    return {"meta": {**meta, "legend": legend}, "data": data}


def _legend(pool: "XapiPool", host: "HostServer", request: Request) -> list[str]:
    """The host's own, if asked for, and its resident VMs'."""
    record = pool.database.get("host", host.ref)
    names = []
    if request.query.get("host") == ["true"]:
        srs = [pool.database.get("PBD", ref)["SR"] for ref in record["PBDs"]]
        short = [pool.database.get("SR", ref)["uuid"][:8] for ref in srs if pool.database.exists("SR", ref)]
        kinds = ("iops_total", "latency", "iowait", "inflight", "io_throughput_read", "io_throughput_write")
        own = [f"{kind}_{sr}" for sr in short for kind in kinds]
        general = ("loadavg", "memory_free_kib", "pif_eth0_rx", "pif_eth0_tx", "pif_bond0_tx")
        names += [f"AVERAGE:host:{record['uuid']}:{name}" for name in (*general, *own)]
    for vm_ref in record["resident_VMs"]:
        vm = pool.database.get("VM", vm_ref)
        for vbd_ref in vm["VBDs"]:
            device = pool.database.get("VBD", vbd_ref)["device"]
            names += [f"AVERAGE:vm:{vm['uuid']}:vbd_{device}_{kind}" for kind in ("read", "write", "latency")]
        names += [f"AVERAGE:vm:{vm['uuid']}:vif_0_{kind}" for kind in ("rx", "tx")]
    return names


def _value(host: "HostServer", name: str, age: int) -> str:
    told = next((value for part, value in host.faults.rates.items() if part in name), None)
    if told is not None:
        return f"{told:.1f}"
    return "NaN" if age == 0 and "latency" in name else f"{len(name) * (age + 1) / 4:.1f}"


def _number(request: Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, [str(default)])[0])
    except ValueError:
        return default
