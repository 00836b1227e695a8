"""The state machine of a pool's connection: who is asked next, and when."""

import pytest
from chainwatch_collector.inventory.connection import Attempt, Connection, Pace, Pause, with_port_of
from chainwatch_collector.inventory.problems import Problem
from hypothesis import given, settings
from hypothesis import strategies as st

DOWN = Problem("network", "connection refused")
REFUSED = Problem("login", "login refused: SESSION_AUTHENTICATION_FAILED")
BOOTING = Problem("booting", "the host is not ready: HOST_STILL_BOOTING")


def slave_of(master: str) -> Problem:
    return Problem("slave", "it is a slave", master)


def connected(pace: Pace | None = None) -> Connection:
    """Logged in at a, members a, b and c."""
    connection = Connection(["a"], pace=pace)
    assert connection.next_step() == Attempt(("a",))
    assert connection.logged_in("a", "pool-1", ["a", "b", "c"]) is None
    connection.steady()
    return connection


def test_a_lost_connection_asks_the_same_address_then_all_others_side_by_side() -> None:
    connection = connected()
    connection.broke("a", DOWN)
    assert connection.next_step() == Attempt(("a",))
    connection.failed("a", DOWN)
    assert connection.next_step() == Attempt(("b", "c"))
    connection.failed("b", DOWN)
    assert connection.logged_in("c", "pool-1", ["a", "b", "c"]) is None
    connection.steady()
    connection.broke("c", DOWN)
    assert connection.next_step() == Attempt(("c",))


def test_a_slave_sends_us_to_its_master() -> None:
    connection = Connection(["a:444"])
    connection.next_step()
    connection.failed("a:444", slave_of("10.0.0.2"))
    assert connection.next_step() == Attempt(("10.0.0.2:444",))
    assert connection.logged_in("10.0.0.2:444", "pool-1", ["10.0.0.1", "10.0.0.2", ""]) is None
    assert connection.members == ("10.0.0.2:444", "10.0.0.1:444")


def test_a_master_that_became_a_slave_says_where_to_go() -> None:
    connection = connected()
    connection.broke("a", slave_of("b"))
    assert connection.next_step() == Attempt(("b",))


def test_what_breaks_again_and_again_is_asked_later_and_later() -> None:
    connection = Connection(["a"])
    seconds = []
    for _ in range(4):
        assert connection.next_step() == Attempt(("a",))
        assert connection.logged_in("a", "pool-1", []) is None
        connection.broke("a", Problem("refused", "XenAPI refused: INTERNAL_ERROR"))
        step = connection.next_step()
        assert isinstance(step, Pause)
        seconds.append(step.seconds)
    assert seconds == [0.5, 1, 2, 2.5]
    connection.next_step()
    connection.logged_in("a", "pool-1", [])
    connection.broke("a", Problem("role", "the user may not read"))
    step = connection.next_step()
    assert isinstance(step, Pause)
    assert step.seconds >= 300


def test_redirects_in_a_circle_end() -> None:
    connection = Connection(["a", "b"], pace=Pace(first=1))
    asked = []
    while isinstance(step := connection.next_step(), Attempt):
        for address in step.addresses:
            asked.append(address)
            connection.failed(address, slave_of("b" if address == "a" else "a"))
    assert len(asked) <= 4
    assert step.seconds == 1


def test_a_refused_login_asks_nobody_for_five_minutes() -> None:
    connection = Connection(["a", "b"], members=["c"])
    connection.next_step()
    connection.failed("a", REFUSED)
    step = connection.next_step()
    assert isinstance(step, Pause)
    assert step.seconds >= 300
    assert step.problem == ("login", "a: login refused: SESSION_AUTHENTICATION_FAILED", "")


def test_a_booting_host_is_asked_again_later_and_later() -> None:
    connection = Connection(["a", "b"], pace=Pace(patient_rounds=4))
    seconds = []
    for _ in range(8):
        assert connection.next_step() == Attempt(("a",))
        connection.failed("a", BOOTING)
        step = connection.next_step()
        assert isinstance(step, Pause)
        seconds.append(step.seconds)
    assert seconds == [0.5, 1, 2, 2.5, 8, 16, 32, 60]


def test_an_outage_is_asked_about_every_few_seconds_first() -> None:
    connection = Connection(["a"], pace=Pace(patient_rounds=5))
    seconds = []
    for _ in range(8):
        connection.next_step()
        connection.failed("a", DOWN)
        step = connection.next_step()
        assert isinstance(step, Pause)
        seconds.append(step.seconds)
    assert seconds == [0.5, 1, 2, 2.5, 2.5, 16, 30, 30]


def test_a_host_of_another_pool_is_not_ours() -> None:
    connection = connected()
    connection.broke("a", DOWN)
    connection.next_step()
    problem = connection.logged_in("a", "pool-2", ["a"])
    assert problem is not None
    assert problem.kind == "other pool"
    assert connection.next_step() == Attempt(("b", "c"))
    connection.failed("b", DOWN)
    connection.failed("c", DOWN)
    step = connection.next_step()
    assert isinstance(step, Pause)
    assert step.problem.text == "a is in pool pool-2, not pool-1"
    assert "a" not in connection.candidates


def test_a_wrong_configuration_keeps_being_checked() -> None:
    connection = Connection(["a"], pool_uuid="pool-1")
    connection.next_step()
    assert connection.logged_in("a", "pool-2", []) is not None
    step = connection.next_step()
    assert isinstance(step, Pause)
    assert step.seconds >= 300
    assert connection.next_step() == Attempt(("a",))


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("10.0.0.1", "h", "10.0.0.1"),
        ("10.0.0.1", "h:444", "10.0.0.1:444"),
        ("fe80::1", "[fe80::2]:444", "[fe80::1]:444"),
        ("fe80::1", "fe80::2", "[fe80::1]"),
    ],
)
def test_a_member_is_asked_on_the_same_port(host: str, address: str, expected: str) -> None:
    assert with_port_of(host, address) == expected


_PROBLEMS = st.sampled_from([DOWN, REFUSED, BOOTING, slave_of("b"), slave_of("z"), Problem("reply", "HTTP status 500")])


@given(st.lists(_PROBLEMS | st.none(), min_size=1, max_size=40), st.lists(st.sampled_from("abcd"), min_size=1))
@settings(max_examples=100, deadline=None)
def test_whatever_is_answered_there_is_a_next_step(answers: list[Problem | None], configured: list[str]) -> None:
    connection = Connection(configured, pool_uuid="pool-1")
    attempts = 0
    for answer in answers:
        step = connection.next_step()
        if isinstance(step, Pause):
            attempts = 0
            assert step.seconds > 0
            continue
        attempts += len(step.addresses)
        assert step.addresses
        assert attempts <= 8
        for address in step.addresses:
            if answer is None:
                connection.logged_in(address, "pool-2", ["a"])
            else:
                connection.failed(address, answer)
