"""`chainwatch why`: the troubleshooting page, executed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.output import (
    badge,
    emit,
    exit_of,
    moment,
    output_option,
    pool_option,
    say,
    terminal_width,
    wrapped,
)
from chainwatch_collector.cli.table import Column, cut
from chainwatch_collector.words import clock

CHECKS = (
    Column("CHECK", lambda row: row["name"], "name"),
    Column("STATUS", lambda row: row["status"], "status"),
    Column("DETAIL", lambda row: row["detail"], "detail"),
)


@click.command()
@click.argument("subject")
@output_option
@pool_option
def command(subject: str, output: str, pool: str | None) -> int:
    """Is it well; if not, why; and what is safe to do next. SUBJECT is an SR, VDI, VM, host or pool.

    A name, a uuid, or the first 8 characters of a uuid as SMlog prints them.

    \b
    Examples:
      chainwatch why nfs-prod-1
      chainwatch why 5f1c0002
    """
    with connect() as client:
        body = client.get("/why", {"subject": subject, "pool": pool})
    emit(body, output, lambda: print_why(body), CHECKS, body["checks"])
    return exit_of([body["status"]])


def print_why(body: Mapping[str, Any]) -> None:
    """Answer, checks, evidence, next steps: in this order on every surface."""
    width = terminal_width()
    subject = body["subject"]
    code = f"  {click.style(body['code'], bold=True)}" if body["code"] else ""
    say(f"{badge(body['status'])}{code}")
    for line in wrapped(body["sentence"], width):
        say(click.style(line, bold=True))
    say(click.style(f"{subject['kind']} {subject['name']} {subject['uuid']}", dim=True))
    say()
    print_checks(body["checks"], width)
    _print_evidence(body, width)
    _print_steps(body, width)


def print_checks(checks: Sequence[Mapping[str, Any]], width: int) -> None:
    """Question, status, answer: a line each, the answer wrapped."""
    names = max((len(check["name"]) for check in checks), default=0)
    for check in checks:
        _print_check(check, min(names, 38), width)


def _print_check(check: Mapping[str, Any], names: int, width: int) -> None:
    head = f"  {cut(check['name'], names):<{names}}  "
    lead = len(head) + 10
    lines = wrapped(check["detail"], max(20, width - lead)) or [""]
    say(f"{head}{badge(check['status'], 10)}{lines[0]}".rstrip())
    for line in lines[1:]:
        say(" " * lead + line)


def _print_evidence(body: Mapping[str, Any], width: int) -> None:
    lines = list(body["evidence"]) or [one for found in body["findings"][:1] for one in found["evidence"]]
    if not lines:
        return
    say()
    say(click.style("Evidence", bold=True))

    for one in lines[:5]:
        say(click.style(f"  {clock(moment(one['at']))}  {one['source']} at byte {one['offset']}", dim=True))
        for line in wrapped(one["text"], width - 4):
            say(f"    {line}")


def _print_steps(body: Mapping[str, Any], width: int) -> None:
    steps = _distinct(step for found in body["findings"] for step in found["next"])
    if not steps:
        return
    say()
    say(click.style("Next", bold=True))
    for number, step in enumerate(steps[:8], start=1):
        _print_step(number, step, width)
    say(click.style(f"  chainwatch explain {body['code'] or body['findings'][0]['code']}", dim=True))


def _distinct(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Two findings of one cause advise the same: once is enough, by the one that knows the command."""
    seen: dict[str, Mapping[str, Any]] = {}
    for step in steps:
        if step["text"] not in seen or not seen[step["text"]]["command"]:
            seen[step["text"]] = step
    return list(seen.values())


def _print_step(number: int, step: Mapping[str, Any], width: int) -> None:
    risk = click.style(f"[{step['risk']}]", fg={"safe": "green", "disruptive": "yellow"}.get(step["risk"], "red"))
    head = " " * (len(step["risk"]) + 3)  # the first line has the risk before it
    lines = wrapped(step["text"], width - 5, head)
    say(f"  {number}. {risk} {lines[0].lstrip()}")
    notes = [*lines[1:]]
    for word, text in (("first", step["precheck"]), ("WARNING", step["warning"])):
        notes += wrapped(f"{word}: {text}", width - 5) if text else []
    for line in notes:
        say(" " * 5 + line)
    if step["command"]:
        say(f"     {step['command']}")
