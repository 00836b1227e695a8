"""`chainwatch agent`: the agents in dom0. `enroll` and `revoke` are in files of their own."""

import importlib
import importlib.util
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from chainwatch_collector.cli import columns
from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.output import (
    badge,
    emit,
    exit_of,
    limit_option,
    moment,
    output_option,
    pool_option,
    print_more,
    print_table,
    say,
)
from chainwatch_collector.words import age, clock, duration, iso, percent, size

_ELSEWHERE: Final = {"enroll": "agent_enroll", "revoke": "agent_revoke"}


class AgentGroup(click.Group):
    """`list` and `show` here; the others in `cli/agent_<verb>.py`, loaded when typed. Bare `agent` lists."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *(verb for verb in _ELSEWHERE if _spec(verb))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE and _spec(cmd_name):
            command: click.Command = importlib.import_module(_module(cmd_name)).command
            return command
        return super().get_command(ctx, cmd_name)


def _module(verb: str) -> str:
    return f"chainwatch_collector.cli.{_ELSEWHERE[verb]}"


def _spec(verb: str) -> bool:
    return importlib.util.find_spec(_module(verb)) is not None


@click.group(cls=AgentGroup, invoke_without_command=True)
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> int | None:
    """The agents in dom0, the ones to look after first.

    \b
    Examples:
      chainwatch agent list
      chainwatch agent show host-2
    """
    return None if ctx.invoked_subcommand else list_agents(output, None, 200)


@command.result_callback()
def _result(result: int | None, **_: object) -> int:
    return result or 0


@command.command("list")
@output_option
@pool_option
@limit_option(200)
def list_command(output: str, pool: str | None, limit: int) -> int:
    """Every host, with an agent or without. Exit: 2 when one is silent, 1 when one is late or missing."""
    return list_agents(output, pool, limit)


def list_agents(output: str, pool: str | None, limit: int) -> int:
    with connect() as client:
        body = client.get("/agents", {"pool": pool, "limit": limit})
    shown = columns.agents(body["as_of"])

    def people() -> None:
        print_table(shown, body["items"], "no host is known yet")
        print_more(body)

    emit(body, output, people, shown, body["items"])
    return exit_of([columns.AGENT_STATUS[row["state"]] for row in body["items"]])


@command.command("show")
@click.argument("host")
@output_option
def show_command(host: str, output: str) -> int:
    """One host: how far its logs are read, gaps, certificate, problems."""
    with connect() as client:
        body = client.get(f"/agent/{host}")
    now = datetime.now(UTC)
    emit(body, output, lambda: _print_one(body, now), columns.agents(iso(now)), [body])
    return exit_of([columns.AGENT_STATUS[body["state"]]])


def _print_one(body: Mapping[str, Any], now: datetime) -> None:
    say(f"{badge(columns.AGENT_STATUS[body['state']])}  {click.style(body['host_name'], bold=True)}: {body['state']}")
    say(click.style(f"host {body['host_uuid']}, pool {body['pool_name'] or 'none'}", dim=True))
    expires = moment(body["certificate_expires_at"])
    facts = (
        ("last seen", age(moment(body["last_seen_at"]), now)),
        ("evidence", "unknown" if body["lag_seconds"] is None else f"{duration(body['lag_seconds'])} behind"),
        ("connected", f"since {clock(moment(body['connected_since']))}" if body["connected_since"] else "no"),
        ("agent", _software(body)),
        ("selected", _selected(body) if body["version"] else ""),
        ("gaps", str(body["gaps"]) if body["version"] else ""),
        ("certificate", f"until {clock(expires)}" if expires else ""),
    )
    for name, value in facts:
        if value:
            say(f"  {name:<11} {value}")
    for log in body["logs"]:
        share = log["committed_bytes"] / log["size_bytes"] if log["size_bytes"] else 1.0
        problem = f": {log['problem']}" if log["problem"] else ""
        say(f"  {'log':<11} {log['path']} {percent(min(1.0, share))} of {size(log['size_bytes'])} committed{problem}")
    for problem in body["problems"]:
        say(f"  {'problem':<11} {problem}")
    if body["state"] != "reporting":
        say(f"chainwatch why {body['host_uuid']}")


def _selected(body: Mapping[str, Any]) -> str:
    lines, taken, read = body["lines_selected"], size(body["bytes_selected"]), size(body["bytes_read"])
    return f"{lines} lines, {taken} of the {read} read"


def _software(body: Mapping[str, Any]) -> str:
    if not body["version"]:
        return "none"
    python = f" on Python {body['python']}" if body["python"] else ""
    return f"{body['version']}{python}{', SM ' + body['sm_version'] if body['sm_version'] else ''}"
