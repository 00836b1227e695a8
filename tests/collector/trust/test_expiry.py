"""When a certificate's end is a matter, and what is said of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chainwatch_collector.trust.expiry import Expiry, worst

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def of(name: str = "web", *, life: float, left: float, given: bool = True) -> Expiry:
    ends = NOW + timedelta(days=left)
    return Expiry(name, Path("/etc/web.pem"), given, ends - timedelta(days=life), ends)


@pytest.mark.parametrize(
    ("life", "left", "standing"),
    [
        (397, 31, "ok"),
        (397, 29, "warning"),
        (90, 30, "ok"),  # what a timer renews at a third
        (90, 17, "warning"),
        (6, 1.5, "ok"),
        (6, 1, "warning"),
        (397, 0, "error"),
        (397, -1, "error"),
    ],
)
def test_standing(life: float, left: float, standing: str) -> None:
    assert of(life=life, left=left).standing(NOW) == standing


def test_sentences_say_what_to_do() -> None:
    assert of(life=90, left=80).sentence(NOW) == "web certificate /etc/web.pem ends on 2027-02-13, 80 days left"
    assert of(life=90, left=9).sentence(NOW).endswith("9 days left: put a new one and its key into the files; they are"
                                                      " read again by themselves")  # fmt: skip
    assert "is state_dir writable" in of(life=397, left=9, given=False).sentence(NOW)
    assert "ended on 2026-11-24" in of(life=90, left=-1).sentence(NOW)


def test_the_worst_comes_first() -> None:
    well, short, soon, over = of(life=400, left=300), of(life=6, left=5), of(life=90, left=9), of(life=90, left=-9)
    assert worst([well, short, soon, over], NOW) == over
    assert worst([well, short, soon], NOW) == soon
    assert worst([well, short], NOW) == short
    assert worst([], NOW) is None
