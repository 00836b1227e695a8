"""Names of pools and what they stand for."""

from datetime import UTC, datetime

from chainwatch_collector.keep.pools import PoolRow, load_pools, save_pool
from collector.keep.conftest import Store

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def test_a_name_stands_for_one_pool(store: Store) -> None:
    assert store.readers.call(load_pools) == {}
    first, second = PoolRow("u1", "prod", {"members": ["a"]}), PoolRow("u2", "prod", {})
    other = PoolRow("u3", "lab", {})
    for row in (first, other, second, other):
        store.writer.write(lambda connection, row=row: save_pool(connection, row, NOW))  # type: ignore[misc]
    assert store.readers.call(load_pools) == {"prod": second, "lab": other}
