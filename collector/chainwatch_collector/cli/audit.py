"""`chainwatch audit`: who changed, or tried to change, what."""

from typing import Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import text
from chainwatch_collector.cli.output import emit, limit_option, output_option, print_table
from chainwatch_collector.cli.table import Column

AUDIT: Final = (
    Column("AT", lambda row: row["at"][:19].replace("T", " "), "at", always=True),
    Column("WHO", text("who"), "who", always=True, shrink=12),
    Column("WHAT", text("what"), "what", always=True),
    Column("SUBJECT", text("subject"), "subject", shrink=12),
    Column("OUTCOME", text("outcome"), "outcome", always=True),
    Column("DETAIL", text("detail"), "detail", shrink=20),
)


@click.command()
@output_option
@limit_option(100)
@click.option("--since", default="30d", metavar="TIME", help="2h, 30d, or an ISO time; 30d if not")
@click.option("--who", metavar="NAME", help="only this one; `host UUID`: an agent; `local:USER`: on its machine")
@click.option(
    "--what", metavar="WORD", help="login, account, token, enroll, renew, revoke, mute, rescan, evidence, new-ca, …"
)
@click.option("--subject", metavar="TEXT", help="only on this host, SR or account")
@click.option("--outcome", metavar="WORD", help="done, refused, failed")
def command(
    output: str, limit: int, since: str, who: str | None, what: str | None, subject: str | None, outcome: str | None
) -> None:
    """The audit log, newest first; for administrators. Nothing in it is ever rewritten.

    \b
    Examples:
      chainwatch audit --since 2d
      chainwatch audit --what login --outcome refused
      chainwatch audit --what evidence -o json
    """
    asked = {"limit": limit, "since": since, "who": who, "what": what, "subject": subject, "outcome": outcome}
    with connect() as client:
        body = client.get("/audit", asked)
    emit(body, output, lambda: print_table(AUDIT, body["items"], "nothing of that kind"), AUDIT, body["items"])
