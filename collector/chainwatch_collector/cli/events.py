"""`chainwatch events`: the evidence."""

from collections.abc import Mapping
from typing import Any

import click

from chainwatch_collector.cli import events_raw
from chainwatch_collector.cli.client import Client, connect
from chainwatch_collector.cli.columns import EVENTS
from chainwatch_collector.cli.output import emit, limit_option, output_option, pool_option, print_more, print_table, say


@click.command()
@output_option
@pool_option
@limit_option(50)
@click.option("--sr", metavar="SR")
@click.option("--vdi", metavar="VDI")
@click.option("--host", metavar="HOST")
@click.option("--kind", metavar="KIND", help="a fact such as CoalesceFailed, or unknown")
@click.option("--unknown", is_flag=True, help="lines that nothing understood: the same as --kind unknown")
@click.option("--grep", metavar="TEXT", help="a text in the line, any case")
@click.option("--since", metavar="TIME", help="2h, 3d, or an ISO time")
@click.option("--until", metavar="TIME")
@click.option("-f", "--follow", is_flag=True, help="go on printing new ones until Ctrl-C")
@click.option(
    "--raw", is_flag=True, help="ask the host's agent for its log as it is; needs --host and --around, audited"
)
@click.option("--around", metavar="TIME", help="with --raw: the moment, 90m or an ISO time")
@click.option(
    "--literal", "literals", multiple=True, metavar="TEXT", help="with --raw: only lines with this; repeatable"
)
@click.option("--log", metavar="PATH", help="with --raw: another log than /var/log/SMlog")
def command(
    output: str,
    follow: bool,
    unknown: bool,
    raw: bool,
    around: str | None,
    literals: tuple[str, ...],
    log: str | None,
    **query: Any,
) -> int:
    """Log lines and what they mean, newest last.

    \b
    Examples:
      chainwatch events --sr nfs-prod-1 --since 2h
      chainwatch events --unknown
      chainwatch events --grep 'No space' -f
      chainwatch events --raw --host host-1 --around 2026-11-22T07:48:00Z --literal 'No space'
    """
    if raw or around or literals or log:
        if not (raw and around and query["host"]):
            raise click.UsageError("--raw, --host and --around go together")
        return events_raw.ask(query["host"], around, literals, log, output)
    if unknown:
        query["kind"] = "unknown"
    with connect() as client:
        body = client.get("/events", query)
        rows = list(reversed(body["items"]))
        empty = "every line was understood" if query["kind"] == "unknown" else "no such event"
        emit(body, output, lambda: _print(body, rows, empty), EVENTS, rows)
        if follow:
            _follow(client, query, {row["id"] for row in rows})
    return 0


def _print(body: Mapping[str, Any], rows: list[Mapping[str, Any]], empty: str) -> None:
    print_table(EVENTS, rows, empty)
    print_more(body)


def _follow(client: Client, query: Mapping[str, Any], seen: set[str]) -> None:
    """Every change that the collector announces is followed by one query; what was printed is not printed again."""
    try:
        for _ in client.changes():
            body = client.get("/events", {**query, "limit": 200})
            fresh = [row for row in reversed(body["items"]) if row["id"] not in seen]
            for row in fresh:
                at = (row["at"] or "?")[:19].replace("T", " ")
                say(f"{at} {row['host_name']} {row['kind']}: {row['text']}")
            seen = {row["id"] for row in body["items"]}
    except KeyboardInterrupt:
        return
