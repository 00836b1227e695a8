"""`chainwatch diagnose`: SMlogs or a support bundle, offline."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from chainwatch_collector.cli.errors import CliError
from chainwatch_collector.cli.output import (
    badge,
    emit,
    exit_of,
    moment,
    output_option,
    print_table,
    say,
    terminal_width,
    wrapped,
)
from chainwatch_collector.cli.table import Column, Row
from chainwatch_collector.diagnose import answer, offline, sources
from chainwatch_collector.diagnose.errors import DiagnoseError
from chainwatch_collector.words import RANK, clock, plural

RUNS_SHOWN: Final = 20
STEPS_SHOWN: Final = 3
RUN_STATUS: Final = {"failed": "error", "crashed": "error", "killed": "warning", "aborted": "warning"}

FINDINGS: Final = (
    Column("SEVERITY", lambda row: row["severity"], "severity"),
    Column("CODE", lambda row: row["code"], "code"),
    Column("UUID", lambda row: row["subject"]["uuid"], "subject.uuid"),
    Column("NAME", lambda row: row["subject"]["name"], "subject.name"),
    Column("SUMMARY", lambda row: row["summary"], "summary"),
)


def _merges(row: Row) -> str:
    counts: dict[str, int] = {}
    for merge in row["merges"]:
        counts[merge["outcome"]] = counts.get(merge["outcome"], 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


RUNS: Final = (
    Column("OUTCOME", lambda row: click.style(row["outcome"], fg=_colour(row["outcome"])), "outcome", always=True),
    Column("SR", lambda row: (row["sr_uuid"] or "?")[:8], "sr_uuid", always=True),
    Column("STARTED", lambda row: clock(moment(row["started_at"])), "started_at", always=True),
    Column("HOST", lambda row: row["host"], "host", varies=True, shrink=8),
    Column("PID", lambda row: str(row["pid"]), "pid", right=True),
    Column("MERGES", _merges, "merges", shrink=20),
)


def _colour(outcome: str) -> str | None:
    return {"error": "red", "warning": "yellow"}.get(RUN_STATUS.get(outcome, ""))


@click.command()
@click.argument("paths", nargs=-1, metavar="[[HOST=]PATH…]")
@click.option("--smlog", "smlogs", multiple=True, metavar="[HOST=]PATH", help="the same as a bare PATH")
@click.option("--inventory", metavar="FILE", help="XenAPI records as JSON, from `chainwatch pool dump`")
@click.option("--now", metavar="ISO", help="judge as of this time; default: the newest line and 60 s")
@click.option("--timezone", metavar="TZ", help="the hosts' zone; default: the bundle's, else UTC")
@click.option("--shapes", is_flag=True, help="only the shapes of lines that nothing understands, values masked")
@output_option
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
    Exit: 0 healthy, 1 warning, 2 error, 3 cannot be read.

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
        if shapes:
            return _print_shapes(reading, output)
        body = answer.body(reading, inventory)
    except DiagnoseError as error:
        raise CliError(error.message, error.hint) from error
    emit(body, output, lambda: _print(body), FINDINGS, body["findings"])
    return exit_of([finding["severity"] for finding in body["findings"]])


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


def _print_shapes(reading: offline.Reading, output: str) -> int:
    shapes = [{"count": count, "shape": shape} for shape, count in reading.unknown_shapes.most_common()]
    columns = (
        Column("COUNT", lambda row: str(row["count"]), "count", right=True, always=True),
        Column("SHAPE", lambda row: row["shape"], "shape", always=True),
    )
    body = {"lines": {"selected": reading.lines_selected}, "shapes": shapes}
    emit(body, output, lambda: print_table(columns, shapes, "every line is understood"), columns, shapes)
    return 0


def _print(body: Mapping[str, Any]) -> None:
    """Answer, evidence, next step; then the runs they come from."""
    width = terminal_width()
    findings = sorted(body["findings"], key=lambda found: RANK[found["severity"]])
    lines = body["lines"]
    counts = f"{plural(len(findings), 'finding')}, {plural(len(body['runs']), 'GC run')}"
    counts += f", {plural(lines['selected'], 'line')}, {lines['unknown']} of them unknown"
    say(f"as of {clock(moment(body['now']))}: {counts}")
    for finding in findings:
        _print_finding(finding, width)
    if body["runs"]:
        say()
        shown = body["runs"][-RUNS_SHOWN:]
        print_table(RUNS, shown, "")
        if len(shown) < len(body["runs"]):
            say(click.style(f"… {len(body['runs']) - len(shown)} earlier runs: -o json", dim=True))
    for note in body["notes"]:
        say(click.style(f"note: {note}", dim=True))


def _print_finding(finding: Mapping[str, Any], width: int) -> None:
    subject = finding["subject"]
    name = subject["name"] if subject["name"] and subject["name"] != subject["uuid"] else ""
    say()
    say(f"{badge(finding['severity'])}  {click.style(finding['code'], bold=True)}  {name} {subject['uuid']}".rstrip())
    for line in wrapped(finding["summary"], width - 2):
        say(f"  {line}")
    for one in finding["evidence"][:2]:
        say(click.style(f"    {one['source']} at byte {one['offset']}", dim=True))
        for line in wrapped(one["text"], width - 6)[:3]:
            say(f"      {line}")
    for step in finding["next"][:STEPS_SHOWN]:
        for number, line in enumerate(wrapped(f"[{step['risk']}] {step['text']}", width - 4)):
            say(f"  {'→' if number == 0 else ' '} {line}")
        for word, text in (("first", step["precheck"]), ("WARNING", step["warning"])):
            for line in wrapped(f"{word}: {text}", width - 6) if text else ():
                say(f"      {line}")
        if step["command"]:
            say(f"      {step['command']}")
