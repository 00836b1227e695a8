"""Agents, by way of whichever collector has their streams, as the surfaces' source of raw lines."""

from collections.abc import Sequence

from chainwatch.v1 import ingest_service_pb2

from chainwatch_collector.keep.rows import to_us
from chainwatch_collector.receive.evidence_relay import EvidenceRelay
from chainwatch_collector.receive.evidence_requests import EvidenceRefusedError
from chainwatch_collector.show.raw_lines import DEADLINE_SECONDS, RawPart, RawRefusedError, RawRequest


class AgentLines:
    """See `show.raw_lines.RawLines`."""

    def __init__(self, relay: EvidenceRelay) -> None:
        self._relay = relay

    async def ask(self, request: RawRequest) -> Sequence[RawPart]:
        """Raises `RawRefusedError`."""
        wire = ingest_service_pb2.EvidenceRequest(
            log=request.log,
            around_us=to_us(request.around),
            max_bytes=request.max_bytes,
            literals=request.literals,
            deadline_seconds=DEADLINE_SECONDS,
        )
        try:
            parts = await self._relay.ask(request.host_uuid, wire)
        except EvidenceRefusedError as error:
            raise RawRefusedError(str(error)) from None
        return [RawPart(part.file.fingerprint.hex(), part.from_offset, part.data, part.truncated) for part in parts]
