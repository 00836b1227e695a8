"""May a certificate be used: every rule, also where the database knows less than it."""

from datetime import UTC, datetime, timedelta

import pytest
from chainwatch_collector.trust.standing import Book, CertificateRow, Shown, standing

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
ROW = CertificateRow(HOST, "a" * 64, NOW - DAY, NOW + DAY, NOW - DAY, None, None, "")
SHOWN = Shown(HOST, "a" * 64, NOW - DAY, NOW + DAY, ours=True)
EMPTY = Book({}, {}, {})


def book(row: CertificateRow, revoked_at: datetime | None = None) -> Book:
    return Book({row.sha256: row}, {HOST: row.issued_at}, {HOST: (revoked_at, "ana")} if revoked_at else {})


@pytest.mark.parametrize(
    ("known", "shown", "verdict", "reason"),
    [
        (book(ROW), SHOWN, "good", ""),
        (book(ROW._replace(first_used_at=None)), SHOWN, "first_use", ""),
        (book(ROW._replace(retired_at=NOW)), SHOWN, "refused", "a newer certificate of this host is in use"),
        (
            book(ROW._replace(revoked_at=NOW, revoked_by="ana")),
            SHOWN,
            "refused",
            "was revoked on 2026-11-25 12:00 UTC by ana",
        ),
        (book(ROW), SHOWN._replace(not_after=NOW - DAY), "refused", "ended on 2026-11-24"),
        # Restored from an older copy: what we signed is ours, unless it is not the newest, or of a revoked host.
        (EMPTY, SHOWN, "first_use", ""),
        (book(ROW._replace(sha256="b" * 64)), SHOWN._replace(issued_at=NOW), "first_use", ""),
        (
            book(ROW._replace(sha256="b" * 64)),
            SHOWN._replace(issued_at=NOW - 2 * DAY),
            "refused",
            "a newer certificate",
        ),
        (Book({}, {}, {HOST: (NOW, "ana")}), SHOWN, "refused", "this host was revoked on 2026-11-25 12:00 UTC by ana"),
        (Book({}, {}, {HOST: (NOW - 2 * DAY, "ana")}), SHOWN, "first_use", ""),
        # A given CA's certificates are in no table; revocation holds for them too.
        (EMPTY, SHOWN._replace(ours=False), "good", ""),
        (Book({}, {}, {HOST: (NOW, "ana")}), SHOWN._replace(ours=False), "refused", "this host was revoked"),
        # One that is in the table and not revoked was issued after the host was.
        (book(ROW, revoked_at=NOW), SHOWN, "good", ""),
    ],
)
def test_every_rule(known: Book, shown: Shown, verdict: str, reason: str) -> None:
    found = standing(known, shown, NOW)
    assert found.verdict == verdict
    assert reason in found.reason
