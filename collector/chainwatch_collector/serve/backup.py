"""A consistent copy of the database, and back. Agents send again what a restored copy lacks (proto/README.md 4.6)."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from chainwatch_collector.keep.engine import open_bare, sqlite_url
from chainwatch_collector.keep.migrate import current
from chainwatch_collector.serve.settings import Settings


class BackupError(Exception):
    """It was not made, or not put back; the database is as before. The message says why and the fix."""


def backup(settings: Settings, target: Path) -> str:
    """Write a copy to `target`, which must not exist. A sentence for the operator. Raises `BackupError`."""
    if target.exists():
        raise BackupError(f"{target}: is there already; name a new file")
    url = settings.database
    part = target.with_name(target.name + ".part")
    try:
        if url.get_backend_name() == "sqlite":
            _copy_sqlite(Path(url.database or ""), part)
        else:
            _postgresql("pg_dump", url, "--format=custom", f"--file={part}")
        part.chmod(0o600)
        part.rename(target)
    except OSError as error:
        raise BackupError(f"{target}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return f"{target}: {target.stat().st_size} bytes"


def restore(settings: Settings, source: Path) -> str:
    """Put a backup in place; on SQLite the old file is kept beside. Raises `BackupError`."""
    if not source.is_file():
        raise BackupError(f"{source}: no such file")
    url = settings.database
    if url.get_backend_name() != "sqlite":
        _postgresql("pg_restore", url, "--clean", "--if-exists", "--no-owner", "--single-transaction", str(source))
        return f"{source}: restored into {url.render_as_string(hide_password=True)}"
    try:
        revision = current(open_bare(sqlite_url(source)))
    except SQLAlchemyError:
        revision = None
    if revision is None:
        raise BackupError(f"{source}: is no backup of a chainwatch database")
    database = Path(url.database or "")
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = database.with_name(database.name + ".before-restore")
    part = database.with_name(database.name + ".part")
    shutil.copyfile(source, part)
    part.chmod(0o600)
    if database.exists():
        # The write-ahead log belongs to the file that goes: fold it in before it is set aside.
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.replace(kept)
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    part.replace(database)
    before = f"; the one before is {kept}" if kept.exists() else ""
    return f"{database}: restored from {source} (schema {revision}){before}"


def _copy_sqlite(database: Path, target: Path) -> None:
    if not database.is_file():
        raise BackupError(f"{database}: there is no database yet")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        try:
            source.backup(copy, pages=2000, sleep=0.01)
        except sqlite3.Error as error:
            raise BackupError(f"{target}: {error}") from None


def _postgresql(program: str, url: URL, *options: str) -> None:
    if shutil.which(program) is None:
        raise BackupError(f"{program} is not installed: install the PostgreSQL client tools")
    # The password goes by the environment: a command line is public.
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": str(url.password or "")}
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    done = subprocess.run(
        [program, f"--dbname={plain}", *options], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
        raise BackupError(f"{program}: {reason}")
