"""A log file's identity and the proof that its bytes are still the ones that were read (proto/README.md section 1)."""

import hashlib
from typing import Callable, NamedTuple, Optional

FIRST_LINE_BYTES = 8192
TAIL_BYTES = 1024
_NUL_CHUNK = 64 * 1024

ReadAt = Callable[[int, int], bytes]


class FileId(NamedTuple):
    """`FileKey` of the wire contract, as a value."""

    fingerprint: bytes
    salt: int = 0


def first_line(read_at: ReadAt) -> Optional[bytes]:
    """The first complete line, newline included, leading NULs skipped, at most 8 KiB; None where there is none yet.

    `read_at(offset, size)` gives uncompressed bytes, fewer only at the file's end.
    """
    offset = 0
    while True:
        chunk = read_at(offset, FIRST_LINE_BYTES if offset == 0 else _NUL_CHUNK)
        if not chunk:
            return None
        kept = chunk.lstrip(b"\0")
        if kept:
            break
        offset += len(chunk)
    if len(kept) < FIRST_LINE_BYTES and b"\n" not in kept:
        kept += read_at(offset + len(chunk), FIRST_LINE_BYTES - len(kept))
    kept = kept[:FIRST_LINE_BYTES]
    end = kept.find(b"\n") + 1
    if end:
        return kept[:end]
    return kept if len(kept) == FIRST_LINE_BYTES else None


def fingerprint(line: bytes) -> bytes:
    """SHA-256 of a first line."""
    return hashlib.sha256(line).digest()


def tail_sha256(tail: bytes) -> bytes:
    """SHA-256 of the last min(1024, offset) raw bytes before an offset; `tail` may hold more."""
    return hashlib.sha256(tail[-TAIL_BYTES:]).digest()


def proves(read_at: ReadAt, to_offset: int, proof: bytes) -> bool:
    """Whether the bytes before `to_offset` are those that `proof` was made of; an empty proof asks for them only."""
    begin = max(0, to_offset - TAIL_BYTES)
    tail = read_at(begin, to_offset - begin)
    return len(tail) == to_offset - begin and (not proof or tail_sha256(tail) == proof)
