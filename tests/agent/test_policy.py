"""The floor, and what of a collector's policy is refused."""

import pytest
from chainwatch_agent.policy import FLOOR, SMLOG, LogPolicy, Policy, PolicyError, check, floor_for, part_for
from chainwatch_agent.reader import policy_message, policy_of


@pytest.mark.parametrize("part", FLOOR.logs)
def test_the_floor_of_a_log_is_within_the_limits_of_a_policy(part: LogPolicy) -> None:
    check(Policy(0, (part,)))


def test_a_log_without_a_floor_is_read_and_nothing_selected() -> None:
    assert floor_for(["/var/log/xcp-rrdd.log"]).logs == (LogPolicy("/var/log/xcp-rrdd.log"),)


def test_the_floor_survives_the_wire() -> None:
    assert policy_of(policy_message(FLOOR)) == FLOOR


def test_parts_of_one_log_add_up() -> None:
    policy = Policy(7, (LogPolicy(SMLOG, (b"A",), (b"one1",)), LogPolicy(SMLOG, (b"B",), (b"two2",), (b"noise",))))
    assert part_for(policy, SMLOG) == LogPolicy(SMLOG, (b"A", b"B"), (b"one1", b"two2"), (b"noise",))
    assert part_for(None, SMLOG) == LogPolicy(SMLOG)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (LogPolicy("/etc/passwd", (), (b"root:",)), "below /var/log/"),
        (LogPolicy("/var/log/../../etc/passwd", (), (b"root:",)), "below /var/log/"),
        (LogPolicy(SMLOG, (), (b"abc",)), "4 to 256 bytes"),
        (LogPolicy(SMLOG, (), (b"a\nbcd",)), "without a newline"),
        (LogPolicy(SMLOG, (), tuple(b"word%d" % n for n in range(65))), "65 literals"),
        (LogPolicy(SMLOG, (b"a b",)), "no syslog ident"),
    ],
)
def test_a_policy_that_breaks_a_limit_is_refused(part: LogPolicy, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        check(Policy(1, (part,)))
