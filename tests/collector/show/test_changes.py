"""The hub: nobody waits for a slow listener, nobody misses the newest."""

import asyncio

from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.views import Change
from hypothesis import given
from hypothesis import strategies as st


async def test_what_is_published_after_subscribing_arrives_even_before_the_first_read() -> None:
    hub = ChangeHub()
    changes = hub.subscribe()
    hub.publish(Change(0, "answer", "p"))
    assert (await anext(changes)).revision == 1
    await changes.aclose()
    assert hub.listeners == 0


async def test_closing_the_hub_ends_every_listener() -> None:
    hub = ChangeHub()
    changes = hub.subscribe()
    waiting = asyncio.create_task(anext(changes, None))
    await asyncio.sleep(0)
    hub.close()
    assert await asyncio.wait_for(waiting, 1) is None
    assert hub.listeners == 0


@given(st.lists(st.sampled_from(["p", "q", None]), min_size=1, max_size=300))
def test_a_slow_listener_holds_one_change_per_pool_and_gets_the_newest(pools: list[str | None]) -> None:
    async def run() -> None:
        hub = ChangeHub()
        changes = hub.subscribe()
        newest = {pool: hub.publish(Change(0, "answer", pool)).revision for pool in pools}
        hub.close()
        got = [(change.pool_uuid, change.revision) async for change in changes]
        assert dict(got) == newest
        assert len(got) == len(newest)

    asyncio.run(run())
