"""Now and then a pool is read anew, a class or an SR at a time, and compared with the picture that events made of it.

What differs is no fault yet: it may have changed a moment ago. It is one when the next batch of events, which says of
everything that changed until then, does not name it. Then the picture is repaired from what was read.
"""

import time
from collections.abc import Callable, Set
from typing import Any, Final, NamedTuple

from chainwatch_collector.inventory.assembly import Assembly
from chainwatch_collector.inventory.fetch import put_record
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.records import Ref
from chainwatch_collector.inventory.session import EventBatch, PoolSession, Query, vdis_of

CHECK_SECONDS: Final = 12 * 3600.0
PORTION_SECONDS: Final = 10.0


class CheckPace(NamedTuple):
    """Seconds: `every` between the beginnings of two checks (0: never), `portion` between two parts of one."""

    every: float = CHECK_SECONDS
    portion: float = PORTION_SECONDS


class SelfCheck:
    """One pool's. `spread(seconds)` varies when a check begins, so that pools are not checked all at once.

    `step` after every batch of events; `restart` when everything was just fetched. One thread owns it.
    """

    def __init__(
        self,
        pace: CheckPace,
        spread: Callable[[float], float] = lambda seconds: seconds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pace = pace
        self._spread = spread
        self._clock = clock
        self._portions: list[tuple[Query, Ref]] = []
        self._suspects: dict[tuple[str, Ref], dict[str, Any] | None] = {}
        self.checks = 0
        self.restart()

    def restart(self) -> None:
        """Nothing is to be checked for as long as between two checks."""
        self._portions.clear()
        self._suspects.clear()
        self._due = self._clock() + self._spread(self._pace.every) if self._pace.every > 0 else float("inf")

    def step(self, session: PoolSession, assembly: Assembly, batch: EventBatch) -> int:
        """Settle what the last portion found and, where it is time, read the next; how many objects were wrong.

        `batch` was asked for after the last step and is in `assembly` already. Raises as calls do.
        """
        wrong = self._settle(session, assembly, {str(event.get("ref")) for event in batch.events})
        if self._clock() >= self._due:
            self._read_one(session, assembly)
        return wrong

    def _settle(self, session: PoolSession, assembly: Assembly, named: Set[str]) -> int:
        wrong = 0
        suspects, self._suspects = self._suspects, {}
        for (kind, ref), record in suspects.items():
            if ref in named or not assembly.differs(kind, ref, record):
                continue
            if record is not None and ref in assembly.refs(kind):
                assembly.put(kind, ref, record)
                wrong += 1
            else:
                # One that only one side has may be gone by now without an event: xapi forgets deletions.
                put_record(session, assembly, kind, ref)
                wrong += (ref in assembly.refs(kind)) is (record is not None)
        return wrong

    def _read_one(self, session: PoolSession, assembly: Assembly) -> None:
        if not self._portions:
            self._portions = _portions(assembly)
        query, sr_ref = self._portions.pop()
        here = assembly.vdi_refs(sr_ref) if sr_ref else set(assembly.refs(query.class_name))
        for ref, record in session.records(*query):
            here.discard(ref)
            if assembly.differs(query.class_name, ref, record):
                self._suspects[query.class_name, ref] = record
        self._suspects.update(((query.class_name, ref), None) for ref in here)
        if self._portions:
            self._due = self._clock() + self._pace.portion
        else:
            self.checks += 1
            self._due = self._clock() + self._spread(self._pace.every)


def _portions(assembly: Assembly) -> list[tuple[Query, Ref]]:
    """Every class, and the VDIs of each SR."""
    classes = [(Query(kind), "") for kind in CLASSES if kind != "VDI"]
    return [*((vdis_of(sr_ref), sr_ref) for sr_ref in sorted(assembly.sr_refs())), *classes]
