"""A collector in memory that holds an agent to the wire contract: for tests that step a `Reader` without a network."""

import copy
from typing import Dict, List, Optional, Tuple

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

Key = Tuple[bytes, int]


def slices_of(span: evidence_pb2.Span) -> List[Tuple[int, bytes]]:
    """(offset, data) of each slice, whose columns must agree."""
    columns = span.slices
    found: List[Tuple[int, bytes]] = []
    assert len(columns.skipped_bytes) == len(columns.size_bytes)
    offset, taken = span.from_offset, 0
    for skipped, size in zip(columns.skipped_bytes, columns.size_bytes):
        assert size
        assert skipped or not found, "slices that touch are one"
        offset += skipped
        found.append((offset, columns.data[taken : taken + size]))
        offset, taken = offset + size, taken + size
    assert taken == len(columns.data)
    assert offset <= span.to_offset
    return found


class File:
    """What is committed of one file."""

    def __init__(self, key: Key, log: str, ordinal: int) -> None:
        self.key = key
        self.log = log
        self.ordinal = ordinal
        self.to_offset = 0
        self.tail = b""
        self.slices: List[Tuple[int, bytes]] = []
        self.covered: List[Tuple[int, int]] = []


class Ledger:
    """Commits what comes or fails the test. `backup` and `restore` make it forget."""

    def __init__(self) -> None:
        self.files: Dict[Key, File] = {}
        self.ever_declared = 0
        self.gaps: List[evidence_pb2.Gap] = []
        self._seen: Dict[Key, evidence_pb2.FileSeen] = {}
        self._backup: Optional[Tuple[Dict[Key, File], List[evidence_pb2.Gap]]] = None

    def welcome(self, window_bytes: int = 4 * 1024 * 1024) -> ingest_service_pb2.Welcome:
        """For a new stream."""
        self._seen = {}
        welcome = ingest_service_pb2.Welcome(
            stream_epoch=1,
            limits=ingest_service_pb2.Limits(window_bytes=window_bytes, max_message_bytes=1024 * 1024),
        )
        for one in sorted(self.files.values(), key=lambda f: f.ordinal)[-64:]:
            welcome.positions.add(
                file=evidence_pb2.FileKey(fingerprint=one.key[0], salt=one.key[1]),
                to_offset=one.to_offset,
                tail_sha256=one.tail,
                ordinal=one.ordinal,
                log=one.log,
            )
        return welcome

    def take(self, message: ingest_service_pb2.AgentMessage) -> List[ingest_service_pb2.Ack]:
        """Commit one message; its acknowledgements."""
        body = message.WhichOneof("body")
        if body == "file_seen":
            self._seen[_key(message.file_seen.file)] = message.file_seen
            return []
        if body == "gap":
            return self._gap(message.gap)
        assert body == "span", body
        return [self._span(message.span)]

    def _span(self, span: evidence_pb2.Span) -> ingest_service_pb2.Ack:
        one = self._file(_key(span.file))
        assert span.from_offset == one.to_offset, "a hole: {} after {}".format(span.from_offset, one.to_offset)
        assert span.to_offset > span.from_offset
        assert len(span.tail_sha256) == 32
        one.slices += slices_of(span)
        one.covered.append((span.from_offset, span.to_offset))
        one.to_offset, one.tail = span.to_offset, span.tail_sha256
        return ingest_service_pb2.Ack(file=span.file, to_offset=one.to_offset, ordinal=one.ordinal)

    def _gap(self, gap: evidence_pb2.Gap) -> List[ingest_service_pb2.Ack]:
        assert gap.reason
        assert gap.detail
        self.ever_declared += 1
        same = [g for g in self.gaps if g.SerializeToString() == gap.SerializeToString()]
        if not same:
            self.gaps.append(copy.deepcopy(gap))
        if not gap.HasField("before_file"):
            return []
        one = self._file(_key(gap.before_file))
        if gap.before_offset > one.to_offset:
            one.to_offset, one.tail = gap.before_offset, b""
        return [ingest_service_pb2.Ack(file=gap.before_file, to_offset=one.to_offset, ordinal=one.ordinal)]

    def _file(self, key: Key) -> File:
        if key not in self.files:
            seen = self._seen.get(key)
            assert seen is not None, "a span of an unknown file"
            ordinal = 1 + max((f.ordinal for f in self.files.values() if f.log == seen.log), default=0)
            self.files[key] = File(key, seen.log, ordinal)
        return self.files[key]

    def lines(self, log: str = "/var/log/SMlog") -> List[bytes]:
        """All that is stored, in the order (ordinal, offset)."""
        stored: List[bytes] = []
        for one in sorted((f for f in self.files.values() if f.log == log), key=lambda f: f.ordinal):
            for _, data in one.slices:
                stored += data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n")
        return stored

    def backup(self) -> None:
        """Remember the state of now."""
        self._backup = copy.deepcopy((self.files, self.gaps))

    def restore(self) -> None:
        """Go back to the backup."""
        if self._backup is not None:
            self.files, self.gaps = copy.deepcopy(self._backup)


def _key(message: evidence_pb2.FileKey) -> Key:
    assert len(message.fingerprint) == 32
    return (message.fingerprint, message.salt)
