"""`python -m lab.xapi --config FILE`: one pool in a process of its own, until SIGTERM, SIGINT or `stop`.

FILE is JSON: {"name": "pool", "hosts": ["xcp1"], "uuids": {"xcp1": UUID}, "port": 0, "control_port": 0,
"build": [["add_sr", {"kind": "nfs", "name": "vms"}], …]}; each key may be left out. Once it listens it prints one
line of JSON: where, and with which passwords.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from lab.xapi import operations
from lab.xapi.control import ControlPort
from lab.xapi.pool import MONITOR, ROOT, XapiPool

KEYS = frozenset({"name", "hosts", "uuids", "port", "control_port", "build"})


async def serve(config: dict[str, Any], directory: Path) -> None:
    """Build, listen, say where, wait."""
    pool = XapiPool(
        directory,
        config.get("hosts", ["xcp1"]),
        config.get("name", "pool"),
        config.get("port", 0),
        config.get("uuids"),
    )
    for name, arguments in config.get("build", []):
        await operations.run(pool, name, arguments)
    await pool.start()
    control = ControlPort(pool)
    control_port = await control.start(config.get("control_port", 0))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, control.stopped.set)
    try:
        print(json.dumps(description(pool, control_port)), flush=True)
        await control.stopped.wait()
    finally:
        await control.close()
        await pool.stop()


def description(pool: XapiPool, control_port: int) -> dict[str, Any]:
    """Where the pool is and how to log in."""
    hosts = pool.database.tables["host"].rows
    return {
        "uuid": pool.database.get("pool", pool.estate.pool_ref)["uuid"],
        "address": pool.coordinator.address,
        "addresses": {hosts[ref].fields["name_label"]: server.address for ref, server in pool.servers.items()},
        "host_uuids": {row.fields["name_label"]: row.fields["uuid"] for row in hosts.values()},
        "port": pool.port,
        "ca_file": str(pool.ca_file),
        "user": ROOT.name,
        "password": ROOT.password,
        "reader": MONITOR.name,
        "reader_password": MONITOR.password,
        "control_port": control_port,
    }


def main(arguments: list[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="lab.xapi", description="The lab's XenAPI server.")
    parser.add_argument("--config", type=Path, required=True, help="a JSON file")
    config = json.loads(parser.parse_args(arguments).config.read_text())
    if unknown := config.keys() - KEYS:
        print(f"lab.xapi: unknown keys {sorted(unknown)}; there are {sorted(KEYS)}", file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="lab-xapi-") as directory:
        asyncio.run(serve(config, Path(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
