"""Patterns match exactly what Xen Orchestra's own package matches."""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chainwatch_collector.backups.pattern import PatternError, check, keys_used, matches, named
from lab.xapi.xo import NoXoClientError, installed

SOURCE = Path(__file__).parents[2] / "lab" / "value_matcher"
VM = {"type": "VM", "power_state": "Running", "tags": ["prod", "db"], "$pool": "p1", "id": "vm-1"}
PAIRS = 20_000


def theirs(pairs: list[tuple[Any, Any]]) -> list[bool | None]:
    """What the package says; None where it throws."""
    version = json.loads((SOURCE / "package.json").read_text())["dependencies"]["value-matcher"]
    try:
        modules = installed(SOURCE, "value-matcher", version)
    except NoXoClientError as error:
        pytest.skip(str(error))
    run = subprocess.run(
        ["node", str(SOURCE / "match.cjs")],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "MODULES": str(modules)},
    )
    answers: list[bool | None] = json.loads(run.stdout)
    return answers


def ours(pattern: Any, value: Any) -> bool | None:
    try:
        return matches(pattern, value)
    except PatternError:
        return None


class Chance:
    """Values and patterns out of few words, so that they often meet."""

    KEYS = ("a", "tags", "$pool", "type", "0", "length", "__and", "__or", "__not")
    SCALARS: tuple[Any, ...] = (None, True, False, 0, 1, 1.0, 2, "", "a", "1", "prod", "VM")

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, depth: int = 3) -> Any:
        kind = self.random.random()
        if depth == 0 or kind < 0.4:
            return self.random.choice(self.SCALARS)
        if kind < 0.7:
            return [self.value(depth - 1) for _ in range(self.random.randrange(3))]
        return {self.random.choice(self.KEYS[:6]): self.value(depth - 1) for _ in range(self.random.randrange(4))}

    def pattern(self, depth: int = 4) -> Any:
        kind = self.random.random()
        if depth == 0 or kind < 0.3:
            return self.random.choice(self.SCALARS)
        if kind < 0.45:
            return [self.pattern(depth - 1) for _ in range(self.random.randrange(3))]
        if kind < 0.7:
            word = self.random.choice(("__and", "__or"))
            listed: Any = [self.pattern(depth - 1) for _ in range(self.random.randrange(4))]
            return {word: listed if self.random.random() < 0.95 else self.pattern(0)}
        if kind < 0.8:
            return {"__not": self.pattern(depth - 1)}
        return {self.random.choice(self.KEYS): self.pattern(depth - 1) for _ in range(self.random.randrange(4))}

    def pair(self) -> tuple[Any, Any]:
        """Half of them a pattern that was made from the value, so that it matches."""
        value = self.value()
        return (value if self.random.random() < 0.2 else self.pattern(), value)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_patterns_and_objects_agree_with_the_package(seed: int) -> None:
    chance = Chance(seed)
    pairs = [chance.pair() for _ in range(PAIRS)]
    answers = theirs(pairs)
    wrong = [(pair, theirs) for pair, theirs in zip(pairs, answers, strict=True) if ours(*pair) != theirs]
    assert wrong == []
    assert {True, False, None} <= set(answers)


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ({"type": "VM"}, True),
        ({"type": "VM", "power_state": "Halted"}, False),
        ({"tags": [["prod"]]}, False),
        ({"tags": ["prod"]}, True),
        ({"tags": {"__or": [["web"], ["db"]]}}, True),
        ({"tags": {"__and": [{"__or": [["prod"]]}, {"__not": {"__or": [["db"]]}}]}}, False),
        ({"tags": {"__not": {"__or": [["web"]]}}}, True),
        ({"$pool": {"__or": ["p1", "p2"]}}, True),
        ({"missing": {"__not": "x"}}, False),
        ({"__not": {"missing": "x"}}, True),
        ({}, True),
    ],
)
def test_what_the_user_interface_makes(pattern: Any, answer: bool) -> None:
    assert matches(pattern, VM) is answer


@pytest.mark.parametrize(
    "pattern", [{"__and": "a"}, {"tags": {"__or": {"a": 1}}}, {"__or": [], "type": "VM"}, [{"__not": {"__and": 1}}]]
)
def test_a_pattern_that_xen_orchestra_would_choke_on_is_refused(pattern: Any) -> None:
    with pytest.raises(PatternError, match="__"):
        check(pattern)


def test_a_pattern_tells_what_it_asks_for() -> None:
    pattern = {"__and": [{"type": "VM"}, {"__not": {"name_label": "x"}}]}
    assert keys_used(pattern) == {"type", "name_label"}
    assert list(named({"__and": [{"__or": ["p1", "p2"]}, {"__not": {"__or": ["p3"]}}]})) == ["p1", "p2"]
    check(pattern)
