"""A real PostgreSQL server for tests: its own directory in /tmp, a Unix socket only, as a user that is not root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoPostgresError(Exception):
    """The server is not installed; the message says what to install."""


def binaries() -> Path:
    """The newest installed server's directory. Raises `NoPostgresError`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise NoPostgresError("PostgreSQL's server is not installed: apt-get install postgresql")
    return Path(on_path).resolve().parent


def _as_postgres(*command: str | Path) -> list[str]:
    words = [str(word) for word in command]
    # The server refuses to run as root.
    return ["runuser", "-u", "postgres", "--", *words] if os.geteuid() == 0 else words


@contextmanager
def server() -> Iterator[str]:
    """Start one, give the URL of its `postgres` database, stop it and remove its files."""
    programs = binaries()
    # Not pytest's tmp_path: that is 0700 and the postgres user must get in.
    directory = Path(tempfile.mkdtemp(prefix="chainwatch-pg-", dir="/tmp"))
    data = directory / "data"
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        _run(_as_postgres(programs / "initdb", "-N", "-A", "trust", "--locale=C", "-E", "UTF8", "-U", "postgres", data))
        settings = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off -c max_connections=60"
        log = directory / "log"
        _run(_as_postgres(programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", settings, "start"))
        try:
            yield f"postgresql://postgres@/postgres?host={directory}"
        finally:
            _run(_as_postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(command: list[str]) -> None:
    # Not through a pipe: the server would inherit and hold it.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd="/", check=False)
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {output.read().decode(errors='replace')}")
