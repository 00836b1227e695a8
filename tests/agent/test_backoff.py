"""How long to wait, and what an operator is told."""

import random

import pytest
from chainwatch_agent.backoff import Advice, Backoff, advice


def test_it_grows_to_its_limit_with_full_jitter() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    waits = [backoff.next_seconds(Advice("")) for _ in range(200)]
    for number, wait in enumerate(waits):
        assert 0.0 <= wait <= min(60.0, 2.0**number)
    assert min(waits[10:]) < 10.0 < 50.0 < max(waits[10:])
    backoff.succeeded()
    assert backoff.next_seconds(Advice("")) <= 1.0


def test_a_superseded_stream_waits_and_a_refused_one_waits_long() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    assert backoff.next_seconds(advice("ABORTED", "superseded: by stream epoch 2")) >= 5.0
    backoff.succeeded()
    waits = [Backoff(1.0, 60.0, random.Random(n)).next_seconds(advice("UNAUTHENTICATED", "x")) for n in range(50)]
    assert max(waits) > 30.0


@pytest.mark.parametrize(
    ("code", "details", "said"),
    [
        ("UNAVAILABLE", "Socket closed", "certificate may be refused"),
        ("UNAVAILABLE", "DNS resolution failed for x", "the name in [collector] addresses is not known"),
        ("UNAVAILABLE", "failed to connect to all addresses", "not reachable"),
        ("UNAUTHENTICATED", "no URI", "certificate may be refused"),
        ("PERMISSION_DENIED", "revoked: lost", "revoked or retired"),
        ("UNIMPLEMENTED", "", "no chainwatch collector"),
        ("FAILED_PRECONDITION", "hole: x", "hole: x"),
        ("FAILED_PRECONDITION", "duplicate host: x", "under its own uuid"),
    ],
)
def test_every_end_has_words(code: str, details: str, said: str) -> None:
    assert said in advice(code, details).text
