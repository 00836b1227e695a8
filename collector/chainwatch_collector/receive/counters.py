"""What the ingest service counts, by the full metric names of `/metrics`."""

from dataclasses import dataclass, fields


@dataclass
class IngestCounters:
    """Totals since start; `streams` is the number open now."""

    streams: int = 0
    streams_opened_total: int = 0
    streams_refused_total: int = 0
    streams_superseded_total: int = 0
    streams_faulty_total: int = 0
    messages_total: int = 0
    malformed_messages_total: int = 0
    unknown_messages_total: int = 0
    spans_total: int = 0
    lines_stored_total: int = 0
    lines_repeated_total: int = 0
    bytes_received_total: int = 0
    gaps_total: int = 0
    observations_total: int = 0
    reopened_total: int = 0
    commits_total: int = 0
    busy_waits_total: int = 0
    slowed_total: int = 0

    def as_metrics(self) -> dict[str, float]:
        """`chainwatch_ingest_<name>` → value."""
        return {f"chainwatch_ingest_{f.name}": float(getattr(self, f.name)) for f in fields(self)}
