"""The export of windows: nobody waits for it but the tenant that asks for another one."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from issuer.windows.export import everything
from schemas.window_record import ENERGIES
from tests.fakes.window_node import WindowNode, post_window


async def test_others_get_on_while_the_rows_of_a_window_are_built(site):
    node = WindowNode()
    tiny = dict.fromkeys((name for name in ENERGIES if name != "accelerator_active_mj"), 0)
    taken = await post_window(site, node.zipped(node.records(1_000, accelerator_active_mj=1, **tiny)))
    assert taken.status_code == 201, taken.text
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    store = site.store()
    beside = asyncio.create_task(others())
    seen = [turns async for _ in everything(store, "acme")]
    beside.cancel()
    await store.close()
    assert len(seen) == 1_000
    assert max(Counter(seen).values()) <= 200


async def test_one_export_of_a_tenant_is_made_at_a_time_and_others_do_not_wait_for_it(site):
    await site.telemetry()
    turns = site.service.app.state["service"].limits.exports
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.of("acme"))
        own = asyncio.create_task(site.get("/api/v1/compliance/export"))
        assert (await site.get("/api/v1/compliance/export", tenant="umbra")).status_code == 200
        assert not own.done()
    assert (await own).status_code == 200


async def test_who_does_not_get_the_tenants_turn_is_told_before_the_table_begins(site):
    turns = site.service.app.state["service"].limits.exports
    turns._wait_s = 0.01
    async with turns.of("acme"):
        answer = await site.get("/api/v1/compliance/export")
    assert answer.status_code == 503
    assert "exports of this tenant" in answer.json()["detail"]
    assert (await site.get("/api/v1/compliance/export")).status_code == 200
