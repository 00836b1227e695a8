"""`chainwatch diagnose`: SMlogs or a support bundle, offline."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.diagnose import answer, offline, sources
from chainwatch_collector.diagnose.errors import DiagnoseError

_EXIT = {"error": 2, "warning": 1}


@click.command()
@click.argument("paths", nargs=-1, metavar="[[HOST=]PATH…]")
@click.option("--smlog", "smlogs", multiple=True, metavar="[HOST=]PATH", help="the same as a bare PATH")
@click.option("--inventory", metavar="FILE", help="XenAPI records as JSON, from `chainwatch pool dump`")
@click.option("--now", metavar="ISO", help="judge as of this time; default: the newest line and 60 s")
@click.option("--timezone", metavar="TZ", help="the hosts' zone; default: the bundle's, else UTC")
@click.option("--shapes", is_flag=True, help="only the shapes of lines that nothing understands, values masked")
@click.option("-o", "--output", type=click.Choice(("table", "json", "yaml", "tsv")), default="table", show_default=True)
def command(
    paths: tuple[str, ...],
    smlogs: tuple[str, ...],
    inventory: str | None,
    now: str | None,
    timezone: str | None,
    shapes: bool,
    output: str,
) -> int:
    """Diagnose SMlogs or support bundles with no collector, no agent and no network.

    A PATH is an SMlog, one of its rotations, a directory, or a bundle (tar, tgz, tar.bz2, zip).

    \b
    Examples:
      chainwatch diagnose /var/log/SMlog
      chainwatch diagnose xcp1=bundle1.tar.bz2 xcp2=bundle2.tar.bz2 --inventory pool.json
      chainwatch diagnose --shapes /var/log
    """
    given = [*paths, *smlogs]
    if not given:
        raise click.UsageError("give at least one PATH: an SMlog, a directory or a support bundle")
    options = offline.Options(now=_now(now), timezone=_zone(timezone))
    try:
        reading = offline.read_paths(given, options)
    except DiagnoseError as error:
        raise CliError(error.message, error.hint) from error
    if shapes:
        for shape, count in reading.unknown_shapes.most_common():
            click.echo(f"{count}\t{shape}")
        return 0
    body = answer.body(reading)
    _print(body, output)
    return max((_EXIT.get(finding["severity"], 0) for finding in body["findings"]), default=0)


def _now(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time; write 2026-11-22T07:42:09Z", param_hint="--now") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    zone = sources.zone_named(name)
    if zone is None:
        raise click.BadParameter(f"{name!r} is no time zone; write Europe/Paris or UTC", param_hint="--timezone")
    return zone


def _print(body: dict[str, Any], output: str) -> None:
    if output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(body, sort_keys=False, allow_unicode=True).rstrip())
    else:
        click.echo(json.dumps(body, indent=2, ensure_ascii=False))
