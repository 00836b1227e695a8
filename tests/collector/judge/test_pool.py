from __future__ import annotations

import pytest
from chainwatch_collector.judge.pool import kind_of
from collector.judge.scene import START, quiet_pool


def test_unreachable_after_half_a_minute_and_what_it_showed_is_stale() -> None:
    scene = quiet_pool()
    scene.picture = scene.picture
    scene.look()
    scene.seen(problem="connection refused", problem_since=START)
    assert "POOL_UNREACHABLE" not in scene.wait(29).codes()
    found = scene.wait(2).look()["POOL_UNREACHABLE"]
    assert found.severity == "error"
    assert "connection refused" in found.summary
    assert scene.sr().state == "unknown"
    scene.seen(problem="", problem_since=None)
    assert scene.codes() == set()
    assert scene.sr().state == "idle"


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("the certificate is not trusted: self-signed certificate", "tls"),
        ("login refused: SESSION_AUTHENTICATION_FAILED", "login"),
        ("the role of this user does not allow it", "role"),
        ("it is a slave", "master_moved"),
        ("no answer in time", "network"),
    ],
)
def test_which_remedy(problem: str, kind: str) -> None:
    assert kind_of(problem) == kind
