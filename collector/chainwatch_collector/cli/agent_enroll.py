"""`chainwatch agent enroll`: a token by which one host gets its certificate."""

from typing import Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import text
from chainwatch_collector.cli.mute import Length
from chainwatch_collector.cli.output import emit, output_option, say
from chainwatch_collector.cli.table import Column

# TSV is the bare token, so that it can be piped into `chainwatch-agent enroll --token-file -`.
TOKEN: Final = (Column("token", text("token"), "token"),)


@click.command()
@click.option("--host", required=True, metavar="HOST", help="its uuid; a name where its pool is known already")
@click.option("--for", "seconds", type=Length(), default="1h", metavar="LENGTH", help="30m, 4h, 7d at most; 1h if not")
@output_option
def command(host: str, seconds: int, output: str) -> int:
    """Make a token that enrolls HOST once. A newer token voids an unused older one.

    \b
    Examples:
      chainwatch agent enroll --host 7f9a2c1e-6f0b-4c55-9d0a-0d9a5f2f9a11
      chainwatch agent enroll --host UUID -o tsv |
        ssh root@HOST chainwatch-agent enroll --collector HERE:8443 --token-file -
    """
    with connect() as client:
        made = client.post(f"/agent/{host}/token", {"seconds": seconds})
        port = client.config.url

    def people() -> None:
        say(made["token"])
        say(click.style(f"for host {made['host_uuid']}, once, until {made['expires_at'][:16]}Z", dim=True))
        say(click.style(f"in its dom0: chainwatch-agent enroll --collector {_address(port)} --token-file -", dim=True))

    emit(made, output, people, TOKEN, [made])
    return 0


def _address(url: str) -> str:
    """HOST:PORT of the collector as we know it; dom0 may know it by another name."""
    return url.split("://", 1)[-1].split("/", 1)[0]
