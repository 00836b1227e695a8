"""`chainwatch token`: tokens for programs and for the command line elsewhere."""

from typing import Any, Final

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import text
from chainwatch_collector.cli.mute import Length
from chainwatch_collector.cli.output import emit, output_option, print_table, say
from chainwatch_collector.cli.table import Column
from chainwatch_collector.cli.user import ROLES, pools_text

TOKENS: Final = (
    Column("ID", text("id"), "id", always=True),
    Column("USER", text("account"), "account", always=True),
    Column("LABEL", text("label"), "label"),
    Column("ROLE", text("role"), "role"),
    Column("POOLS", lambda row: pools_text(row["pools"]), "pools"),
    Column("UNTIL", lambda row: row["expires_at"][:10], "expires_at", always=True),
    Column("MADE BY", text("created_by"), "created_by", varies=True),
)
NEW: Final = (Column("token", text("token"), "token"),)


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """Tokens in force: one's own, and for administrators everybody's.

    \b
    Examples:
      chainwatch token
      chainwatch token add --label laptop --for 90d
      chainwatch token add --user prometheus --role viewer --for 365d -o tsv
      chainwatch token revoke 7
    """
    if ctx.invoked_subcommand is None:
        with connect() as client:
            body = client.get("/tokens")
        emit(body, output, lambda: print_table(TOKENS, body["items"], "there is no token"), TOKENS, body["items"])


@command.command("add")
@click.option("--user", "account", metavar="NAME", help="for this account instead of one's own")
@click.option("--label", default="", metavar="TEXT", help="what it is for")
@click.option("--for", "seconds", type=Length(), default="90d", metavar="LENGTH", help="90d if not, at most 400d")
@click.option("--role", type=ROLES, help="narrower than the account's")
@click.option("--pool", "pools", multiple=True, metavar="POOL", help="only this pool; may be repeated")
@output_option
def add(output: str, pools: tuple[str, ...], **wanted: Any) -> None:
    """Make a token. It is shown this once."""
    content = {key: value for key, value in wanted.items() if value is not None}
    with connect() as client:
        made = client.post("/tokens", content | ({"pools": list(pools)} if pools else {}))

    def people() -> None:
        say(made["token"])
        say(click.style(f"token {made['id']} of {made['account']} until {made['expires_at'][:10]}", dim=True))

    emit(made, output, people, NEW, [made])


@command.command("revoke")
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """End a token now."""
    with connect() as client:
        client.delete(f"/token/{token_id}")
    say(f"token {token_id} is revoked")
