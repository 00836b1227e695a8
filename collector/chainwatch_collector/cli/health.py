"""`chainwatch health`: what is wrong, as a person, a script or Nagios wants it."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from chainwatch_collector.cli.client import connect
from chainwatch_collector.cli.columns import FINDINGS
from chainwatch_collector.cli.errors import UNKNOWN_EXIT, CliError
from chainwatch_collector.cli.output import (
    badge,
    emit,
    moment,
    output_option,
    pool_option,
    print_table,
    say,
    terminal_width,
    wrapped,
)
from chainwatch_collector.words import RANK, age, code_of, plural

DETAILS = 10
NAGIOS_WORDS = {"ok": "OK", "warning": "WARNING", "error": "CRITICAL", "unknown": "UNKNOWN"}


@click.command()
@output_option
@pool_option
@click.option("--detail", is_flag=True, help="group by code, with subjects, evidence and the next step")
@click.option("--nagios", is_flag=True, help="one line with performance data, for Nagios and Icinga")
def command(output: str, pool: str | None, detail: bool, nagios: bool) -> int:
    """What is wrong now. Exit: 0 healthy, 1 warning, 2 error, 3 unknown.

    \b
    Examples:
      chainwatch health --detail
      chainwatch health --nagios --pool prod
      chainwatch health -o json | jq '.findings[].code'
    """
    try:
        with connect() as client:
            body = client.get("/health", {"pool": pool})
    except CliError as error:
        if not nagios:
            raise
        say(f"CHAINWATCH UNKNOWN - {error.message}")
        return UNKNOWN_EXIT
    if nagios:
        say(nagios_line(body))
        return int(body["exit_code"])
    emit(body, output, lambda: _print(body, detail), FINDINGS, body["findings"])
    return int(body["exit_code"])


def nagios_line(body: Mapping[str, Any]) -> str:
    """`CHAINWATCH CRITICAL - 1 error … | errors=1 warnings=0 …`: text may hold no pipe."""
    counts = body["counts"]
    codes = sorted({found["code"] for found in body["findings"] if not found["muted"] and found["severity"] != "info"})
    text = f"{body['sentence']} {', '.join(codes)}".strip().replace("|", "/")
    numbers = (
        f"errors={counts['error']} warnings={counts['warning']} muted={counts['muted']}"
        f" unknown_srs={counts['unknown_srs']} agents={body['agents_reporting']};;;0;{body['agents_total']}"
    )
    return f"CHAINWATCH {NAGIOS_WORDS[body['status']]} - {text} | {numbers}"


def _print(body: Mapping[str, Any], detail: bool) -> None:
    say(f"HEALTH {badge(body['status'])}  {body['sentence']}")
    say(f"agents: {body['agents_reporting']} of {body['agents_total']} reporting")
    for check in body["collector"]:
        say(f"collector: {badge(check['status'])} {check['name']}: {check['detail']}")
    if detail:
        _print_codes(body)
    elif body["findings"]:
        say()
        print_table(FINDINGS, body["findings"], "")
        say()
        say("chainwatch health --detail   chainwatch why SUBJECT   chainwatch explain CODE")


def _print_codes(body: Mapping[str, Any]) -> None:
    """Each code once, with its subjects; what is caused by another stands below its cause."""
    by_code: dict[tuple[bool, str], list[Mapping[str, Any]]] = {}
    for found in body["findings"]:
        by_code.setdefault((found["muted"] is not None, found["code"]), []).append(found)
    for (muted, code), group in by_code.items():
        say()
        status = min((found["severity"] for found in group), key=lambda one: RANK[one])
        say(f"{badge('muted' if muted else status)}  {click.style(code, bold=True)}: {plural(len(group), 'subject')}")
        _print_group(group, body["as_of"])
        if muted:
            mute = group[0]["muted"]
            say(f"    until {mute['until'][:16]}Z by {mute['by']}: {mute['reason']}")
        elif group[0]["next"]:
            step = group[0]["next"][0]
            for line in wrapped(f"next [{step['risk']}] {step['text']}", terminal_width() - 6):
                say(f"    {line}")
            if step["command"]:
                say(f"      {step['command']}")


def _print_group(group: Sequence[Mapping[str, Any]], as_of: str) -> None:
    now = moment(as_of)
    for found in group[:DETAILS]:
        since = moment(found["since"])
        when = age(since, now) if since and now else "?"
        marks = [when] + ([f"seen {found['count']}×"] if found["count"] > 1 else [])
        marks += ["stale"] if found["stale"] else []
        marks += [f"because of {', '.join(code_of(one) for one in found['because'])}"] if found["because"] else []
        for line in wrapped(f"{found['subject']['name']}: {found['summary']}", terminal_width() - 6):
            say(f"    {line}")
        for line in wrapped(f"{', '.join(marks)} · {found['id']}", terminal_width() - 8):
            say(click.style(f"      {line}", dim=True))
    if len(group) > DETAILS:
        say(f"    … and {len(group) - DETAILS} more")
