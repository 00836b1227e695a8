"""`chainwatch tasks`: XenAPI tasks and whether they move."""

import click

from chainwatch_collector.cli import columns
from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.output import (
    emit,
    exit_of,
    limit_option,
    output_option,
    pool_option,
    print_more,
    print_table,
)


@click.command()
@output_option
@pool_option
@limit_option(200)
@click.option("--stalled", is_flag=True, help="only those that do not move")
def command(output: str, pool: str | None, limit: int, stalled: bool) -> int:
    """Exports, imports, copies, migrations: the ones that do not move first. Exit 1 when one is stalled.

    \b
    Examples:
      chainwatch tasks
      chainwatch tasks --stalled -o json
    """
    with connect() as client:
        body = client.get("/tasks", {"pool": pool, "limit": limit, "moving": False if stalled else None})
    shown = columns.tasks(body["as_of"])

    def people() -> None:
        print_table(shown, body["items"], "no task runs")
        print_more(body)

    emit(body, output, people, shown, body["items"])
    return exit_of(["warning" for task in body["items"] if task["moving"] is False])
