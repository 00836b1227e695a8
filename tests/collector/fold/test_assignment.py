"""Hosts find their pool by the inventory, keep it while XenAPI is away, and are nobody's only when all were asked."""

from datetime import UTC, datetime

from chainwatch_collector.fold.assignment import UNASSIGNED, assign
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Pool
from chainwatch_collector.keep.rows import HostRow

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
A, B = "pool-a", "pool-b"


def row(host_id: int) -> HostRow:
    return HostRow(host_id, f"uuid-{host_id}", "", False, "", "", "", "UTC", 0, (), 0.0, NOW, NOW, NOW, 0, 1)


def picture(pool: str, *host_ids: int) -> Picture:
    hosts = {f"ref-{n}": Host(ref=f"ref-{n}", uuid=f"uuid-{n}", name=f"host-{n}") for n in host_ids}
    return Picture(pool=Pool(ref="p", uuid=pool, name=pool, master_ref=None), as_of=NOW, hosts=hosts)


NEVER = Picture(pool=None, as_of=None, problem="no route to host")


def test_a_host_goes_where_the_inventory_has_it() -> None:
    pictures = {A: picture(A, 1), B: picture(B, 2)}
    assert assign([row(1), row(2), row(3)], pictures, {1: B, 2: UNASSIGNED}, True) == {1: A, 2: B, 3: UNASSIGNED}


def test_nobody_is_unassigned_before_all_pools_were_asked() -> None:
    assert assign([row(1), row(2)], {A: picture(A, 1)}, {2: UNASSIGNED}, False) == {1: A}


def test_a_pool_that_cannot_be_asked_keeps_its_hosts() -> None:
    assert assign([row(1)], {A: NEVER}, {1: A}, True) == {1: A}
    assert assign([row(1)], {}, {1: A}, False) == {1: A}


def test_a_host_that_left_and_a_pool_that_is_not_configured_any_more_let_go() -> None:
    assert assign([row(1)], {A: picture(A, 2)}, {1: A}, True) == {1: UNASSIGNED}
    assert assign([row(1)], {B: picture(B)}, {1: A}, True) == {1: UNASSIGNED}
