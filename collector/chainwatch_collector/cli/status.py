"""`chainwatch status`: one screen."""

from collections.abc import Mapping
from typing import Any

import click

from chainwatch_collector.cli import columns
from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.output import badge, emit, output_option, pool_option, print_table, say
from chainwatch_collector.words import plural

ROWS = 20


@click.command()
@output_option
@pool_option
def command(output: str, pool: str | None) -> int:
    """Everything on one screen, worst first; ends with the worst status as exit code.

    \b
    Examples:
      chainwatch status
      chainwatch status --pool prod -o json
    """
    with connect() as client:
        body = client.get("/status", {"pool": pool, "limit": 1000 if output != "table" else ROWS})
    emit(body, output, lambda: print_status(body), columns.SRS, body["srs"])
    return int(body["exit_code"])


def print_status(body: Mapping[str, Any]) -> None:
    """Health line, pools where there are several, SRs, running merges, agents that need looking after, mutes."""
    say(f"{badge(body['status'])}  {body['sentence']}")
    if len(body["pools"]) > 1 or any(pool["status"] != "ok" for pool in body["pools"]):
        say()
        print_table(columns.POOLS, body["pools"], "")
    say()
    print_table(columns.SRS, body["srs"], "no SR is seen yet")
    if body["srs_total"] > len(body["srs"]):
        say(f"… and {plural(body['srs_total'] - len(body['srs']), 'SR')} more: chainwatch sr")
    if body["merges"]:
        say()
        print_table(columns.merges(body["as_of"]), body["merges"], "")
    say()
    _print_agents(body)
    for mute in body["mutes"]:
        where = f" on {mute['subject_name']}" if mute["subject_name"] else ""
        say(f"~ muted: {mute['code']}{where} until {mute['until'][:16]}Z by {mute['by']}: {mute['reason']}")


def _print_agents(body: Mapping[str, Any]) -> None:
    total, reporting = body["agents_total"], body["agents_reporting"]
    if not total:
        say("No agent yet: chainwatch agent enroll --host UUID, then chainwatch-agent enroll in that dom0.")
        return
    say(f"agents: {reporting} of {total} reporting")
    if body["agents"]:
        print_table(columns.agents(body["as_of"]), body["agents"], "")
