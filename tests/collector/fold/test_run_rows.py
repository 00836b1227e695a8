"""A run's row is written whole, so that what all rows of a step hold is bounded."""

from datetime import UTC, datetime

from chainwatch_collector.fold.event_rows import Names
from chainwatch_collector.fold.run_rows import MERGES_A_STEP, most_merges, run_row
from chainwatch_collector.read.runs import Merge, Run
from chainwatch_collector.read.words import LineRef, RunKey
from smlog import SR, A

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
REF = LineRef("xcp1", "SMlog", 0, 0, NOW, "")
NAMES = Names(lambda sr: sr, lambda sr, vdi: f"full {vdi}")


def a_run(number: int, merges: int) -> Run:
    return Run(
        key=RunKey("xcp1", 0, number),
        pid=number,
        start=REF,
        sr=SR,
        merges=[Merge(kind="inner", child=f"c{one}", parent=A, start=REF) for one in range(merges)],
    )


def test_all_merges_with_their_full_names() -> None:
    run = a_run(1, 3)
    row = run_row(1, run, NAMES, NOW, most_merges([run]))
    assert [merge["child"] for merge in row.body["merges"]] == ["full c0", "full c1", "full c2"]
    assert run_row(1, a_run(2, 0), NAMES, NOW, most_merges([a_run(2, 0)])).body["merges"] == []
    assert len(run.merges) == 3


def test_the_newest_of_each_where_there_are_more_than_a_host_can_do() -> None:
    runs = [a_run(number, 1000) for number in range(500)]
    rows = [run_row(1, run, NAMES, NOW, most_merges(runs)) for run in runs]
    assert sum(len(row.body["merges"]) for row in rows) <= MERGES_A_STEP
    assert rows[0].body["merges"][-1]["child"] == "full c999"
