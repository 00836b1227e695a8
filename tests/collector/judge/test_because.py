from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from chainwatch_collector.judge import because
from chainwatch_collector.judge.answer import FindingSubject
from chainwatch_collector.judge.catalogue import CATALOGUE
from chainwatch_collector.judge.condition import Condition
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def condition(code: str, kind: str = "sr", uuid: str = "sr1", **fields: Any) -> Condition:
    sr = {"sr_uuid": uuid} if kind == "sr" else {"sr_uuid": "sr1", "vdis": frozenset((uuid,))} if kind == "vdi" else {}
    given_fields = {"severity": "error", "summary": "", "since": NOW, "host": "h1", **sr, **fields}
    return Condition(code=code, subject=FindingSubject(kind, uuid, ""), **given_fields)


def causes(*conditions: Condition) -> list[list[str]]:
    return [[conditions[index].code for index in found] for found in because.causes(conditions)]


def test_the_strongest_that_can_explain_it() -> None:
    found = causes(
        condition("SR_IO_ERRORS", "host", "h1"),
        condition("SR_SCAN_FAILED"),
        condition("GC_CRASHED", key="scan_failed"),
        condition("CHAIN_AT_LIMIT", "vdi", "v1"),
    )
    assert found == [[], ["SR_IO_ERRORS"], ["SR_IO_ERRORS"], ["SR_IO_ERRORS"]]


def test_equal_ranks_do_not_cause_one_another() -> None:
    assert causes(condition("GC_CRASHED", key="xapi"), condition("GC_NOT_RUNNING")) == [[], []]


@pytest.mark.parametrize(("effect", "kind"), [("COALESCE_NO_SPACE", "sr"), ("ATTACH_NO_SPACE", "vdi")])
def test_a_full_sr_is_the_root_of_what_finds_no_room_on_it(effect: str, kind: str) -> None:
    uuid = "sr1" if kind == "sr" else "v1"
    low = condition("SNAPSHOT_NO_SPACE")
    assert causes(condition(effect, kind, uuid), condition("SR_FULL"), low) == [["SR_FULL"], [], ["SR_FULL"]]


def test_another_sr_causes_nothing() -> None:
    assert causes(condition("SR_FULL", uuid="sr2"), condition("COALESCE_NO_SPACE")) == [[], []]


def test_a_corrupt_image_causes_the_failed_merge_that_names_it_alone() -> None:
    corrupt = condition("VDI_CORRUPT", "vdi", "v1")
    touched = condition("COALESCE_FAILED", "vdi", "v2", vdis=frozenset(("v2", "v1")))
    other = condition("COALESCE_FAILED", "vdi", "v3")
    assert causes(corrupt, touched, other) == [[], ["VDI_CORRUPT"], []]


@pytest.mark.parametrize("effect", ["GC_DISABLED", "VDI_CORRUPT", "SR_FULL", "LEAF_COALESCE_BLOCKED"])
def test_what_has_its_own_reason_is_caused_by_no_run(effect: str) -> None:
    assert causes(condition("GC_CRASHED", key="xapi"), condition(effect)) == [[], []]


def test_unreachable_explains_only_what_no_line_proves() -> None:
    from chainwatch_collector.read.facts import LineRef

    line = LineRef("h1", "/var/log/SMlog", 0, 0, NOW, "x")
    pool = condition("POOL_UNREACHABLE", "pool", "p", sr_uuid=None)
    proven = condition("GC_CRASHED", key="scan_failed", evidence=(line,))
    assert causes(pool, proven, condition("CHAIN_NEAR_LIMIT", "vdi", "v")) == [[], [], ["POOL_UNREACHABLE"]]


CODES = sorted(CATALOGUE)


@given(st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(["sr", "vdi", "host", "pool"])), max_size=12))
def test_causes_have_no_loops(given_codes: list[tuple[str, str]]) -> None:
    conditions = [condition(code, kind, {"host": "h1", "pool": "p"}.get(kind, "sr1")) for code, kind in given_codes]
    found = because.causes(conditions)
    for index, causes_of in enumerate(found):
        for cause in causes_of:
            above, below = because.rank(conditions[cause].code), because.rank(conditions[index].code)
            assert above is not None
            assert below is not None
            assert above < below


def test_a_corrupt_image_makes_only_its_own_chain_long() -> None:
    corrupt = condition("VDI_CORRUPT", "vdi", "v1")
    its_chain = condition("CHAIN_AT_LIMIT", "vdi", "leaf1", vdis=frozenset(("leaf1", "v1")))
    another = condition("CHAIN_AT_LIMIT", "vdi", "leaf2", vdis=frozenset(("leaf2", "v2")))
    assert causes(corrupt, its_chain, another) == [[], ["VDI_CORRUPT"], []]


def test_a_backup_that_will_skip_hangs_below_the_gc_of_its_srs() -> None:
    skip = condition("BACKUP_WILL_SKIP", "vm", "vm1", srs=frozenset(("sr1",)), host=None)
    assert causes(condition("GC_STUCK"), skip) == [[], ["GC_STUCK"]]
    assert causes(condition("GC_STUCK", uuid="sr2"), skip) == [[], []]


def test_a_corrupt_image_keeps_no_run_from_starting() -> None:
    assert causes(condition("VDI_CORRUPT", "vdi", "v1"), condition("GC_NOT_RUNNING")) == [[], []]
    assert causes(condition("SR_SCAN_FAILED"), condition("GC_NOT_RUNNING")) == [[], ["SR_SCAN_FAILED"]]


def by_the_book(conditions: list[Condition]) -> list[tuple[int, ...]]:
    """Everything against everything: the rule that `causes` follows by look-up."""
    found = []
    for index, effect in enumerate(conditions):
        own = because.rank(effect.code)
        felt = because._feels(effect)
        above = [
            other
            for other, cause in enumerate(conditions)
            if other != index
            and own is not None
            and because._reaches(cause) in felt
            and (because.rank(cause.code) or 0) < own
            and because.explains(cause, effect)
        ]
        if effect.subject.kind == "vdi":
            above = [other for other in above if conditions[other].vdis & effect.vdis] or above
        ranks = [because.rank(conditions[other].code) or 0 for other in above]
        found.append(tuple(other for other, place in zip(above, ranks, strict=True) if place == min(ranks)))
    return found


PLACES = st.sampled_from(["s1", "s2"])
ANY_CONDITION = st.builds(
    condition,
    st.sampled_from([*sorted(CATALOGUE), "NOT_OF_THE_CATALOGUE"]),
    st.sampled_from(["sr", "vdi", "vm", "host", "agent", "pool"]),
    st.sampled_from(["h1", "h2", "s1", "v1"]),
    key=st.sampled_from(["", "scan_failed", "corrupt", "unknown"]),
    sr_uuid=st.none() | PLACES,
    host=st.none() | st.sampled_from(["h1", "h2"]),
    vdis=st.frozensets(st.sampled_from(["v1", "v2", "v3"]), max_size=2),
    srs=st.frozensets(PLACES, max_size=1),
    hosts=st.frozensets(st.sampled_from(["h1", "h2"]), max_size=1),
)


@given(st.lists(ANY_CONDITION, max_size=20))
def test_found_by_look_up_as_by_going_through_all(conditions: list[Condition]) -> None:
    assert because.causes(conditions) == by_the_book(conditions)
