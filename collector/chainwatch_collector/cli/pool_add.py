"""`chainwatch pool add`: write a pool's file and its secret, and see whether it works."""

import sys
from pathlib import Path

import click

from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import badge, say
from chainwatch_collector.cli.pool_local import directory_option, opened, print_report
from chainwatch_collector.config_file import ConfigError
from chainwatch_collector.inventory import once
from chainwatch_collector.inventory.pool_config import CREDENTIALS, PoolSettings
from chainwatch_collector.inventory.pool_files import Value, pool_file, remove_pool, write_pool, write_secret


@click.command("add")
@click.argument("name")
@click.argument("addresses", nargs=-1, required=True)
@click.option("--username", required=True, help="a user with the role read-only")
@click.option("--password-file", metavar="FILE", help="of mode 0600; the password is asked for otherwise")
@click.option("--credential", metavar="NAME", help="the password is this systemd credential of the collector's unit")
@click.option("--ca-file", metavar="FILE", help="PEM: the hosts' certificates or their CA")
@click.option(
    "--fingerprint", "fingerprints", multiple=True, metavar="SHA256", help="of a host's certificate; repeat it"
)
@click.option("--insecure", is_flag=True, help="trust any certificate; whoever sits between reads the password")
@click.option("--no-test", is_flag=True, help="write the file without logging in")
@directory_option
def add_command(
    name: str,
    addresses: tuple[str, ...],
    username: str,
    password_file: str | None,
    credential: str | None,
    ca_file: str | None,
    fingerprints: tuple[str, ...],
    insecure: bool,
    no_test: bool,
    pools_dir: Path,
) -> int:
    """Configure a pool. ADDRESSES: one or more of its hosts. The password is never on the command line.

    \b
    Examples:
      chainwatch pool add prod 10.0.0.11 --username monitor --ca-file prod.pem
      chainwatch pool add lab 10.1.0.11 --username root --fingerprint 9f:86:d0:…
    """
    if password_file and credential:
        raise click.UsageError("--password-file and --credential exclude each other")
    values: dict[str, Value] = {"addresses": list(addresses), "username": username}
    values |= {"ca_file": str(Path(ca_file).expanduser().resolve())} if ca_file else {}
    values |= {"fingerprints": list(fingerprints)} if fingerprints else {}
    values |= {"insecure": True} if insecure else {}
    try:
        values["password_file"] = _secret(pools_dir, name, username, password_file, credential)
        pool = _written(pools_dir, name, values)
    except ConfigError as error:
        raise CliError(str(error)) from None
    return _finish(pool, pools_dir, test=not no_test and not credential)


def _secret(directory: Path, name: str, username: str, file: str | None, credential: str | None) -> str:
    """The value of `password_file`; a password that is asked for or piped in gets a file of its own."""
    if pool_file(directory, name).exists():
        raise ConfigError(f"{pool_file(directory, name)}: is there already; `chainwatch pool remove {name}` first")
    if credential:
        return CREDENTIALS + credential
    if file:
        return str(Path(file).expanduser().resolve())
    if sys.stdin.isatty():
        password = click.prompt(f"password of {username}", hide_input=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("no password was given: type it, pipe it in, or name a --password-file")
    return write_secret(directory, name, password).name


def _written(directory: Path, name: str, values: dict[str, Value]) -> PoolSettings:
    try:
        return write_pool(directory, name, values)
    except ConfigError:
        secret = directory / f"{name}.password"
        if values["password_file"] == secret.name:
            secret.unlink(missing_ok=True)
        raise


def _finish(pool: PoolSettings, directory: Path, *, test: bool) -> int:
    if test:
        try:
            with opened(pool) as found:
                report = once.examine(found)
        except CliError:
            remove_pool(directory, pool.key)  # what does not work is not left behind
            raise
        print_report(report)
    say(f"{badge('ok')}  wrote {pool.source}; restart the collector to follow it")
    return 0
