"""Since when each merge of an SR is pending and each image is garbage, as the inventory has shown it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.chains.forest import Forest

PENDING = ("inner_pending", "leaf_pending", "blocked")


@dataclass(slots=True)
class Since:
    """VDI uuid → when the pictures first showed it so, without a pause since."""

    pending: dict[str, datetime] = field(default_factory=dict)
    garbage: dict[str, datetime] = field(default_factory=dict)

    def see(self, forest: Forest, at: datetime) -> Since:
        """With a newer forest; a new object, so that states made before keep theirs."""
        nodes = forest.nodes
        return Since(
            _carried(self.pending, (uuid for uuid, node in nodes.items() if node.status in PENDING), at),
            _carried(self.garbage, (uuid for uuid, node in nodes.items() if node.status == "garbage"), at),
        )


def _carried(before: dict[str, datetime], now: Iterable[str], at: datetime) -> dict[str, datetime]:
    return {uuid: before.get(uuid, at) for uuid in now}
