"""`chainwatch agent revoke`: a host's certificates are refused from now on."""

from typing import Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import text
from chainwatch_collector.cli.output import emit, output_option, say
from chainwatch_collector.cli.table import Column

REVOKED: Final = (
    Column("host", text("host_uuid"), "host_uuid"),
    Column("certificates", text("certificates"), "certificates"),
)


@click.command()
@click.argument("host")
@click.option("--yes", is_flag=True, help="do not ask")
@output_option
def command(host: str, yes: bool, output: str) -> int:
    """Refuse HOST's certificates and tokens; its live stream ends within a minute. Enrolling it anew lets it back in.

    \b
    Examples:
      chainwatch agent revoke host-2
      chainwatch agent revoke 7f9a2c1e-6f0b-4c55-9d0a-0d9a5f2f9a11 --yes
    """
    if not yes:
        click.confirm(f"refuse every certificate of {host}", abort=True, err=True)
    with connect() as client:
        done = client.post(f"/agent/{host}/revoke")
    told = f"host {done['host_uuid']} is revoked: {done['certificates']} certificates; evidence that it sent stays"
    emit(done, output, lambda: say(told), REVOKED, [done])
    return 0
