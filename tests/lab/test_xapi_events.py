"""`event.from` and the database behind it: coalesced, current, and lossy exactly as xapi is."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.xapi.clients import JsonCall, json_rpc, login
from lab.xapi.database import DELETIONS_KEPT, DELETIONS_MAX, Database
from lab.xapi.events import Batch, Subscription, Token, collect
from lab.xapi.handle import LabPool, lab_pool
from lab.xapi.messages import Messages
from lab.xapi.pool import XapiPool

EVERYTHING = Subscription.parse(["*"])
START = Token(0, 0)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def pool() -> Iterator[LabPool]:
    with lab_pool(build=lambda pool: pool.estate.add_sr("nfs", "vms")) as pool:
        yield pool


def changes(database: Database, since: Token, *classes: str) -> Batch:
    return collect(database, Messages(database), Subscription.parse(classes or ["*"]), since)


def operations(batch: Batch) -> dict[str, str]:
    """Reference → operation; one event for each object."""
    assert len({event["ref"] for event in batch.events}) == len(batch.events)
    return {event["ref"]: event["operation"] for event in batch.events}


def test_a_vdi_changes_its_sr_whose_snapshot_has_every_vdi(database: Database) -> None:
    sr = database.create("SR")
    token = changes(database, START).token
    vdi = database.create("VDI", SR=sr)
    batch = changes(database, token)
    assert operations(batch) == {sr: "mod", vdi: "add"}
    snapshot = next(event["snapshot"] for event in batch.events if event["ref"] == sr)
    assert list(snapshot.fields["VDIs"]) == [vdi]


def test_a_vbd_changes_its_vm_and_its_vdi_when_it_comes_and_when_it_goes(database: Database) -> None:
    vm, vdi = database.create("VM"), database.create("VDI")
    token = changes(database, START).token
    vbd = database.create("VBD", VM=vm, VDI=vdi)
    batch = changes(database, token)
    assert operations(batch) == {vm: "mod", vdi: "mod", vbd: "add"}
    database.destroy("VBD", vbd)
    assert operations(changes(database, batch.token)) == {vm: "mod", vdi: "mod", vbd: "del"}
    assert list(database.get("VM", vm)["VBDs"]) == []


def test_a_write_that_changes_nothing_leaves_no_trace(database: Database) -> None:
    sr = database.create("SR", name_label="vms")
    before = database.generation
    database.set("SR", sr, name_label="vms")
    database.put("SR", sr, "other_config", {})
    assert database.generation == before


def test_what_came_and_went_between_two_calls_is_never_seen(database: Database) -> None:
    token = changes(database, START).token
    database.destroy("task", database.create("task"))
    assert changes(database, token).events == []


def test_deletions_beyond_the_list_are_forgotten_and_the_counts_tell(database: Database) -> None:
    refs = [database.create("VDI") for _ in range(2000)]
    token = changes(database, START).token
    for ref in refs:
        database.destroy("VDI", ref)
    batch = changes(database, token)
    assert DELETIONS_KEPT <= len(batch.events) < DELETIONS_MAX
    assert batch.reply(database)["valid_ref_counts"]["vdi"] == 0


def test_class_names_come_back_in_lower_case_and_are_asked_for_in_any(database: Database) -> None:
    sr, _ = database.create("SR"), database.create("VDI")
    batch = changes(database, START, "Sr")
    assert [(event["class"], event["ref"]) for event in batch.events] == [("sr", sr)]
    assert changes(database, START, f"sr/{sr}").events
    assert changes(database, START, "no such class").events == []


def test_inject_gives_a_token_just_before_a_change_of_that_object(database: Database) -> None:
    pool = database.create("pool")
    token = Token(database.touch("pool", pool), 0)
    assert operations(changes(database, token)) == {pool: "mod"}


def test_messages_are_no_table_and_have_a_generation_of_their_own(database: Database) -> None:
    messages = Messages(database)
    ref = messages.create("SM_GC_NO_SPACE", 3, "SR", "uuid", "body")
    batch = collect(database, messages, Subscription.parse(["message"]), START)
    assert operations(batch) == {ref: "add"}
    assert "message" not in batch.reply(database)["valid_ref_counts"]
    assert collect(database, messages, Subscription.parse(["sr"]), START).token.messages == 0
    messages.destroy(ref)
    assert operations(collect(database, messages, Subscription.parse(["message"]), batch.token)) == {ref: "del"}


def test_messages_beyond_the_limit_go(database: Database) -> None:
    messages = Messages(database)
    refs = [messages.create("ALARM", 5, "SR", "uuid", "") for _ in range(10_001)]
    assert len(messages.rows) == 10_000
    assert refs[0] not in messages.rows


ACTIONS = st.lists(st.tuples(st.sampled_from("cmdp"), st.integers(0, 30)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_a_client_that_applies_every_batch_has_what_the_server_has(actions: list[tuple[str, int]]) -> None:
    """c creates, m modifies, d deletes, p polls: fewer deletions than the list holds, so nothing may be missing."""
    database = Database()
    sr = database.create("SR")
    cache: dict[str, Any] = {}
    token = START
    for action, number in [*actions, ("p", 0)]:
        refs = list(database.tables["VDI"].rows)
        if action == "c":
            database.create("VDI", SR=sr, virtual_size=number)
        elif action == "m" and refs:
            database.set("VDI", refs[number % len(refs)], virtual_size=number)
        elif action == "d" and refs:
            database.destroy("VDI", refs[number % len(refs)])
        elif action == "p":
            batch = changes(database, token)
            token = batch.token
            for event in batch.events:
                if event["operation"] == "del":
                    del cache[event["ref"]]
                else:
                    assert (event["operation"] == "add") == (event["ref"] not in cache)
                    cache[event["ref"]] = dict(event["snapshot"].fields)
    rows = {**database.tables["VDI"].rows, **database.tables["SR"].rows}
    assert cache == {ref: row.fields for ref, row in rows.items()}


def test_a_blocked_call_wakes_with_the_change_and_not_before(pool: LabPool) -> None:
    with json_rpc(pool) as call, ThreadPoolExecutor(1) as other:
        session = login(call, pool)
        token = call("event.from", session, ["vdi"], "", 0.0)["result"]["token"]
        waiting = other.submit(call, "event.from", session, ["vdi"], token, 20.0)
        wait_until_called(pool, "event.from", 2)
        assert not waiting.done()
        pool.do("add_vdi", sr="vms", name="new")
        result = waiting.result()["result"]
    assert [event["snapshot"]["name_label"] for event in result["events"]] == ["new"]
    assert result["valid_ref_counts"]["vdi"] == 1


def test_a_call_without_a_change_returns_empty_at_its_timeout(pool: LabPool) -> None:
    with json_rpc(pool) as call:
        session = login(call, pool)
        token = call("event.from", session, ["vdi"], "", 0.0)["result"]["token"]
        assert call("event.from", session, ["vdi"], token, 0.01)["result"]["events"] == []


@pytest.mark.parametrize("ending", ["logout", "drop"])
def test_a_session_that_ends_wakes_its_blocked_calls(pool: LabPool, ending: str) -> None:
    with json_rpc(pool) as call, json_rpc(pool) as second, ThreadPoolExecutor(1) as other:
        session = login(call, pool)
        token = call("event.from", session, ["vdi"], "", 0.0)["result"]["token"]
        waiting = other.submit(call, "event.from", session, ["vdi"], token, 20.0)
        wait_until_called(pool, "event.from", 2)
        end(pool, second, session, ending)
        assert waiting.result()["error"]["message"] == "SESSION_INVALID"


def end(pool: LabPool, call: JsonCall, session: str, how: str) -> None:
    if how == "logout":
        call("session.logout", session)
    else:
        pool.do("drop_sessions")


def wait_until_called(pool: LabPool, method: str, count: int) -> None:
    """Until the server has so many of these calls."""
    while pool.methods_called.get(method, 0) < count:
        pass


def test_the_pools_scan_shows_the_operation_and_its_end(pool: LabPool) -> None:
    def generations(lab: XapiPool) -> int:
        return lab.database.row("SR", lab.estate.find("SR", "vms")).modified

    with json_rpc(pool) as call:
        session = login(call, pool)
        before = pool.call(generations)
        sr = pool.call(lambda lab: lab.estate.find("SR", "vms"))
        assert call("SR.scan", session, sr)["result"] == ""
    assert pool.call(generations) >= before + 2
    assert pool.writes_called == ["SR.scan"]
