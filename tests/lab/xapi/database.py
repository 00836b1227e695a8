"""xapi's database: tables of rows, one generation counter, deletions remembered for a while.

Rules of `db_cache_types.ml`: every write that changes something takes the next generation; a write that changes nothing
leaves no trace; Set(Ref) fields that mirror a reference are maintained and count as a modification of the row that
has them; a table remembers its deletions, cut to the newest 256 when they reach 512, and none after a restart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.xapi import schema
from lab.xapi.failures import XapiError, handle_invalid
from lab.xapi.values import NULL, Record, RefSet, new_ref, new_uuid

DELETIONS_MAX = 512
DELETIONS_KEPT = 256


class Row:
    """One object. `json` and `xml` cache its encoding until it changes."""

    __slots__ = ("created", "fields", "json", "modified", "ref", "xml")

    def __init__(self, ref: str, fields: Record, generation: int) -> None:
        self.ref = ref
        self.fields = fields
        self.created = generation
        self.modified = generation
        self.json: bytes | None = None
        self.xml: bytes | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A row that was: when it was created, when it went, in generations."""

    ref: str
    created: int
    deleted: int


@dataclass
class Table:
    """All objects of a class. `order` has the references by last modification, oldest first."""

    name: str
    rows: dict[str, Row] = field(default_factory=dict)
    by_uuid: dict[str, str] = field(default_factory=dict)
    order: dict[str, None] = field(default_factory=dict)
    deletions: list[Deletion] = field(default_factory=list)

    def changed_since(self, generation: int) -> Iterator[Row]:
        """Rows modified after `generation`, newest first."""
        for ref in reversed(self.order):
            row = self.rows[ref]
            if row.modified <= generation:
                return
            yield row

    def remember_deletion(self, deletion: Deletion) -> None:
        self.deletions.append(deletion)
        if len(self.deletions) >= DELETIONS_MAX:
            self.deletions = self.deletions[-DELETIONS_KEPT:]


class Database:
    """All tables. `on_change` is called after every write that changed something."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.tables = {name: Table(name) for name in schema.CLASSES}
        self.generation = 1
        self.on_change = on_change

    def create(self, class_name: str, ref: str | None = None, **fields: Any) -> str:
        """A new object with the class's defaults under `fields`; its reference."""
        known = schema.defaults(class_name)
        unknown = fields.keys() - known.keys()
        if unknown:
            raise KeyError(f"{class_name} has no field {sorted(unknown)}")
        record: Record = {**known, **fields}
        if "uuid" in record:
            record["uuid"] = record["uuid"] or new_uuid()
        table = self.tables[class_name]
        row = Row(ref or new_ref(), record, self._next())
        table.rows[row.ref] = row
        table.order[row.ref] = None
        if "uuid" in record:
            table.by_uuid[record["uuid"]] = row.ref
        for name in schema.mirrors(class_name):
            self._mirror(class_name, name, row.ref, NULL, record[name])
        self.on_change()
        return row.ref

    def row(self, class_name: str, ref: str) -> Row:
        """Raises HANDLE_INVALID."""
        try:
            return self.tables[class_name].rows[ref]
        except KeyError:
            raise handle_invalid(class_name, ref) from None

    def get(self, class_name: str, ref: str) -> Record:
        """The live record; change it through `set` only. Raises HANDLE_INVALID."""
        return self.row(class_name, ref).fields

    def by_uuid(self, class_name: str, uuid: str) -> str:
        """The reference. Raises UUID_INVALID."""
        try:
            return self.tables[class_name].by_uuid[uuid]
        except KeyError:
            raise XapiError("UUID_INVALID", class_name, uuid) from None

    def exists(self, class_name: str, ref: str) -> bool:
        return ref in self.tables[class_name].rows

    def set(self, class_name: str, ref: str, **fields: Any) -> None:
        """Write fields; those that do not change are not written."""
        row = self.row(class_name, ref)
        changed = {name: value for name, value in fields.items() if row.fields[name] != value}
        if not changed:
            return
        for name, value in changed.items():
            if name in schema.mirrors(class_name):
                self._mirror(class_name, name, ref, row.fields[name], value)
            row.fields[name] = value
        self._touch(self.tables[class_name], row)
        self.on_change()

    def add_to(self, class_name: str, ref: str, name: str, key: str, value: str) -> None:
        """One key of a map. Raises MAP_DUPLICATE_KEY."""
        current = self.get(class_name, ref)[name]
        if key in current:
            raise XapiError("MAP_DUPLICATE_KEY", class_name, name, ref, key)
        self.set(class_name, ref, **{name: {**current, key: value}})

    def put(self, class_name: str, ref: str, name: str, entries: dict[str, str]) -> None:
        """Keys of a map, whether they exist or not."""
        self.set(class_name, ref, **{name: {**self.get(class_name, ref)[name], **entries}})

    def remove_from(self, class_name: str, ref: str, name: str, *keys: str) -> None:
        """Keys of a map; an absent one is nothing."""
        current = self.get(class_name, ref)[name]
        self.set(class_name, ref, **{name: {k: v for k, v in current.items() if k not in keys}})

    def touch(self, class_name: str, ref: str) -> int:
        """What `event.inject` does: a modification without a change. Returns the generation before it."""
        before = self.generation
        self._touch(self.tables[class_name], self.row(class_name, ref))
        self.on_change()
        return before

    def destroy(self, class_name: str, ref: str) -> None:
        """Raises HANDLE_INVALID."""
        row = self.row(class_name, ref)
        table = self.tables[class_name]
        del table.rows[ref], table.order[ref]
        table.by_uuid.pop(row.fields.get("uuid", ""), None)
        for name in schema.mirrors(class_name):
            self._mirror(class_name, name, ref, row.fields[name], NULL)
        table.remember_deletion(Deletion(ref, row.created, self._next()))
        self.on_change()

    def restart(self, lost_generations: int = 0) -> None:
        """As read from disk: deletions forgotten. A new coordinator's copy may be some generations behind."""
        self.generation = max(1, self.generation - lost_generations)
        for table in self.tables.values():
            table.deletions.clear()
            for row in table.rows.values():
                row.created = min(row.created, self.generation)
                row.modified = min(row.modified, self.generation)
        self.on_change()

    def _next(self) -> int:
        self.generation += 1
        return self.generation

    def _touch(self, table: Table, row: Row) -> None:
        row.modified = self._next()
        row.json = row.xml = None
        del table.order[row.ref]
        table.order[row.ref] = None

    def _mirror(self, class_name: str, name: str, ref: str, old: str, new: str) -> None:
        """Keep the Set(Ref) on the other side of `class_name.name`."""
        other_class, other_field = schema.mirrors(class_name)[name]
        table = self.tables[other_class]
        for other, add in ((old, False), (new, True)):
            row = table.rows.get(other)
            if row is None:
                continue
            refs: RefSet = row.fields[other_field]
            if add:
                refs[ref] = None
            else:
                refs.pop(ref, None)
            self._touch(table, row)
