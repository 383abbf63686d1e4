"""Pages, exports, and whose credentials they show."""

import random

import pytest

from issuer.store.errors import CursorError
from schemas import base64url
from tests.fakes.stored import NOW_US, build, issued, reservation


async def _issue_many(store, ends, **changes):
    return [
        await issued(store, inference_id=f"i-{number}-{end}", period_end_us=end, **changes)
        for number, end in enumerate(ends)
    ]


async def _follow(store, limit, between=None, **filters):
    shown, cursor = [], None
    while True:
        page = await store.credentials.page("acme", limit, cursor, **filters)
        shown.extend(page.rows)
        if page.next_cursor is None:
            return shown
        cursor = page.next_cursor
        if between is not None:
            await between()


async def test_a_page_shows_the_newest_period_first(store):
    await _issue_many(store, [5, 9, 7])
    assert [row.period_end_us for row in (await store.credentials.page("acme")).rows] == [9, 7, 5]


async def test_the_last_page_has_no_cursor(store):
    await _issue_many(store, [1, 2])
    assert (await store.credentials.page("acme", 2)).next_cursor is None
    assert (await store.credentials.page("acme", 1)).next_cursor is not None


async def test_an_empty_store_has_an_empty_page(store):
    assert await store.credentials.page("acme") == ((), None)


@pytest.mark.parametrize("seed", [1, 2])
async def test_pages_show_each_row_once_while_others_are_issued(store, seed):
    source = random.Random(seed)
    before = await _issue_many(store, [source.randrange(8) for _ in range(12)])
    added = iter(range(1000))

    async def issue_another():
        await issued(store, inference_id=f"late-{next(added)}", period_end_us=source.randrange(10))

    shown = await _follow(store, 3, issue_another)
    ids = [row.id for row in shown]
    assert len(ids) == len(set(ids))
    assert {row.id for row in before} <= set(ids)
    keys = [(row.period_end_us, row.id) for row in shown]
    assert keys == sorted(keys, reverse=True)


async def test_only_issued_credentials_are_shown(store):
    await store.credentials.reserve(reservation(), build)
    assert (await store.credentials.page("acme")).rows == ()


async def test_a_page_is_filtered_by_model_node_and_time(store):
    await _issue_many(store, [1, 2, 3], model_id="org/a")
    await store.credentials.page("acme")
    await issued(store, inference_id="b", model_id="org/b", node_id="umbra-node", period_end_us=2)

    async def ends(**filters):
        return [row.period_end_us for row in (await store.credentials.page("acme", **filters)).rows]

    assert await ends(model_id="org/a") == [3, 2, 1]
    assert await ends(node_id="umbra-node") == [2]
    assert await ends(since_us=2) == [3, 2, 2]
    assert await ends(until_us=2) == [1]
    assert await ends(model_id="org/a", since_us=2, until_us=3) == [2]
    assert await ends(model_id="org/c") == []


async def test_filters_hold_on_every_page(store):
    await _issue_many(store, [1, 2, 3, 4], model_id="org/a")
    await issued(store, inference_id="b", model_id="org/b", period_end_us=2)
    assert len(await _follow(store, 1, model_id="org/a")) == 4


@pytest.mark.parametrize(
    "cursor",
    ["", "!", "AAAA", base64url.encode(b"x.y"), base64url.encode(b"1" * 90), base64url.encode(b"\xff"), "A" * 500],
)
async def test_a_cursor_that_is_not_ours_is_refused(store, cursor):
    with pytest.raises(CursorError):
        await store.credentials.page("acme", cursor=cursor)


async def test_a_forged_cursor_shows_no_other_tenant(store):
    theirs = await issued(store, tenant_id="umbra", node_id="umbra-node")
    forged = base64url.encode(f"{NOW_US + 1}.{theirs.id}".encode())
    assert (await store.credentials.page("acme", cursor=forged)).rows == ()


async def test_no_query_shows_another_tenants_credential(store):
    theirs = await issued(store, tenant_id="umbra", node_id="umbra-node")
    credentials = store.credentials
    assert await credentials.by_id(theirs.id, tenant_id="acme") is None
    assert await credentials.by_inference("acme", "inference-1") is None
    assert (await credentials.page("acme")).rows == ()
    assert [row async for row in credentials.export("acme")] == []
    totals = await credentials.emissions("acme")
    assert totals.measured.count == totals.simulated.count == totals.suspended.count == totals.revoked.count == 0


async def test_the_tenant_itself_and_an_administrator_see_it(store):
    theirs = await issued(store, tenant_id="umbra", node_id="umbra-node")
    for tenant_id in ("umbra", None):
        assert await store.credentials.by_id(theirs.id, tenant_id=tenant_id) == theirs
        assert (await store.credentials.page(tenant_id)).rows == (theirs,)
        assert [row async for row in store.credentials.export(tenant_id)] == [theirs]
        assert (await store.credentials.emissions(tenant_id)).measured.count == 1


async def test_an_export_gives_every_credential_oldest_first(store):
    await _issue_many(store, [4, 1, 3, 2, 2])
    assert [row.period_end_us async for row in store.credentials.export("acme", batch_size=2)] == [1, 2, 2, 3, 4]
    assert [row.period_end_us async for row in store.credentials.export("acme", 2, 4, batch_size=2)] == [2, 2, 3]


async def test_an_export_shows_the_status(store):
    credential = await issued(store)
    await store.status.revoke(credential.id, "mistake", "auditor", NOW_US + 9, tenant_id="acme")
    assert [row.revoked_us async for row in store.credentials.export("acme")] == [NOW_US + 9]


async def test_an_export_leaves_out_credentials_that_state_the_same_energy_again(store):
    await issued(store, credential_type="GreenComputeWindowCredential")
    assert [row async for row in store.credentials.export("acme")] == []
    assert len((await store.credentials.page("acme")).rows) == 1


async def test_a_slow_export_holds_no_transaction_open(store):
    await _issue_many(store, [1, 2])
    rows = store.credentials.export("acme", batch_size=1)
    assert (await anext(rows)).period_end_us == 1
    await issued(store, inference_id="between", period_end_us=3)
    assert [row.period_end_us async for row in rows] == [2, 3]


@pytest.mark.parametrize("limit", [0, -5])
async def test_a_limit_below_one_counts_as_one(store, limit):
    await _issue_many(store, [1, 2])
    assert len((await store.credentials.page("acme", limit)).rows) == 1
