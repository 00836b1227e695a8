"""`chainwatch-agent select`: what would be shipped of log files, offline, by the floor."""

import io
import json
import os
import re
import sys
from typing import BinaryIO, Iterator, List, Tuple

from chainwatch_agent.policy import FLOOR, SMLOG, LogPolicy, part_for
from chainwatch_agent.scrub import scrub
from chainwatch_agent.select import BLOCK_BYTES, Selector
from chainwatch_agent.sources import DamagedError, open_source

_ROTATED = re.compile(r"(?:\.\d+)?(?:\.gz)?\Z")
_MAX_LINE_BYTES = 64 * 1024


class SelectError(Exception):
    """A file that cannot be read: which and why."""


def part_of(name: str) -> LogPolicy:
    """The floor for a file by its name; one that names no known log is read as an SMlog."""
    log = "/var/log/" + _ROTATED.sub("", os.path.basename(name))
    return part_for(FLOOR, log if any(part.log == log for part in FLOOR.logs) else SMLOG)


def select_files(names: List[str], as_json: bool, out: BinaryIO) -> int:
    """Print the selected lines of every file. Raises `SelectError`."""
    for name in names:
        selector = Selector(part_of(name))
        try:
            for offset, block in _blocks(name):
                for at, data in selector.select(block, offset):
                    _print(name, at, scrub(data)[0], as_json, out)
        except (OSError, DamagedError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise SelectError("{}: {}".format(name, getattr(error, "strerror", None) or error)) from None
    out.flush()
    return 0


def _print(name: str, offset: int, data: bytes, as_json: bool, out: BinaryIO) -> None:
    if not as_json:
        out.write(data if data.endswith(b"\n") else data + b"\n")
        return
    for line in data.split(b"\n"):
        if line:
            text = line.decode("utf-8", "replace")
            record = json.dumps({"file": name, "offset": offset, "text": text}, sort_keys=True)
            out.write(record.encode("utf-8") + b"\n")
        offset += len(line) + 1


def _blocks(name: str) -> "Iterator[Tuple[int, bytes]]":
    """Blocks of whole lines with their offsets; the last may lack its newline."""
    offset, rest = 0, b""
    for data in _raw(name):
        data = rest + data
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > _MAX_LINE_BYTES:
            cut = len(data)
        if cut:
            yield offset, data[:cut]
            offset += cut
        rest = data[cut:]
    if rest:
        yield offset, rest


def _raw(name: str) -> Iterator[bytes]:
    if name == "-":
        with io.open(sys.stdin.fileno(), "rb", closefd=False) as stream:
            yield from iter(lambda: stream.read(BLOCK_BYTES), b"")
        return
    source, at = open_source(name), 0
    try:
        while True:
            data = source.read_at(at, BLOCK_BYTES)
            if not data:
                return
            yield data
            at += len(data)
    finally:
        source.close()
