"""From what a log printed to full uuids, by the inventory: only where exactly one fits. Pure."""

from collections.abc import Mapping

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Vdi


class PictureNames:
    """Look-ups in one pool's newest picture, kept per SR while its VDIs are the same."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._srs: dict[str, str] = {}
        self._vdis: dict[str, tuple[Mapping[str, Vdi], dict[str, str | None]]] = {}

    def see(self, picture: Picture) -> None:
        """A newer picture."""
        before, self._picture = self._picture, picture
        if before is None or before.srs is not picture.srs:
            self._srs = {sr.uuid: ref for ref, sr in picture.srs.items()}
            self._vdis = {sr: kept for sr, kept in self._vdis.items() if sr in self._srs}

    def sr(self, printed: str) -> str:
        """The full uuid of an SR that was printed in full or with its first 4 digits."""
        if len(printed) == 36:
            return printed
        found = [uuid for uuid in self._srs if uuid.startswith(printed)]
        return found[0] if len(found) == 1 else printed

    def vdi(self, sr: str | None, printed: str) -> str:
        """The full uuid of a VDI of this SR; `OLD_` names and unknown prefixes stay as printed."""
        if len(printed) == 36 or sr is None or self._picture is None or sr not in self._srs:
            return printed
        return self._prefixes(sr, self._picture.vdis(self._srs[sr])).get(printed) or printed

    def _prefixes(self, sr: str, vdis: Mapping[str, Vdi]) -> dict[str, str | None]:
        kept = self._vdis.get(sr)
        if kept is not None and kept[0] is vdis:
            return kept[1]
        table: dict[str, str | None] = {}
        for uuid in vdis:
            table[uuid[:8]] = None if uuid[:8] in table else uuid
        self._vdis[sr] = (vdis, table)
        return table
