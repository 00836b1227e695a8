"""Maps that a thread changes while others read what they were: copied at the first change after they were shown."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from chainwatch_collector.inventory.blocks import Bitmap, BlockMaps, digest
from chainwatch_collector.inventory.records import Ref, Vdi

Row = TypeVar("Row")


class Table(Generic[Row]):
    """key -> row. What `shown` returned never changes; an equal row is no change."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._is_shown = False

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def get(self, key: str) -> Row | None:
        """The row, if there is one."""
        return self._rows.get(key)

    def put(self, key: str, row: Row) -> Row:
        """Take the place of what was there; the row that is kept, which is the old one where it is equal."""
        if key in self._rows:
            old = self._rows[key]
            if old == row:
                return old
        self._writable()[key] = row
        return row

    def replace(self, key: str, row: Row) -> None:
        """As `put`, of a row that is known to be another."""
        self._writable()[key] = row

    def drop(self, key: str) -> Row | None:
        """The row that was there."""
        return self._writable().pop(key) if key in self._rows else None

    def shown(self) -> Mapping[str, Row]:
        """The rows as they are now: the same object as before when nothing changed."""
        self._is_shown = True
        return self._rows

    def _writable(self) -> dict[str, Row]:
        if self._is_shown:
            self._rows = dict(self._rows)
            self._is_shown = False
        return self._rows


class SrVdis:
    """The VDIs of one SR, and what it takes to keep `merged_blocks` right without keeping a bitmap.

    `merged_blocks` of a parent's only child belongs to two bitmaps. Their digests tell when one changed; then both are
    needed again: `needed` names the VDIs whose record must be put once more before `settle`.
    """

    def __init__(self) -> None:
        self.rows: Table[Vdi] = Table()
        self._children: dict[str, tuple[str, ...]] = {}
        self._digests: dict[str, int] = {}
        self._maps = BlockMaps()
        self._suspects: set[str] = set()

    def put(self, vdi: Vdi, bitmap: Bitmap | None) -> Vdi:
        """Take a VDI as it is now; the record that is kept."""
        uuid, old = vdi.uuid, self.rows.get(vdi.uuid)
        if old is None or old.vhd_parent != vdi.vhd_parent:
            if old is not None:
                self._unlink(uuid, old.vhd_parent)
            self._link(uuid, vdi.vhd_parent)
        elif old.merged_blocks is not None:
            vdi = vdi.with_merged(old.merged_blocks)
        self._see(uuid, bitmap)
        return self.rows.put(uuid, vdi)

    def differs(self, vdi: Vdi, bitmap: Bitmap | None) -> bool:
        """Whether `put` would change anything."""
        old = self.rows.get(vdi.uuid)
        now = None if bitmap is None else digest(bitmap.deflated)
        return old is None or now != self._digests.get(vdi.uuid) or old != vdi.with_merged(old.merged_blocks)

    def drop(self, vdi: Vdi) -> None:
        """It is gone."""
        self._unlink(vdi.uuid, vdi.vhd_parent)
        self._see(vdi.uuid, None)
        self.rows.drop(vdi.uuid)

    def needed(self) -> list[Ref]:
        """VDIs of changed pairs whose bitmap is not at hand."""
        uuids = {one for uuid in self._suspects for one in self._pair(uuid) if one not in self._maps}
        return [vdi.ref for vdi in map(self.rows.get, sorted(uuids)) if vdi is not None]

    def settle(self) -> list[Vdi]:
        """Make `merged_blocks` of the changed pairs and forget the bitmaps; the VDIs that are new thereby."""
        changed = []
        for uuid in self._suspects:
            vdi, pair = self.rows.get(uuid), self._pair(uuid)
            merged = self._maps.merged(*pair) if pair else None
            if vdi is not None and vdi.merged_blocks != merged:
                vdi = vdi.with_merged(merged)
                self.rows.replace(uuid, vdi)
                changed.append(vdi)
        self._suspects.clear()
        self._maps = BlockMaps()
        return changed

    def _pair(self, uuid: str) -> tuple[str, str] | tuple[()]:
        """(child, parent) where the one is the only child of the other and both have a bitmap."""
        vdi = self.rows.get(uuid) if uuid in self._digests else None
        parent = vdi.vhd_parent if vdi is not None else None
        if parent is None or parent not in self._digests or self._children.get(parent) != (uuid,):
            return ()
        return uuid, parent

    def _see(self, uuid: str, bitmap: Bitmap | None) -> None:
        if bitmap is None and uuid not in self._digests:
            return
        self._maps.add(uuid, bitmap)
        now = None if bitmap is None else digest(bitmap.deflated)
        if now == self._digests.get(uuid):
            return
        if now is None:
            del self._digests[uuid]
        else:
            self._digests[uuid] = now
        self._suspects.add(uuid)
        self._suspect_children(uuid)

    def _link(self, uuid: str, parent: str | None) -> None:
        if parent is not None:
            self._children[parent] = (*self._children.get(parent, ()), uuid)
            self._suspect_children(parent)
            self._suspects.add(uuid)

    def _unlink(self, uuid: str, parent: str | None) -> None:
        left = tuple(child for child in self._children.get(parent or "", ()) if child != uuid)
        if parent is not None and left:
            self._children[parent] = left
            self._suspect_children(parent)
        elif parent is not None:
            self._children.pop(parent, None)

    def _suspect_children(self, parent: str) -> None:
        # With two children neither has a pair any more; beyond, none of them had one before.
        children = self._children.get(parent, ())
        if len(children) <= 2:
            self._suspects.update(children)
