"""`chainwatch user`: local accounts of the collector."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import text
from chainwatch_collector.cli.mute import Length
from chainwatch_collector.cli.output import emit, output_option, print_table, say
from chainwatch_collector.cli.table import Column

F = TypeVar("F", bound=Callable[..., Any])
ROLES: Final = click.Choice(["viewer", "operator", "admin"])
USERS: Final = (
    Column("NAME", text("name"), "name", always=True),
    Column("ROLE", text("role"), "role", always=True),
    Column("POOLS", lambda row: pools_text(row["pools"]), "pools"),
    Column("UNTIL", lambda row: (row["expires_at"] or "")[:10], "expires_at"),
    Column("STATE", lambda row: "disabled" if row["disabled"] else "", "disabled"),
    Column("PASSWORD", lambda row: "" if row["has_password"] else "none", "has_password"),
)


def pools_text(pools: list[str] | None) -> str:
    return "" if pools is None else f"{len(pools)}: {', '.join(pool[:8] for pool in pools)}"


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """The collector's accounts; for administrators.

    \b
    Examples:
      chainwatch user
      chainwatch user add ana --role operator --password
      chainwatch user add grafana --pool prod && chainwatch token add --for 365d --user grafana
      chainwatch user set ana --disable
    """
    if ctx.invoked_subcommand is None:
        with connect() as client:
            body = client.get("/accounts")
        emit(body, output, lambda: print_table(USERS, body["items"], "there is no account yet"), USERS, body["items"])


def limits(function: F) -> F:
    """The options that say how far an account reaches, and for how long."""
    for option in (
        click.option("--for", "seconds", type=Length(), metavar="LENGTH", help="ends by itself: 30d, 52w"),
        click.option("--pool", "pools", multiple=True, metavar="POOL", help="only this pool; may be repeated"),
        click.option("--role", type=ROLES),
    ):
        function = option(function)
    return function


@command.command("add")
@click.argument("name")
@limits
@click.option("--password", is_flag=True, help="ask for one; without, the account has tokens only")
@output_option
def add(name: str, output: str, password: bool, **wanted: Any) -> None:
    """Make an account; a viewer of every pool unless told otherwise."""
    content = {"name": name, **_content(wanted)} | ({"password": ask_password()} if password else {})
    with connect() as client:
        made = client.post("/accounts", content)
    _print(made, output)


@command.command("set")
@click.argument("name")
@limits
@click.option("--every-pool", is_flag=True, help="lift the limit to pools")
@click.option("--password", is_flag=True, help="ask for a new one; sessions end")
@click.option("--disable/--enable", "disabled", default=None)
@output_option
def change(name: str, output: str, password: bool, every_pool: bool, disabled: bool | None, **wanted: Any) -> None:
    """Change an account; what is not named stays."""
    content = _content(wanted) | ({"password": ask_password()} if password else {})
    content |= {"every_pool": True} if every_pool else {}
    content |= {"disabled": disabled} if disabled is not None else {}
    if not content:
        raise click.UsageError("nothing to change: give --role, --pool, --for, --password, --disable or --enable")
    with connect() as client:
        made = client.patch(f"/account/{name}", content)
    _print(made, output)


@command.command("password")
def password_command() -> None:
    """Change one's own password; sessions end."""
    old = str(click.prompt("present password", hide_input=True, err=True))
    with connect() as client:
        client.post("/password", {"old": old, "new": ask_password()})
    say("changed")


def ask_password() -> str:
    """From the terminal, twice; never an argument, which others could read."""
    return str(click.prompt("new password", hide_input=True, confirmation_prompt=True, err=True))


def _content(wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in wanted.items() if value is not None and value != ()}
    return {key: list(value) if key == "pools" else value for key, value in found.items()}


def _print(made: Mapping[str, Any], output: str) -> None:
    reach = "every pool" if made["pools"] is None else f"{len(made['pools'])} pools"
    told = f"{made['name']}: {made['role']} of {reach}" + (", disabled" if made["disabled"] else "")
    emit(made, output, lambda: say(told), USERS, [made])
