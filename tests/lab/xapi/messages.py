"""Messages: files beside the database in xapi, so a table of their own with a generation of their own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.xapi.database import Database, Deletion, Row
from lab.xapi.failures import XapiError, handle_invalid
from lab.xapi.values import Record, new_ref, new_uuid

LIMIT = 10_000
"""xapi keeps the newest 10,000."""


@dataclass
class Messages:
    """All messages, oldest first. They take generations from the database's counter.

    `moments`: when each came, to the microsecond, as its file's name has it; the record has whole seconds.
    """

    database: Database
    rows: dict[str, Row] = field(default_factory=dict)
    deletions: list[Deletion] = field(default_factory=list)
    moments: dict[str, datetime] = field(default_factory=dict)

    def create(
        self, name: str, priority: int, class_name: str, obj_uuid: str, body: str, at: datetime | None = None
    ) -> str:
        """A new message; its reference. Older ones go when there are too many."""
        generation = self._next()
        ref = new_ref()
        moment = at or datetime.now(UTC)
        record: Record = {
            "uuid": new_uuid(),
            "name": name,
            "priority": priority,
            "cls": class_name,
            "obj_uuid": obj_uuid,
            "timestamp": moment.replace(microsecond=0),
            "body": body,
        }
        self.rows[ref] = Row(ref, record, generation)
        self.moments[ref] = moment
        while len(self.rows) > LIMIT:
            self.destroy(next(iter(self.rows)))
        self.database.on_change()
        return ref

    def row(self, ref: str) -> Row:
        """Raises HANDLE_INVALID."""
        try:
            return self.rows[ref]
        except KeyError:
            raise handle_invalid("message", ref) from None

    def by_uuid(self, uuid: str) -> str:
        """The reference. Raises UUID_INVALID."""
        for ref, row in self.rows.items():
            if row.fields["uuid"] == uuid:
                return ref
        raise XapiError("UUID_INVALID", "message", uuid)

    def destroy(self, ref: str) -> None:
        """Raises HANDLE_INVALID."""
        row = self.row(ref)
        del self.rows[ref], self.moments[ref]
        self.deletions.append(Deletion(ref, row.created, self._next()))
        self.database.on_change()

    def since(self, moment: datetime) -> dict[str, Row]:
        """What `message.get_since` returns: those that came after `moment` (xapi_message.ml)."""
        return {ref: row for ref, row in self.rows.items() if self.moments[ref] > moment}

    def of(self, class_name: str, uuid: str, moment: datetime) -> dict[str, Row]:
        """What `message.get` returns: an object's, whose timestamp is after `moment`."""
        wanted = (class_name, uuid)
        return {
            ref: row
            for ref, row in self.rows.items()
            if row.fields["timestamp"] > moment and (row.fields["cls"], row.fields["obj_uuid"]) == wanted
        }

    def restart(self) -> None:
        """The files are read anew: deletions forgotten, no generation beyond the database's."""
        self.deletions.clear()
        for row in self.rows.values():
            row.created = row.modified = min(row.created, self.database.generation)

    def _next(self) -> int:
        self.database.generation += 1
        return self.database.generation
