"""Xen Orchestra's own client as a process, installed from its pinned lock file into the user's cache."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.xapi.handle import LabPool

SOURCE = Path(__file__).parents[1] / "xo_client"
VERSION: str = json.loads((SOURCE / "package.json").read_text())["dependencies"]["xen-api"]
INSTALL_SECONDS = 180.0


class NoXoClientError(Exception):
    """It cannot be had here; the text says why."""


def installed(source: Path = SOURCE, name: str = "xen-api", version: str = VERSION) -> Path:
    """The directory with the `node_modules` of `source`, a package.json with its lock. Raises `NoXoClientError`."""
    npm = shutil.which("npm")
    if npm is None:
        raise NoXoClientError("npm is not installed: install Node 18 or newer")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainwatch-tests"
    target = cache / f"{name}-{version}"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as directory:
        fresh = Path(directory) / "client"
        fresh.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, fresh)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            subprocess.run(command, cwd=fresh, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NoXoClientError(f"npm ci of {name} {version} did not work: {error}") from None
        try:
            fresh.rename(target)
        except OSError:
            if not target.exists():  # another test run was not faster either
                raise
    return target


class XoClient:
    """Connected and following events."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def objects(self) -> dict[str, set[str]]:
        """What its cache holds after a barrier: class → uuids."""
        assert self._process.stdin is not None
        self._process.stdin.write("objects\n")
        self._process.stdin.flush()
        return {name: set(uuids) for name, uuids in self.read().items()}

    def read(self) -> dict[str, list[str]]:
        """The next line that it tells."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"Xen Orchestra's client ended with status {self._process.wait()}")
        answer: dict[str, list[str]] = json.loads(line)
        return answer


@contextmanager
def xo_client(pool: LabPool, transport: str, host: str = "xcp1") -> Iterator[XoClient]:
    """`transport`: `json-rpc`, `xml-rpc` or `auto`. It trusts the pool and disconnects with the block."""
    environment = {
        **os.environ,
        "NODE_EXTRA_CA_CERTS": str(pool.ca_file),
        "XO_CLIENT_MODULES": str(installed()),
        "XAPI_URL": f"https://{pool.addresses[host]}:{pool.port}",
        "XAPI_USER": pool.user,
        "XAPI_PASSWORD": pool.password,
        "XAPI_TRANSPORT": transport,
    }
    command = ["node", str(SOURCE / "follow.mjs")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        client = XoClient(process)
        try:
            client.read()
            yield client
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
