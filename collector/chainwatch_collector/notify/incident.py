"""From findings to incidents: a root cause with everything that hangs on it is one. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chainwatch_collector.show import compose
from chainwatch_collector.show.bodies import FindingBody
from chainwatch_collector.words import RANK

EFFECTS_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Incident:
    """`severity`: the worst of the root and what hangs on it; error or warning."""

    root: FindingBody
    severity: str
    effects: tuple[FindingBody, ...]

    @property
    def key(self) -> str:
        """Stable as long as the root is: its finding's id."""
        return self.root.id


def incidents(bodies: Sequence[FindingBody]) -> Iterator[Incident]:
    """One for each root that nobody muted and where something is at least a warning."""
    for root in compose.roots(bodies):
        if root.muted is not None:
            continue
        effects = tuple(one for one in compose.effects_of(root, bodies) if one.muted is None)
        severity = min((one.severity for one in (root, *effects)), key=lambda one: RANK[one])
        if severity != "info":
            yield Incident(root, severity, effects)


def why_over(key: str, bodies: Sequence[FindingBody]) -> str:
    """Why an incident that was told is none any more."""
    body = next((one for one in bodies if one.id == key), None)
    if body is None:
        return "it has cleared"
    if body.muted is not None:
        return f"it was muted by {body.muted.by}: {body.muted.reason}"
    present = {one.id: one for one in bodies}
    causes = [present[one] for one in body.because if one in present]
    if causes:
        return f"it is part of {causes[0].code} on {causes[0].subject.name}"
    return "it is no more than info now"
