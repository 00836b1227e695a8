"""The agent's own totals, by the names of proto/README.md 7.5."""

from typing import Dict

NAMES = (
    "lines_selected_total",
    "bytes_read_total",
    "bytes_selected_total",
    "bytes_sent_total",
    "spans_sent_total",
    "spans_acked_total",
    "scrubbed_total",
    "lines_cut_total",
    "files_opened_total",
    "files_reopened_total",
    "rotations_total",
    "gaps_total",
    "read_errors_total",
    "reconnects_total",
    "superseded_total",
    "unknown_messages_total",
    "observations_dropped_total",
    "process_events_total",
    "process_events_lost_total",
    "window_waits_total",
    "checkpoint_errors_total",
)


class Counters:
    """Totals since the agent's start."""

    def __init__(self) -> None:
        self._totals = dict.fromkeys(NAMES, 0)

    def add(self, name: str, amount: int = 1) -> None:
        """Count. `name` is one of `NAMES`."""
        self._totals[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._totals[name]

    def values(self) -> Dict[str, float]:
        """All of them."""
        return {name: float(total) for name, total in self._totals.items()}
