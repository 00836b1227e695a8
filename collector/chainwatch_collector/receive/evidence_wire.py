"""A request for raw lines and its answer as they pass from one collector to another through the database. Pure."""

import json
from collections.abc import Sequence

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_collector.receive.evidence_requests import EvidencePart


class WireError(Exception):
    """What another collector wrote cannot be read; it is of another version."""


def request_to_text(request: ingest_service_pb2.EvidenceRequest) -> str:
    """JSON. The row has a deadline too: of whoever asks, who waits a little longer than for the agent."""
    return json.dumps(
        {
            "log": request.log,
            "around_us": request.around_us,
            "max_bytes": request.max_bytes,
            "literals": list(request.literals),
            "deadline_seconds": request.deadline_seconds,
        }
    )


def request_from_text(text: str) -> ingest_service_pb2.EvidenceRequest:
    """Raises `WireError`."""
    try:
        body = json.loads(text)
        return ingest_service_pb2.EvidenceRequest(**body)
    except (ValueError, KeyError, TypeError) as error:
        raise WireError(f"the request of another collector: {error}") from None


def parts_to_bytes(parts: Sequence[EvidencePart]) -> bytes:
    """One line of JSON with each part's place and size, then their bytes one behind the other."""
    head = [
        {
            "fingerprint": part.file.fingerprint.hex(),
            "from_offset": part.from_offset,
            "size": len(part.data),
            "truncated": part.truncated,
        }
        for part in parts
    ]
    return json.dumps(head).encode() + b"\n" + b"".join(part.data for part in parts)


def parts_from_bytes(data: bytes, max_bytes: int) -> list[EvidencePart]:
    """Raises `WireError`, also where there is more than was asked for."""
    head, _, rest = data.partition(b"\n")
    parts, at = [], 0
    try:
        for one in json.loads(head):
            size = int(one["size"])
            if size < 0:
                raise ValueError(f"a size of {size}")
            key = evidence_pb2.FileKey(fingerprint=bytes.fromhex(one["fingerprint"]))
            parts.append(EvidencePart(key, int(one["from_offset"]), rest[at : at + size], bool(one["truncated"])))
            at += size
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise WireError(f"the answer of another collector: {error}") from None
    if at != len(rest) or at > max_bytes:
        raise WireError(f"the answer of another collector: {len(rest)} bytes of lines, {at} named, {max_bytes} asked")
    return parts
