"""`chainwatch unmute`."""

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import MUTES
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import emit, output_option, say


@click.command()
@click.argument("mute")
@output_option
def command(mute: str, output: str) -> int:
    """End a mute, by its id or by its code where only one mute has that code.

    \b
    Examples:
      chainwatch unmute 7
      chainwatch unmute SR_SPACE_LOW
    """
    with connect() as client:
        found = [one for one in client.get("/mutes")["items"] if mute in (one["id"], one["code"])]
        if len(found) != 1:
            what = "no mute" if not found else f"{len(found)} mutes"
            raise CliError(f"{what} by {mute!r}", "chainwatch mute lists them with their ids")
        ended = client.delete(f"/mute/{found[0]['id']}")
    emit(ended, output, lambda: say(f"{ended['code']} is heard again"), MUTES, [ended])
    return 0
