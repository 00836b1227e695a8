"""One physical line taken apart: timestamp, host, ident, pid, thread, message (SMlog catalogue 1.1, 1.2)."""

from __future__ import annotations

import re

_PREFIX = re.compile(
    r"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) "
    r"(\S+) ([^:\[\s]{1,48})(?:\[(\d{1,10})\])?: ?(?s:(.*))\Z"
)
# SM prints the pid, and since 3.2.12-17.1 the thread, inside the message.
_INNER = re.compile(r"\[(\d{1,10})\](?:\[([^\]]{0,64})\])? ?")
_REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ (?s:(.*))\]\Z")
_SM_IDENTS = frozenset(("SM", "SMGC"))


class Record:
    """A parsed line. `pid` is SM's own where it printed one, else the tag's; `thread` is empty before 3.2.12-17.1."""

    __slots__ = ("host", "ident", "msg", "pid", "repeated", "text", "thread", "time")

    def __init__(self, time: str, host: str, ident: str, pid: int | None, thread: str, msg: str, text: str) -> None:
        self.time = time
        self.host = host
        self.ident = ident
        self.pid = pid
        self.thread = thread
        self.msg = msg
        self.text = text
        self.repeated = 1


def parse(data: bytes) -> Record | None:
    """None for a line without a syslog prefix. Never raises; bytes that are not UTF-8 are replaced."""
    text = data.decode("utf-8", "replace").rstrip("\r\n")
    match = _PREFIX.match(text)
    if match is None:
        return None
    time, host, ident, tag_pid, msg = match.groups()
    if ident not in _SM_IDENTS:
        return Record(time, host, ident, int(tag_pid) if tag_pid else None, "", _unrepeated(msg), text)
    repeated = 1
    if msg.startswith("message repeated "):
        wrapper = _REPEATED.match(msg)
        if wrapper is not None:
            repeated, msg = int(wrapper[1]), wrapper[2]
    inner = _INNER.match(msg)
    if inner is None:
        return Record(time, host, ident, None, "", msg, text)
    record = Record(time, host, ident, int(inner[1]), inner[2] or "", msg[inner.end() :], text)
    record.repeated = repeated
    return record


def _unrepeated(msg: str) -> str:
    wrapper = _REPEATED.match(msg) if msg.startswith("message repeated ") else None
    return wrapper[2] if wrapper else msg
