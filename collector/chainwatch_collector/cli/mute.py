"""`chainwatch mute`: silence a code, visibly and for a while; bare, the mutes in force."""

import re

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import MUTES
from chainwatch_collector.cli.output import emit, output_option, print_table, say

UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


class Length(click.ParamType[int]):
    """`30m`, `4h`, `2d`, `1w` as seconds."""

    name = "length"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d{1,4})([mhdw])", str(value))
        if match is None:
            self.fail(f"{value!r} is no length: give 30m, 4h, 2d or 1w", param, ctx)
        return int(match[1]) * UNITS[match[2]]


@click.command()
@click.argument("code", required=False)
@output_option
@click.option("--for", "seconds", type=Length(), metavar="LENGTH", help="30m, 4h, 2d, 1w; at most 90 days")
@click.option("--reason", metavar="TEXT", help="everybody will read it")
@click.option("--on", "subject", metavar="SUBJECT", help="only on this SR, disk, host or pool")
@click.option("--sticky", is_flag=True, help="stay even when it gets worse")
def command(
    code: str | None, output: str, seconds: int | None, reason: str | None, subject: str | None, sticky: bool
) -> int:
    """Silence CODE. The mute stays visible, ends by itself, when the finding clears, and when it gets worse.

    \b
    Examples:
      chainwatch mute
      chainwatch mute SR_SPACE_LOW --on nfs-prod-1 --for 4h --reason 'disks ordered'
    """
    if code is None:
        with connect() as client:
            body = client.get("/mutes")
        emit(body, output, lambda: print_table(MUTES, body["items"], "nothing is muted"), MUTES, body["items"])
        return 0
    if seconds is None or not reason:
        raise click.UsageError("a mute needs --for and --reason: chainwatch mute CODE --for 4h --reason TEXT")
    wanted = {"code": code, "seconds": seconds, "reason": reason, "subject": subject, "sticky": sticky}
    with connect() as client:
        made = client.post("/mutes", {key: value for key, value in wanted.items() if value is not None})
    told = f"muted {made['code']} until {made['until'][:16]}Z; end it: chainwatch unmute {made['id']}"
    emit(made, output, lambda: say(told), MUTES, [made])
    return 0
