"""How far a host's log is known: from the cursors, the lines and the agent's newest Status. Pure."""

from collections.abc import Mapping
from datetime import datetime

from chainwatch_collector.keep.rows import Cursor
from chainwatch_collector.track.coverage import Coverage
from chainwatch_collector.track.observations import LogSeen, StatusObserved


class CoverageWatch:
    """One host's stretch since its last gap."""

    def __init__(self) -> None:
        self.since: datetime | None = None
        self.newest_at: datetime | None = None
        self.lost_bytes = 0
        self.status: StatusObserved | None = None

    def read(self, newest_at: datetime | None) -> None:
        """Lines were read, the newest of this time."""
        self.since = self.since or newest_at
        self.newest_at = newest_at or self.newest_at

    def gap(self, missing_bytes: int) -> None:
        """What comes now does not follow on what came before."""
        self.since = None
        self.lost_bytes += missing_bytes

    def resume(self, before: Coverage, newest_at: datetime | None) -> None:
        """Go on from what was known before a restart."""
        self.since, self.newest_at, self.lost_bytes = before.since, newest_at, before.lost_bytes

    def coverage(self, cursors: Mapping[str, Cursor], more: bool) -> Coverage:
        """`more`: committed lines wait to be read."""
        behind = self._behind(cursors)
        quiet_until = self.status.at if self.status is not None and behind == 0 and not more else None
        known = [at for at in (self.newest_at, quiet_until) if at is not None]
        return Coverage(
            since=self.since,
            until=max(known, default=None),
            lost_bytes=self.lost_bytes,
            behind_bytes=behind or 0,
        )

    def _behind(self, cursors: Mapping[str, Cursor]) -> int | None:
        """Bytes of the SMlog on disk that are not committed; None where no Status says how long it is."""
        log = self.sm_log()
        if log is None or log.problem:
            return None
        cursor = cursors.get(log.path, Cursor())
        if log.read_to < log.size_bytes:
            return log.size_bytes - log.read_to
        return max(0, log.read_to - cursor.offset)

    def sm_log(self) -> LogSeen | None:
        """What the agent's newest Status says of the SMlog."""
        logs = self.status.logs if self.status is not None else ()
        return next((log for log in logs if log.path.rsplit("/", 1)[-1] == "SMlog"), None)
