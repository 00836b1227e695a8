"""How fast strangers get in: an address alone, and everybody together."""

import logging

import pytest
from chainwatch_collector.serve.admission import ADDRESS_BURST, BURST, Admission, AdmissionLimits, network_of

LIMITS = AdmissionLimits(connections_per_second=100.0, address_connections_per_second=10.0)


def test_an_address_alone_is_refused_and_another_one_is_not() -> None:
    admission = Admission(LIMITS)
    admitted = sum(admission.admits("10.0.0.1", 0.0) for _ in range(10 * ADDRESS_BURST))
    assert (admitted, admission.refused) == (ADDRESS_BURST, 9 * ADDRESS_BURST)
    assert admission.admits("10.0.0.2", 0.0)
    # What it did wrong is over as soon as it comes no faster than it may.
    assert [admission.admits("10.0.0.1", 1.0) for _ in range(11)] == [True] * 10 + [False]


def test_everybody_together_waits_at_a_pace() -> None:
    admission, now = Admission(LIMITS), 0.0
    for _ in range(BURST + 300):
        while wait := admission.wait_seconds(now):
            now += wait + 1e-6
    assert now == pytest.approx(3.0, rel=0.01)


def test_it_is_named_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    admission = Admission(LIMITS)
    with caplog.at_level(logging.WARNING):
        for second in (0.0, 30.0, 59.0, 61.0):
            for _ in range(2 * ADDRESS_BURST):
                admission.admits("10.0.0.1", second)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0] == (
        "web: 10.0.0.1 opens more than 10 connections a second: what is above that is closed (1 since the start)"
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
