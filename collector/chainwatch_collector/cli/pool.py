"""`chainwatch pool`: `list` asks the collector; `test`, `dump`, `add`, `remove` work on `pools.d` of this machine."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from chainwatch_collector.cli import columns
from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import badge, emit, exit_of, output_option, print_table, say
from chainwatch_collector.cli.pool_add import add_command
from chainwatch_collector.cli.pool_local import directory_option, opened, pool_named, print_report, report_body
from chainwatch_collector.config_file import ConfigError
from chainwatch_collector.inventory import once
from chainwatch_collector.inventory.pool_files import remove_pool

DUMP_MODE: Final = 0o600


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> int | None:
    """Pools: what the collector says of them, and their configuration on this machine.

    \b
    Examples:
      chainwatch pool list
      chainwatch pool add prod 10.0.0.11 10.0.0.12 --username monitor --ca-file prod.pem
      chainwatch pool test prod
      chainwatch pool dump prod --to inventory.json
    """
    return None if ctx.invoked_subcommand else list_pools(output)


@command.result_callback()
def _result(result: int | None, **_: object) -> int:
    return result or 0


command.add_command(add_command)


@command.command("list")
@output_option
def list_command(output: str) -> int:
    """Every pool of the collector, the ones to look after first. Exit: 2 when one cannot be asked."""
    return list_pools(output)


def list_pools(output: str) -> int:
    with connect() as client:
        body = client.get("/pools")
    rows = body["items"]
    empty = "no pool is configured: `chainwatch pool add` on the collector's machine"
    emit(body, output, lambda: print_table(columns.POOLS, rows, empty), columns.POOLS, rows)
    return exit_of([row["status"] for row in rows])


@command.command("test")
@click.argument("name")
@directory_option
@output_option
def test_command(name: str, pools_dir: Path, output: str) -> int:
    """Log in to a configured pool and read a little of everything. Exit: 0 it works, 2 it does not."""
    pool = pool_named(pools_dir, name)
    with opened(pool) as found:
        report = once.examine(found)
    body = report_body(report)
    emit(body, output, lambda: print_report(report))
    return 0


@command.command("dump")
@click.argument("name")
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="a file; stdout otherwise")
@directory_option
def dump_command(name: str, target: Path | None, pools_dir: Path) -> int:
    """The pool's inventory as JSON, for `chainwatch diagnose --inventory`: what chains and space need, no secrets."""
    pool = pool_named(pools_dir, name)
    with opened(pool) as found:
        body = once.dump(found, datetime.now(UTC))
    text = json.dumps(body, indent=1, default=str)
    if target is None:
        say(text)
        return 0
    _write(target, text)
    counts = ", ".join(f"{len(body[kind])} {kind}s" for kind in ("SR", "VDI", "VM", "host"))
    say(f"{badge('ok')}  wrote {target}: {counts}")
    return 0


@command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="do not ask")
@directory_option
def remove_command(name: str, yes: bool, pools_dir: Path) -> int:
    """Remove a pool's file and the password that `add` wrote. What is stored of the pool stays."""
    if not yes:
        click.confirm(f"remove pool {name} from {pools_dir}?", abort=True, err=True)
    try:
        removed = remove_pool(pools_dir, name)
    except ConfigError as error:
        raise CliError(str(error)) from None
    say(f"{badge('ok')}  removed {', '.join(str(path) for path in removed)}; restart the collector")
    return 0


def _write(target: Path, text: str) -> None:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, DUMP_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise CliError(f"{target}: cannot be written: {error.strerror}") from None
