"""Logins against the lab: the first that succeeds wins, the others leave no session."""

import threading
from collections.abc import Iterator

import pytest
from chainwatch_collector.inventory.connection import Connection, Pace
from chainwatch_collector.inventory.dial import Credentials, Dialer, SecretError, log_out
from chainwatch_collector.inventory.problems import Problem
from chainwatch_collector.inventory.session import Timeouts
from chainwatch_collector.inventory.tls import Trust
from lab.xapi.handle import LabPool, lab_pool

TIMEOUTS = Timeouts(connect=2, call=5, login=2, logout=1)


@pytest.fixture
def lab() -> Iterator[LabPool]:
    with lab_pool("xcp1", "xcp2", "xcp3") as pool:
        yield pool


class Dialled:
    """A dialer and the problems that it paused for; it stops at the first."""

    def __init__(self, lab: LabPool, connection: Connection, password: str = "") -> None:
        self.stop = threading.Event()
        self.problems: list[Problem] = []
        credentials = Credentials(lab.reader, lambda: password or lab.reader_password)
        trust = Trust(ca_file=lab.ca_file)
        self.dialer = Dialer(connection, credentials, trust, TIMEOUTS, self.stop, self._paused)

    def _paused(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.stop.set()


def open_sessions(lab: LabPool) -> int:
    return lab.call(lambda pool: len(pool.sessions.open))


def test_all_members_side_by_side_when_the_known_one_is_gone(lab: LabPool) -> None:
    members = [f"{address}:{lab.port}" for address in lab.addresses.values()]
    dialled = Dialled(lab, Connection(["127.0.0.1:1"], members, pace=Pace(first=0.01)))
    found = dialled.dialer.dial()
    assert found is not None
    assert found.pool_uuid == lab.uuid
    assert found.session.address == f"{lab.address}:{lab.port}"
    assert sorted(found.host_addresses) == sorted(lab.addresses.values())
    log_out(found.session)
    dialled.dialer.close()
    assert open_sessions(lab) == 0


def test_a_session_that_still_answers_is_resumed(lab: LabPool) -> None:
    connection = Connection([f"{lab.address}:{lab.port}"])
    dialled = Dialled(lab, connection)
    first = dialled.dialer.dial()
    assert first is not None
    connection.steady()
    connection.broke(first.session.address, Problem("network", "the connection was closed"))
    again = dialled.dialer.dial(first.session)
    assert again is not None
    assert (again.session, again.resumed) == (first.session, True)
    connection.steady()
    lab.do("drop_sessions")
    connection.broke(first.session.address, Problem("network", "the connection was closed"))
    anew = dialled.dialer.dial(first.session)
    assert anew is not None
    assert (anew.session is first.session, anew.resumed) == (False, False)
    log_out(anew.session)
    dialled.dialer.close()
    assert open_sessions(lab) == 0


def test_a_secret_that_cannot_be_read_is_a_problem_of_the_login(lab: LabPool) -> None:
    def unreadable() -> str:
        raise SecretError("/x.pw: others may read it: chmod 600 /x.pw")

    dialled = Dialled(lab, Connection([f"{lab.address}:{lab.port}"]))
    dialled.dialer._credentials = Credentials("u", unreadable)
    assert dialled.dialer.dial() is None
    assert dialled.problems[0].kind == "login"
    assert "chmod 600" in dialled.problems[0].text
    assert lab.methods_called == {}


def test_a_refused_password_ends_the_round(lab: LabPool) -> None:
    members = [f"{address}:{lab.port}" for address in lab.addresses.values()]
    dialled = Dialled(lab, Connection(members[:1], members), password="wrong")
    assert dialled.dialer.dial() is None
    assert dialled.problems[0].kind == "login"
    assert lab.methods_called == {"session.login_with_password": 1}
