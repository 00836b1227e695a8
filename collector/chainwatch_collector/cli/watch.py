"""`chainwatch watch`: the status screen, refreshing."""

import sys
import time
from datetime import UTC, datetime

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import pool_option, say
from chainwatch_collector.cli.status import ROWS, print_status

CLEAR = "\x1b[H\x1b[2J"


@click.command()
@pool_option
@click.option("-n", "--every", type=click.FloatRange(1, 3600), default=5.0, show_default=True, metavar="SECONDS")
@click.option("--count", type=click.IntRange(1), help="stop after so many screens")
def command(pool: str | None, every: float, count: int | None) -> int:
    """The status screen again and again, until Ctrl-C. A collector that cannot be reached is said and asked again.

    \b
    Examples:
      chainwatch watch
      chainwatch watch -n 30 --pool prod
    """
    shown, code = 0, 3
    try:
        while count is None or shown < count:
            if shown:
                time.sleep(every)
            code = _screen(pool, every)
            shown += 1
    except KeyboardInterrupt:
        return 0
    return code


def _screen(pool: str | None, every: float) -> int:
    try:
        with connect() as client:
            body = client.get("/status", {"pool": pool, "limit": ROWS})
    except CliError as error:
        _clear()
        say(error.render())
        return error.exit_code
    _clear()
    say(click.style(f"chainwatch  {datetime.now(UTC):%H:%M:%SZ}  every {every:g} s, Ctrl-C ends", dim=True))
    print_status(body)
    return int(body["exit_code"])


def _clear() -> None:
    if sys.stdout.isatty():
        click.echo(CLEAR, nl=False)
