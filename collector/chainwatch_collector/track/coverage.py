"""How far the log of a host is known: what "nothing happened" rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The newest contiguous stretch of a host's log.

    `since`: where it began (the first line after the last gap, or of all); `until`: up to when everything is read, by
    the agent's clock where the log is quiet; `lost_bytes`: rotated away unread in all; `behind_bytes`: not yet read.
    """

    since: datetime | None = None
    until: datetime | None = None
    lost_bytes: int = 0
    behind_bytes: int = 0
