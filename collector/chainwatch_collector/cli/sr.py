"""`chainwatch sr`: the storage repositories, or one."""

from collections.abc import Mapping
from typing import Any

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
from chainwatch_collector.cli.table import Column
from chainwatch_collector.words import STATE_WORDS, age, clock, duration, percent, size

RUNS_SHOWN = 8
STATES = tuple(STATE_WORDS)


@click.command()
@click.argument("words", nargs=-1, metavar="[list | [show] SR]")
@output_option
@pool_option
@limit_option(1000)
@click.option("--state", type=click.Choice(STATES), help="only SRs in this coalesce state")
def command(words: tuple[str, ...], output: str, pool: str | None, limit: int, state: str | None) -> int:
    """The storage repositories, worst first; or one in detail. Exit: the worst status shown.

    \b
    Examples:
      chainwatch sr
      chainwatch sr --state blocked
      chainwatch sr show nfs-prod-1
    """
    name = one_name(words, "show")
    with connect() as client:
        if name is None:
            body = client.get("/srs", {"pool": pool, "limit": limit, "state": state})
            emit(body, output, lambda: _print_list(body), columns.SRS, body["items"])
            return exit_of([row["status"] for row in body["items"]])
        body = client.get(f"/sr/{name}", {"pool": pool})
        emit(body, output, lambda: _print_one(body), columns.SRS, [body["sr"]])
        return exit_of([body["sr"]["status"]])


def one_name(words: tuple[str, ...], verb: str) -> str | None:
    """None for a list; the subject for `NAME` or `VERB NAME`. Raises `click.UsageError`."""
    if not words or words == ("list",):
        return None
    if len(words) == 2 and words[0] == verb:
        return words[1]
    if len(words) == 1 and words[0] != verb:
        return words[0]
    raise click.UsageError(f"give `list`, a name, or `{verb} NAME`")


def _print_list(body: Mapping[str, Any]) -> None:
    print_table(columns.SRS, body["items"], "no SR is seen yet")
    print_more(body)


def _print_one(body: Mapping[str, Any]) -> None:
    sr = body["sr"]
    say(f"{badge(sr['status'])}  {click.style(body['sentence'], bold=True)}")
    say(click.style(f"SR {sr['name']} {sr['uuid']}, pool {sr['pool_name']}", dim=True))
    say()
    _fact("type", f"{sr['type'] or '?'}, {'shared' if sr['shared'] else 'local'}")
    _fact("state", sr["state"])
    _fact("GC host", sr["gc_host_name"] or "none")
    if (sr["size_bytes"] or 0) > 0:
        _fact("space", f"{size(sr['used_bytes'])} of {size(sr['size_bytes'])} used, {percent(sr['free_ratio'])} free")
    counted = ((sr["inner_pending"], "inner pending"), (sr["leaf_pending"], "leaf pending"), (sr["kept"], "kept"))
    more = ((sr["blocked"], "blocked"), (sr["garbage"], "garbage"))
    _fact("nodes", ", ".join(f"{'?' if n is None else n} {what}" for n, what in (*counted, *more)))
    if sr["bytes_to_merge"]:
        eta = f", about {duration(sr['eta_seconds'])}" if sr["eta_seconds"] else ""
        _fact("backlog", f"{size(sr['bytes_to_merge'])} to merge{eta}")
    _fact("last merge", clock(moment(sr["last_merge_at"])) if sr["last_merge_at"] else "none seen")
    for one in body["attachments"]:
        if not one["attached"]:
            _fact("DETACHED", f"on {one['host_name']}")
    _section("Merges", columns.merges(body["as_of"]), body["merges"][:RUNS_SHOWN])
    _section("Findings", columns.FINDINGS, body["findings"])
    _section("GC runs", _runs(body["as_of"]), body["runs"][:RUNS_SHOWN])
    say()
    say(click.style(f"chainwatch why {sr['name']}   chainwatch chain {sr['name']}", dim=True))


def _fact(name: str, value: str) -> None:
    say(f"  {name:<11} {value}")


def _section(title: str, shown: tuple[Column, ...], rows: list[Mapping[str, Any]]) -> None:
    if rows:
        say()
        say(click.style(title, bold=True))
        print_table(shown, rows, "")


def _runs(now: str | None) -> tuple[Column, ...]:
    def took(row: Mapping[str, Any]) -> str:
        start, end = moment(row["started_at"]), moment(row["ended_at"])
        return duration((end - start).total_seconds()) if start and end else ""

    def started(row: Mapping[str, Any]) -> str:
        start, present = moment(row["started_at"]), moment(now)
        return age(start, present) if start and present else str(row["started_at"])

    return (
        Column("OUTCOME", lambda row: str(row["outcome"]), "outcome", always=True),
        Column("STARTED", started, "started_at", right=True),
        Column("TOOK", took, right=True),
        Column("MERGES", lambda row: str(len(row["merges"]) or ""), right=True),
        Column("PID", lambda row: str(row["pid"]), "pid", right=True),
    )
