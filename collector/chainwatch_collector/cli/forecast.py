"""`chainwatch forecast`: when it breaks."""

from collections.abc import Mapping
from typing import Any

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import FORECASTS
from chainwatch_collector.cli.output import emit, output_option, pool_option, say, terminal_width, wrapped


@click.command()
@click.argument("subject", required=False)
@output_option
@pool_option
def command(subject: str | None, output: str, pool: str | None) -> int:
    """When a chain reaches its limit, an SR fills, a backlog clears; soonest first, with the uncertainty.

    \b
    Examples:
      chainwatch forecast
      chainwatch forecast nfs-prod-1
    """
    with connect() as client:
        body = client.get("/forecast", {"subject": subject, "pool": pool})
    emit(body, output, lambda: _print(body), FORECASTS, body["items"])
    return 0


def _print(body: Mapping[str, Any]) -> None:
    if not body["items"]:
        say("nothing to foretell: no history yet, or nothing grows")
    for one in body["items"]:
        when = (one["at"] or "–")[:10]
        interval = f" (between {one['earliest_at'][:10]} and {one['latest_at'][:10]})" if one["earliest_at"] else ""
        text = f"{one['subject']['name']}: {one['sentence']}{interval}"
        for number, line in enumerate(wrapped(text, terminal_width() - 12)):
            say(f"{when if number == 0 else '':<10}  {line}")
