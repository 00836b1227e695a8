"""What the local verbs of `chainwatch pool` share: the directory, one pool of it, a session, what a test found."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import badge, say
from chainwatch_collector.config_file import ConfigError
from chainwatch_collector.inventory import once
from chainwatch_collector.inventory.dial import LoggedIn
from chainwatch_collector.inventory.once import PoolProblemError, Report
from chainwatch_collector.inventory.pool_config import PoolSettings, load_pools

DEFAULT_DIRECTORY: Final = Path("/etc/chainwatch/pools.d")
FAILED_EXIT: Final = 2
F = TypeVar("F", bound=Callable[..., Any])


def directory_option(function: F) -> F:
    """`--pools-dir`."""
    option = click.option(
        "--pools-dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="CHAINWATCH_POOLS_DIR",
        default=DEFAULT_DIRECTORY,
        show_default=True,
        help="where the pools' files are",
    )
    return option(function)


def pool_named(directory: Path, name: str) -> PoolSettings:
    """Raises `CliError`."""
    try:
        if directory.is_dir():
            os.listdir(directory)  # noqa: PTH208 - glob would take a directory that may not be read for an empty one
        pools = {pool.key: pool for pool in load_pools(directory)}
    except OSError as error:
        raise CliError(f"{directory}: {error.strerror}", "run it as the collector's user") from None
    except ConfigError as error:
        raise CliError(str(error)) from None
    if name not in pools:
        known = tuple(sorted(pools))
        raise CliError(f"no pool {name!r} in {directory}", "chainwatch pool add, or --pools-dir", candidates=known)
    return pools[name]


@contextmanager
def opened(pool: PoolSettings) -> Iterator[LoggedIn]:
    """A session of the pool. Raises `CliError` that says what to do."""
    try:
        with once.logged_in(pool) as found:
            yield found
    except PoolProblemError as error:
        problem = error.problem
        hint = _tls_hint(pool) if problem.kind == "tls" else _HINTS.get(problem.kind)
        raise CliError(f"pool {pool.key}: {problem.kind}: {problem.text}", hint, FAILED_EXIT) from None


_HINTS: Final = {
    "network": "is the address right, and may this machine reach port 443 there?",
    "login": "is the user right, and the password in its file? It is not tried again by itself",
    "role": "give the user the role read-only, or use another",
    "booting": "wait for the toolstack of that host",
    "slave": "name the master, or every host of the pool",
}


def report_body(report: Report) -> dict[str, Any]:
    """As JSON."""
    return {
        **report._asdict(),
        "members": [member._asdict() for member in report.members],
        "counts": dict(report.counts),
    }


def print_report(report: Report) -> None:
    """For people."""
    way = "JSON-RPC" if report.json_rpc else "XML-RPC: this xapi is old, reading takes ten times the CPU"
    say(f"{badge('ok')}  {click.style(report.pool_name, bold=True)} answers at {report.address} by {way}")
    say(f"  uuid        {report.pool_uuid}")
    counted = ", ".join(f"{report.counts[kind]} {kind}s" for kind in ("host", "SR", "VDI", "VM"))
    say(f"  sees        {counted}")
    for member in report.members:
        say(f"  host        {member.name} {member.address} {member.version}".rstrip())
        if member.fingerprint:
            say(f"              sha256:{member.fingerprint}")
    if report.superuser:
        say(f"{badge('warning')}  this user may do everything; a user with the role read-only is enough")


def _tls_hint(pool: PoolSettings) -> str:
    try:
        shown = once.shown_certificate(pool.bare_addresses[0])
    except OSError:
        return "check ca_file or fingerprints"
    return (
        f"it shows sha256:{shown}; compare with `openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint"
        f" -sha256` on the host, then use --fingerprint (fingerprints in the file)"
    )
