"""Which pool a host's evidence belongs to: the one whose picture has the host. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.keep.rows import HostRow

UNASSIGNED: Final = "00000000-0000-0000-0000-000000000000"
"""The pool of hosts that no configured pool has: their evidence is read all the same (HOST_UNASSIGNED)."""


def assign(
    hosts: Iterable[HostRow], pictures: Mapping[str, Picture], earlier: Mapping[int, str], settled: bool
) -> dict[int, str]:
    """host id → pool uuid; a host that cannot be placed yet is left out.

    `earlier`: where hosts were folded before. A pool that cannot be asked keeps them. `settled`: every configured pool
    has said which hosts it has, or was waited for long enough; before that nobody is called unassigned.
    """
    homes = {host.uuid: pool for pool, picture in pictures.items() for host in picture.hosts.values()}
    placed: dict[int, str] = {}
    for host in hosts:
        home = homes.get(host.uuid) or _kept(earlier.get(host.host_id), pictures, settled)
        if home is None and settled:
            home = UNASSIGNED
        if home is not None:
            placed[host.host_id] = home
    return placed


def _kept(before: str | None, pictures: Mapping[str, Picture], settled: bool) -> str | None:
    """The pool that had the host, unless it has said that it has not, or is no longer configured."""
    if before is None or before == UNASSIGNED or _asked(pictures.get(before)):
        return None
    return before if before in pictures or not settled else None


def _asked(picture: Picture | None) -> bool:
    """Whether this pool's list of hosts is known, so that a host that is not in it is not in the pool."""
    return picture is not None and picture.pool is not None and bool(picture.hosts)
