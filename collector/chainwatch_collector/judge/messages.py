"""Messages that are no health code of their own, read from `messages.toml` at the first use."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from chainwatch_collector.judge.answer import Severity, Step
from chainwatch_collector.judge.catalogue import CatalogueError, named_steps, severity_of


@dataclass(frozen=True, slots=True)
class Message:
    """What a message means. `patterns` match it, case ignored; `general`: it says little by itself, as
    the number of an SM error does beside its reason. Of such numbers the patterns have `SR_BACKEND_FAILURE_nn`.
    """

    name: str
    title: str
    severity: Severity
    subject: str
    meaning: str
    causes: tuple[str, ...]
    look: tuple[str, ...]
    steps: tuple[Step, ...]
    patterns: tuple[str, ...]
    see: tuple[str, ...]
    general: bool


class _Messages(Mapping[str, Message]):
    """The messages by name, in the order of the file; the file is read when the first one is asked for."""

    def __getitem__(self, name: str) -> Message:
        return _messages()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_messages())

    def __len__(self) -> int:
        return len(_messages())


MESSAGES: Final[Mapping[str, Message]] = _Messages()


@cache
def _messages() -> dict[str, Message]:
    package = files("chainwatch_collector.judge")
    own, shared = (tomllib.loads(package.joinpath(name).read_text("utf-8")) for name in _FILES)
    steps = {**named_steps(shared["step"]), **named_steps(own["step"])}
    return {name: _message(name, table, steps) for name, table in own["message"].items()}


_FILES: Final = ("messages.toml", "catalogue.toml")


def _message(name: str, table: Mapping[str, Any], steps: Mapping[str, Step]) -> Message:
    try:
        numbers = "|".join(str(number) for number in table.get("numbers", ()))
        own = (rf"SR_BACKEND_FAILURE_(?:{numbers})\b",) if numbers else ()
        return Message(
            name=name,
            title=table["title"],
            severity=severity_of(table["severity"]),
            subject=table["subject"],
            meaning=table["meaning"],
            causes=tuple(table["causes"]),
            look=tuple(table["look"]),
            steps=tuple(steps[step] for step in table["steps"]),
            patterns=(*own, *table["patterns"]),
            see=tuple(table["see"]),
            general=table.get("general", False) or bool(numbers),
        )
    except (KeyError, ValueError) as error:
        raise CatalogueError(f"message.{name}: {error}") from error
