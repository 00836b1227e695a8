"""`chainwatch rescan`: ask SM to scan an SR, after its prechecks, and say what came of it."""

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from chainwatch_collector.cli.client import Client, connect
from chainwatch_collector.cli.output import badge, emit, exit_of, output_option, say, terminal_width, wrapped
from chainwatch_collector.cli.table import Column
from chainwatch_collector.cli.why import print_checks

SHOWN: Final = (
    Column("SR", lambda row: row["sr"]["name"], "sr.name"),
    Column("STATE", lambda row: row["state"], "state"),
    Column("BEFORE", lambda row: str(row["pending_before"]), "pending_before"),
    Column("AFTER", lambda row: str(row["pending_after"]), "pending_after"),
    Column("OUTCOME", lambda row: row["run_outcome"] or "", "run_outcome"),
)
OPEN: Final = frozenset({"asked", "started"})
STATUS: Final = {"refused": "error", "failed": "error", "kicked_not_started": "warning"}
POLL_SECONDS: Final = 2.0


@click.command()
@click.argument("sr")
@output_option
@click.option("--check", is_flag=True, help="only show the prechecks")
@click.option("--wait", type=click.IntRange(0, 86400), default=0, metavar="SECONDS", help="wait for the outcome")
@click.option("--yes", is_flag=True, help="do not ask")
def command(sr: str, output: str, check: bool, wait: int, yes: bool) -> int:
    """Ask SM to scan SR, which starts its garbage collector. Refused unless every precheck is ok; audited.

    \b
    Examples:
      chainwatch rescan nfs-prod-1 --check
      chainwatch rescan nfs-prod-1 --wait 600
    """
    with connect() as client:
        plan = client.get(f"/sr/{sr}/rescan")
        if check or plan["state"] == "refused":
            emit(plan, output, lambda: _print(plan), SHOWN, [plan])
            return exit_of([STATUS.get(plan["state"], "ok")])
        if output == "table" and not yes:
            _print(plan)
            click.confirm(f"scan {plan['sr']['name']} now?", abort=True)
        asked = client.post(f"/sr/{sr}/rescan")
        done = _follow(client, asked, wait)
    emit(done, output, lambda: _print(done), SHOWN, [done])
    return exit_of([STATUS.get(done["state"], "ok")])


def _follow(client: Client, asked: Mapping[str, Any], wait: int) -> Mapping[str, Any]:
    """The rescan as it stands after at most `wait` seconds."""
    newest, end = asked, time.monotonic() + wait
    while newest["state"] in OPEN and time.monotonic() < end:
        time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))
        items = client.get("/rescans", {"sr": asked["sr"]["uuid"]})["items"]
        newest = next((one for one in items if one["id"] == asked["id"]), newest)
    return newest


def _print(rescan: Mapping[str, Any]) -> None:
    width = terminal_width()
    say(badge(STATUS.get(rescan["state"], "ok")))
    for line in wrapped(rescan["sentence"], width):
        say(line)
    say()
    print_checks(rescan["prechecks"], width)
    if rescan["pending_after"] is not None:
        say(f"pending before {rescan['pending_before']}, after {rescan['pending_after']}")
