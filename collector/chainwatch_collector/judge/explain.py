"""What a health code or a pasted message means, what to look at and what to do: `chainwatch explain`, offline too.

Pure: the texts are those of `catalogue.toml` (health codes) and `messages.toml` (everything else that SM, XenAPI and
Xen Orchestra say). Numbers of SM errors are found in every form: `SR_BACKEND_FAILURE_44(...)` as XenAPI has it and
`Raising exception [44, ...]` as SMlog has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from chainwatch_collector.judge.answer import Step
from chainwatch_collector.judge.catalogue import CATALOGUE, GENERAL_WORDS, Entry, placeholders
from chainwatch_collector.judge.messages import MESSAGES, Message

LONGEST_TEXT: Final = 4000
"""Characters of a pasted text that are read."""
MOST_ENTRIES: Final = 4
_SM_RAISED: Final = re.compile(r"Raising exception \[(\d{1,5})\b")
_SM_NUMBER: Final = re.compile(r"SR_BACKEND_FAILURE_(\d{1,5})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A catalogue entry. `matched`: what of the pasted text led here. `code` of a message is its name in the file."""

    code: str
    title: str
    severity: str
    subject: str
    meaning: str
    impact: str = ""
    causes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    clears_when: str = ""
    settings: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    matched: str = ""
    kind: Literal["code", "message"] = "code"


def explain(text: str) -> list[Explanation]:
    """The entries that a text means, best first, at most MOST_ENTRIES; empty where nothing fits.

    A health code alone gives that code. Of a message, what a longer part of it matched comes first, what says little by
    itself last.
    """
    pasted = text.strip()[:LONGEST_TEXT]
    code = pasted.upper()
    if code in CATALOGUE:
        return [of_code(CATALOGUE[code], pasted)]
    if code in MESSAGES:
        return [of_message(MESSAGES[code], pasted)]
    said = _with_numbers(pasted)
    found = [*_codes_in(said), *_messages_in(said)]
    found.sort(key=lambda hit: (hit[0], -len(hit[1].matched)))
    return [explanation for _, explanation in found[:MOST_ENTRIES]] or _unknown_number(said)


def codes() -> Mapping[str, Explanation]:
    """The whole catalogue of health codes, as the surfaces show it."""
    return {code: of_code(entry) for code, entry in CATALOGUE.items()}


def of_code(entry: Entry, matched: str = "") -> Explanation:
    """A health code with the remedies of its cases below the general ones."""
    return Explanation(
        code=entry.code,
        title=entry.title,
        severity=entry.severity,
        subject=" or ".join(entry.subjects),
        meaning=entry.meaning,
        impact=entry.impact,
        causes=entry.causes,
        checks=entry.look,
        remedies=(*remedies(entry.steps), *_cases(entry)),
        clears_when=entry.clears_when,
        settings=entry.settings,
        see=entry.see,
        matched=matched,
    )


def _cases(entry: Entry) -> Iterator[str]:
    """Each case with its meaning and its steps; a step that was told before is only named."""
    told = set(entry.steps)
    for variant in entry.variants.values():
        yield f"Case {variant.name.replace('_', ' ')}: {variant.meaning}"
        for step in variant.steps:
            yield f"{_lead(step)} (as above)" if step in told else _remedy(step)
            told.add(step)


def of_message(message: Message, matched: str = "") -> Explanation:
    return Explanation(
        code=message.name,
        title=message.title,
        severity=message.severity,
        subject=message.subject,
        meaning=message.meaning,
        causes=message.causes,
        checks=message.look,
        remedies=remedies(message.steps),
        see=message.see,
        matched=matched,
        kind="message",
    )


def remedies(steps: Iterable[Step]) -> tuple[str, ...]:
    """Steps in a line each: risk, text, what comes first, the warning, and the command with its blanks in capitals."""
    return tuple(_remedy(step) for step in steps)


def _lead(step: Step) -> str:
    """Its risk and its first sentence."""
    text = step.text.format_map({**GENERAL_WORDS, "host": "the host"})
    return f"[{step.risk}] {text.split('. ')[0].rstrip('.')}"


def _remedy(step: Step) -> str:
    words = {**GENERAL_WORDS, "host": "the host"}
    parts = [f"[{step.risk}] {step.text.format_map(words)}"]
    if step.precheck:
        parts.append(f"First: {step.precheck.format_map(words)}.")
    if step.warning:
        parts.append(f"Warning: {step.warning.format_map(words)}")
    if step.command:
        blanks = {name: name.upper() for name in placeholders(step.command)}
        parts.append(f"Command: {step.command.format_map(blanks)}")
    return " ".join(parts)


def _with_numbers(text: str) -> str:
    """The text with the numbers that SM printed in the form that XenAPI has them."""
    return " ".join((text, *(f"SR_BACKEND_FAILURE_{number}" for number in _SM_RAISED.findall(text))))


def _codes_in(text: str) -> list[tuple[int, Explanation]]:
    hits = ((entry, _longest(_compiled(entry.patterns), text)) for entry in CATALOGUE.values())
    return [(0, of_code(entry, matched)) for entry, matched in hits if matched]


def _messages_in(text: str) -> list[tuple[int, Explanation]]:
    hits = ((message, _longest(_compiled(message.patterns), text)) for message in MESSAGES.values())
    return [(1 if message.general else 0, of_message(message, matched)) for message, matched in hits if matched]


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in patterns)


def _longest(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    return max((hit[0] for pattern in patterns if (hit := pattern.search(text))), key=len, default="")


def _unknown_number(text: str) -> list[Explanation]:
    """An SM error that no entry has still gets the way to its reason."""
    hit = _SM_NUMBER.search(text)
    return [of_message(MESSAGES["SM_GENERAL"], hit[0])] if hit else []
