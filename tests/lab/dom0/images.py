"""Images of a file SR as SM prints them: sizes, names, trees (SM 3.2.12 `cleanup.py`; smlog.md 1.6)."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK_BYTES = 2 << 20


@dataclass
class Image:
    """One VHD. `blocks` are the numbers of the 2 MiB blocks it has allocated; SM prints their size once it asked."""

    uuid: str
    parent: str | None
    hidden: bool
    virtual_bytes: int
    blocks: frozenset[int] = frozenset()
    corrupt: bool = False
    footer_lost: bool = False
    queried: bool = False

    @property
    def fails_check(self) -> bool:
        """Whether `vhd-util check` finds it damaged."""
        return self.corrupt or self.footer_lost

    @property
    def physical_bytes(self) -> int:
        """Blocks with their 512-byte bitmaps, and 8.5 KiB of metadata."""
        return len(self.blocks) * (BLOCK_BYTES + 512) + 8704

    def __str__(self) -> str:
        star = "*" if self.hidden else ""
        allocated = f"/{num2str(len(self.blocks) * BLOCK_BYTES)}" if self.queried else "?"
        return f"{star}{self.uuid[:8]}({num2str(self.virtual_bytes)}/{num2str(self.physical_bytes)}{allocated})"


@dataclass
class Images:
    """The VHDs of one SR, by uuid."""

    sr_uuid: str
    name: str = "Local storage"
    free_bytes: int = 1 << 40
    by_uuid: dict[str, Image] = field(default_factory=dict)

    def add(self, *images: Image) -> None:
        self.by_uuid.update({image.uuid: image for image in images})

    def children(self, uuid: str) -> list[Image]:
        return [image for image in self.by_uuid.values() if image.parent == uuid]

    def roots(self) -> list[Image]:
        return [image for image in self.by_uuid.values() if image.parent not in self.by_uuid]

    def tree(self, root: Image, depth: int = 0) -> Iterator[tuple[int, Image]]:
        yield depth, root
        for child in self.children(root.uuid):
            yield from self.tree(child, depth + 1)

    def header(self, rest: str) -> str:
        return (
            f"SR {self.sr_uuid[:4]} ('{self.name}') ({len(self.by_uuid)} VDIs in {len(self.roots())} VHD trees): {rest}"
        )

    def dump(self, roots: list[Image] | None = None, gone: tuple[str, ...] = ()) -> Iterator[str]:
        """A full tree, or only the trees that changed."""
        yield self.header("" if roots is None else "showing only VHD trees that changed:")
        for root in self.roots() if roots is None else roots:
            for depth, image in self.tree(root):
                yield f"{' ' * (8 + 4 * depth)}{image}"
        for uuid in gone:
            yield f"Tree {uuid} gone"
        yield ""

    def path(self, image: Image) -> str:
        return f"/var/run/sr-mount/{self.sr_uuid}/{image.uuid}.vhd"

    def root_of(self, image: Image) -> Image:
        while image.parent in self.by_uuid:
            image = self.by_uuid[image.parent]
        return image

    def height(self, root: Image) -> int:
        return 1 + max(depth for depth, _ in self.tree(root))

    def inner_candidate(self, skip: frozenset[str]) -> Image | None:
        """SM's rule (smlog.md 3.4): hidden, with children, the only child of its parent; the tallest tree first."""
        fit = [image for image in self.by_uuid.values() if self.is_inner(image) and image.uuid not in skip]
        return max(fit, key=lambda image: self.height(self.root_of(image)), default=None)

    def is_inner(self, image: Image) -> bool:
        return image.hidden and self._only_child(image) and bool(self.children(image.uuid))

    def leaf_candidate(self, skip: frozenset[str]) -> Image | None:
        """Visible, without children, the only child of its parent."""
        fit = (image for image in self.by_uuid.values() if self.is_leaf(image) and image.uuid not in skip)
        return next(fit, None)

    def is_leaf(self, image: Image) -> bool:
        return not image.hidden and self._only_child(image) and not self.children(image.uuid)

    def _only_child(self, image: Image) -> bool:
        return image.parent in self.by_uuid and len(self.children(image.parent or "")) == 1


def num2str(count_bytes: int) -> str:
    """SM's `Util.num2str`: never T."""
    for unit, letter in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if count_bytes >= unit:
            return f"{count_bytes / unit:.3f}{letter}"
    return str(count_bytes)


def vhd_blocks(image: Image) -> str:
    """`sm_config["vhd-blocks"]`: base64 of zlib of the bitmap."""
    bits = bytearray((image.virtual_bytes // BLOCK_BYTES + 7) // 8)
    for block in image.blocks:
        bits[block // 8] |= 0x80 >> block % 8
    return base64.b64encode(zlib.compress(bytes(bits))).decode()
