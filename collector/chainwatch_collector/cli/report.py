"""`chainwatch report`: one redacted file for a storage engineer."""

from pathlib import Path

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import say


@click.command()
@click.argument("sr")
@click.option("--file", "target", metavar="FILE", help="where to write it; `-` or nothing: stdout")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml", "tsv"]), default="table", hidden=True)
def command(sr: str, target: str | None, output: str) -> int:
    """State, why, findings, chains, runs, history and evidence of SR as one text, secrets masked.

    \b
    Examples:
      chainwatch report nfs-prod-1 --file nfs-prod-1.txt
    """
    del output
    with connect() as client:
        text = client.text(f"/report/{sr}")
    if target in (None, "-"):
        say(text.rstrip("\n"))
        return 0
    try:
        Path(str(target)).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{target}: {error.strerror}", "give a file that can be written with --file") from error
    say(f"{target}: {len(text.encode())} bytes")
    return 0
