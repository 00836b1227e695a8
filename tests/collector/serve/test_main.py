"""The command as an operator runs it: real processes, real TLS, both databases."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chainwatch_collector.trust.authority import new_authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lab.collector_process import COMMAND, CollectorProcess
from lab.databases import Database, database, postgres_url
from lab.pki import Pki
from lab.wire import connect, file_seen, key_of, span

__all__ = ["database", "postgres_url"]
HOST = "6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11"
LOG = b"Nov 24 10:00:00 xcp-1 SM: [1] first\nNov 24 10:00:01 xcp-1 SMGC: [1] second\n"


@pytest.fixture
def collector(tmp_path: Path, database: Database) -> Iterator[CollectorProcess]:
    url = "" if database.url.startswith("sqlite") else database.url
    made = CollectorProcess(tmp_path / "collector", Pki(tmp_path / "pki"), url)
    yield made
    if made.process is not None:
        made.kill()


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


async def ship(collector: CollectorProcess, end: int) -> int:
    """Send the log up to `end`; where the collector said it stood."""
    identity = collector.pki.host(HOST)
    async with connect(collector.ingest_port, collector.pki.ca, identity) as wire:
        welcome = await wire.welcome()
        start = max((p.to_offset for p in welcome.positions), default=0)
        if start < end:
            await wire.send(file_seen=file_seen(LOG))
            await wire.send(span=span(LOG, start, end))
            await wire.acked_to(key_of(LOG), end)
        return start


async def test_run_stores_and_remembers_over_kill_and_restart(collector: CollectorProcess) -> None:
    collector.start()
    half = LOG.index(b"\n") + 1
    assert await ship(collector, half) == 0
    collector.kill()
    collector.start()
    assert await ship(collector, len(LOG)) == half
    assert collector.stop() == 0
    log = collector.log.read_text()
    assert "Traceback" not in log
    assert f"ingest listens on 127.0.0.1:{collector.ingest_port}" in log


async def test_a_second_collector_on_the_same_state_is_refused(collector: CollectorProcess) -> None:
    collector.start()
    done = command("run", "--config", collector.config)
    assert done.returncode == 2
    assert "another collector uses this state_dir" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_backup_and_restore(collector: CollectorProcess, tmp_path: Path) -> None:
    if collector.database_url and os.environ.get("CI") != "true":
        pytest.importorskip("psycopg")
    collector.start()
    half = LOG.index(b"\n") + 1
    await ship(collector, half)
    copy = tmp_path / "copy"
    done = command("backup", "--config", collector.config, "--to", copy)
    assert done.returncode == 0, done.stderr
    assert await ship(collector, len(LOG)) == half
    if not collector.database_url:
        refused = command("restore", "--config", collector.config, "--from", copy)
        assert refused.returncode == 2
        assert "another collector uses this state_dir" in refused.stderr
    collector.stop()
    done = command("restore", "--config", collector.config, "--from", copy)
    assert done.returncode == 0, done.stderr
    collector.start()
    assert await ship(collector, len(LOG)) == half


def test_check_says_what_is_wrong_and_what_to_do(collector: CollectorProcess) -> None:
    done = command("check", "--config", collector.config)
    assert done.returncode == 0, done.stdout
    assert "ok     ingest port" in done.stdout
    collector.pki.server().key.chmod(0o644)
    (collector.pki.directory / "ca.pem").unlink()
    done = command("check", "--config", collector.config)
    assert done.returncode == 2
    assert "others may read it: chmod 600" in done.stdout
    assert "error  client CA: " in done.stdout
    assert done.stderr == ""


def test_check_names_a_certificate_that_ends_soon(collector: CollectorProcess) -> None:
    then = datetime.now(UTC) - timedelta(days=390, hours=1)
    server, key = collector.pki.server(), ec.generate_private_key(ec.SECP256R1())
    issued = new_authority(then).server_certificate(key.public_key(), ["localhost"], then)
    server.certificate.write_bytes(issued.pem)
    server.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    done = command("check", "--config", collector.config)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(", 6 days left: renew it") == 2


def test_migrate_is_safe_to_run_twice(collector: CollectorProcess) -> None:
    for _ in range(2):
        done = command("migrate", "--config", collector.config)
        assert (done.returncode, done.stdout) == (0, "the database's schema is up to date\n")


def test_wrong_usage_and_wrong_files_are_one_line(tmp_path: Path) -> None:
    done = command("run", "--config", tmp_path / "none.toml")
    assert done.returncode == 2
    assert done.stderr.startswith(f"chainwatch-collector: {tmp_path / 'none.toml'}: no such file")
    assert len(done.stderr.splitlines()) == 1
    assert command("fly").returncode == 64
    bad = tmp_path / "collector.toml"
    bad.write_text('state_dir = "s"\ndatabase_url = "postgresql://nobody@127.0.0.1:1/none"\n')
    done = command("run", "--config", bad)
    assert done.returncode == 2
    assert "is the server up, and does database_url name it?" in done.stderr
    assert "Traceback" not in done.stderr
