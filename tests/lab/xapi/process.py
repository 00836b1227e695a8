"""The pool in a process of its own, for benchmarks and the demo: it does not share the interpreter with a client."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[2]
STOP_SECONDS = 20.0


class LabError(Exception):
    """An operation was refused; the text says why."""


class LabProcess:
    """A running pool process. Attributes as `__main__.description` prints them."""

    def __init__(self, process: "subprocess.Popen[bytes]", told: Mapping[str, Any]) -> None:
        self.process = process
        self.uuid: str = told["uuid"]
        self.address: str = told["address"]
        self.addresses: dict[str, str] = told["addresses"]
        self.host_uuids: dict[str, str] = told["host_uuids"]
        self.port: int = told["port"]
        self.url = f"https://{self.address}:{self.port}"
        self.ca_file = Path(told["ca_file"])
        self.user, self.password = str(told["user"]), str(told["password"])
        self.reader, self.reader_password = str(told["reader"]), str(told["reader_password"])
        self.control_port: int = told["control_port"]

    def do(self, name: str, /, **arguments: Any) -> Any:
        """A named operation; its result. Raises `LabError`."""
        return control(self.control_port, name, **arguments)

    def dump(self) -> dict[str, dict[str, Any]]:
        """The inventory as XenAPI would return it."""
        inventory: dict[str, dict[str, Any]] = self.do("dump")
        return inventory


def control(port: int, name: str, /, **arguments: Any) -> Any:
    """One operation over a control port. Raises `LabError`, `OSError`."""
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rwb") as stream:
        stream.write(json.dumps({"do": name, "args": arguments}).encode() + b"\n")
        stream.flush()
        answer = json.loads(stream.readline())
    if "error" in answer:
        raise LabError(answer["error"])
    return answer["result"]


@contextmanager
def lab_process(**config: Any) -> Iterator[LabProcess]:
    """`config` as `python -m lab.xapi` reads it. It ends with the block."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="lab-xapi-") as file:
        json.dump(config, file)
        file.flush()
        command = [sys.executable, "-m", "lab.xapi", "--config", file.name]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if not line:
                    raise LabError(f"the pool's process ended with status {process.wait()}")
                yield LabProcess(process, json.loads(line))
            finally:
                process.terminate()
                process.wait(STOP_SECONDS)
