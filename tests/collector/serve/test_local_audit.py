"""What is done with the collector's command instead of its API stands in the audit log too."""

import os
import pwd
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chainwatch_collector.keep.engine import open_bare, sqlite_url
from chainwatch_collector.keep.people import AuditIn, audit_since
from chainwatch_collector.serve.composition import StartError
from chainwatch_collector.serve.local_audit import by_sudo, local_user, record
from lab.enrolling import OwnCaCollector


def recorded(collector: OwnCaCollector) -> list[AuditIn]:
    """Newest first."""
    engine = open_bare(sqlite_url(collector.state / "chainwatch.db"))
    with engine.connect() as connection:
        found = audit_since(connection, datetime(2026, 1, 1, tzinfo=UTC), 100)
    engine.dispose()
    return found


def done(collector: OwnCaCollector, verb: str, *arguments: str) -> None:
    ended = collector.command(verb, *arguments)
    assert ended.returncode == 0, ended.stderr


def test_a_new_ca_and_a_restored_database_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    me = f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    collector, copy = OwnCaCollector(tmp_path), tmp_path / "copy"
    done(collector, "migrate")
    done(collector, "backup", "--to", str(copy))
    done(collector, "new-ca")
    (made,) = recorded(collector)
    assert (made.who, made.what, made.subject, made.outcome) == (me, "new-ca", "CA", "done")
    assert "the new CA is " in made.detail
    assert made.detail.endswith("; by sudo of alice")

    done(collector, "restore", "--from", str(copy))
    (made,) = recorded(collector)
    assert (made.who, made.what, made.subject, made.outcome) == (me, "restore", "database", "done")
    assert f"restored from {copy}" in made.detail

    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    too_new = collector.command("restore", "--from", str(copy))
    assert too_new.returncode == 2
    assert f"restored from {copy}" in too_new.stderr
    assert "upgrade chainwatch" in too_new.stderr


def test_no_new_ca_where_it_cannot_be_recorded(tmp_path: Path) -> None:
    collector = OwnCaCollector(tmp_path, extra='database_url = "postgresql://nobody@127.0.0.1:1/none"')
    ended = collector.command("new-ca")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "is the server up" in ended.stderr
    assert not (collector.state / "tls").exists()


def test_what_cannot_be_recorded_says_that_it_was_done(tmp_path: Path) -> None:
    engine = open_bare(sqlite_url(tmp_path / "empty.db"))
    with pytest.raises(StartError, match="the new CA is 9f; but it is not in the audit log: no such table: audit"):
        record(engine, "new-ca", "CA", "the new CA is 9f")
    engine.dispose()


def test_who_it_was() -> None:
    assert local_user(0) == "local:root"
    assert local_user(4_000_000_000) == "local:4000000000"
    assert by_sudo({}) == ""
    assert by_sudo({"SUDO_USER": "bob"}) == "; by sudo of bob"
    assert by_sudo({"SUDO_USER": "bob\nroot: did it"}) == ""
    assert by_sudo({"SUDO_USER": "b" * 80}) == ""
