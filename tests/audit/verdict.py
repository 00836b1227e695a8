"""From answers to what is printed and how it ends. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from audit.advisories import Answer, Vulnerability
from audit.ignored import Ignored

CLEAN: Final = 0
VULNERABLE: Final = 1
NOT_ASKED: Final = 75
"""EX_TEMPFAIL of sysexits: nobody answered, ask again later."""


@dataclass(frozen=True)
class Verdict:
    lines: tuple[str, ...]
    exit_code: int


def judge(answers: Mapping[str, Answer | str], ignored: Sequence[Ignored], today: date) -> Verdict:
    """`answers`: what was asked for → the answer, or why there is none."""
    lines: list[str] = []
    bad = 0
    for name, answer in answers.items():
        if isinstance(answer, str):
            lines.append(f"{name}: NOT ASKED: {answer}")
            continue
        lines.append(f"{name}: {len(answer.packages)} packages, {_number(len(answer.vulnerabilities))}")
        for found in answer.vulnerabilities:
            entry = next((one for one in ignored if one.covers(found)), None)
            bad += entry is None or entry.until < today
            lines += _told(found, entry, today)
    given = [answer for answer in answers.values() if isinstance(answer, Answer)]
    lines += _no_longer_needed(given, ignored)
    if bad:
        lines.append(f"{_number(bad)} that nothing excuses: upgrade, or give a reason in audit-ignored.toml")
        return Verdict(tuple(lines), VULNERABLE)
    missing = len(answers) - len(given)
    if missing:
        lines.append(f"{missing} of {len(answers)} could not be asked for: that says nothing of their vulnerabilities")
    elif _knows_nothing(given, ignored):
        lines.append(
            "the service knows none of the advisories in audit-ignored.toml, though their versions were asked for:"
            " it cannot be relied on, and this counts as not asked"
        )
    else:
        lines.append("no known vulnerability but those with a reason")
        return Verdict(tuple(lines), CLEAN)
    return Verdict(tuple(lines), NOT_ASKED)


def _told(found: Vulnerability, entry: Ignored | None, today: date) -> Iterator[str]:
    fixed = f"fixed in {', '.join(found.fixed)}" if found.fixed else "no fix"
    yield f"  {found.package} {found.version}: {', '.join(found.ids)}; {fixed}: {found.summary[:160]}"
    if entry is None:
        yield "    COUNTS: it is not on the list"
    elif entry.until < today:
        yield f"    COUNTS: its reason ended on {entry.until}: look at it again. It was: {entry.reason}"
    else:
        yield f"    ignored until {entry.until}: {entry.reason}"


def _no_longer_needed(answers: Sequence[Answer], ignored: Sequence[Ignored]) -> Iterator[str]:
    if not answers:
        return
    found = [one for answer in answers for one in answer.vulnerabilities]
    for entry in ignored:
        if not any(entry.covers(one) for one in found):
            what = f"{entry.id} of {entry.package} {entry.version}"
            yield f"note: {what} was not reported: does it still belong on the list?"


def _knows_nothing(answers: Sequence[Answer], ignored: Sequence[Ignored]) -> bool:
    """The control: what is known to be there must be found, else the service has no data or gives none."""
    asked = {(name, version) for answer in answers for name, version in answer.packages.items()}
    expected = [entry for entry in ignored if (entry.package, entry.version) in asked]
    found = [one for answer in answers for one in answer.vulnerabilities]
    return bool(expected) and not any(entry.covers(one) for entry in expected for one in found)


def _number(count: int) -> str:
    return f"{count or 'no'} known {'vulnerability' if count == 1 else 'vulnerabilities'}"
