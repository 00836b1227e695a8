"""`chainwatch coalesce`: merges, running and ended."""

from collections.abc import Mapping
from typing import Any

import click

from chainwatch_collector.cli import columns
from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.output import (
    emit,
    limit_option,
    output_option,
    pool_option,
    print_more,
    print_table,
)
from chainwatch_collector.cli.table import Column


@click.command()
@click.argument("words", nargs=-1, metavar="[list]")
@output_option
@pool_option
@limit_option(100)
@click.option("--sr", metavar="SR", help="only this SR")
@click.option("--running", is_flag=True, help="only those that run now")
def command(words: tuple[str, ...], output: str, pool: str | None, limit: int, sr: str | None, running: bool) -> int:
    """Merges running now and those of the last day: progress, rate, ETA, outcome.

    \b
    Examples:
      chainwatch coalesce --running
      chainwatch coalesce --sr nfs-prod-1
    """
    if words not in ((), ("list",)):
        raise click.UsageError(f"{' '.join(words)!r}: only `list` may stand here; choose an SR with --sr")
    with connect() as client:
        body = client.get("/merges", {"pool": pool, "limit": limit, "sr": sr, "running": running or None})
    shown = columns.merges(body["as_of"])
    emit(body, output, lambda: _print(body, shown), shown, body["items"])
    return 0


def _print(body: Mapping[str, Any], shown: tuple[Column, ...]) -> None:
    print_table(shown, body["items"], "no merge in the last day")
    print_more(body)
