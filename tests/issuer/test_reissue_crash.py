"""Superseding where processes work at once, stop between two steps, or meet an operator: one stands at any time."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from issuer.export import status_of
from tests.fakes.issuer import FixedClock
from tests.fakes.reissuing import Reissuing, claims
from tests.fakes.window_node import WindowNode


@pytest.fixture
async def place(any_site):
    """An issuer whose slots of the hour are estimates, beside a service over the same database."""
    store = any_site.store()
    built = Reissuing.over(store, any_site.clock)
    await built.estimate()
    yield built
    await store.close()


async def test_however_many_work_at_once_there_is_one_successor(any_site, place):
    old = [await place.record(f"inference-{number}") for number in range(4)]
    window = await place.window(WindowNode())
    await place.settle()
    others = [Reissuing.over(any_site.store(), any_site.clock) for _ in range(3)]
    await asyncio.gather(*(one.issuance.reissue.run_once() for one in (place, *others)))
    assert (await place.issuance.reissue.run_once()).reissued == 0
    for other in others:
        await other.store.close()
    page = await place.store.credentials.page(None)
    assert len(page.rows) == 2 * len([*old, window])
    for row in (*old, window):
        assert status_of(await place.stored(row.id)) == "superseded"
        assert status_of(await place.current(row)) == "valid"
    entries = [one for one in await place.store.log.page() if one.action == "supersede"]
    assert sorted(one.target for one in entries) == sorted(row.id for row in (*old, window))


async def test_one_round_does_no_more_than_it_may_and_the_next_goes_on(place):
    for number in range(5):
        await place.record(f"inference-{number}")
    await place.settle()
    reissue = place.issuance.reissue
    done = [await reissue.run_once(2) for _ in range(3)]
    assert [(one.reissued, one.more) for one in done] == [(2, True), (2, True), (1, False)]


async def test_a_process_that_stops_before_the_new_one_is_complete_leaves_the_old_one_valid(place):
    rows = [await place.record("posted"), await place.window(WindowNode())]
    await place.settle()

    async def stopped(*_, **__):
        raise KeyboardInterrupt

    async def statuses():
        return sorted([status_of(await place.stored(row.id)) for row in rows])

    # The store's own method: what stops here is the process, between two transactions.
    complete = place.store.credentials.complete
    for before, after in ((["valid"] * 2, ["superseded", "valid"]), (["superseded", "valid"], ["superseded"] * 2)):
        place.store.credentials.complete = stopped
        with pytest.raises(KeyboardInterrupt):
            await place.issuance.reissue.run_once()
        place.store.credentials.complete = complete
        assert await statuses() == before
        assert (await place.totals()).measured.count == 4
        assert (await place.issuance.resume_pending()).issued == 1
        assert await statuses() == after
    for row in rows:
        assert status_of(await place.current(row)) == "valid"
    assert (await place.totals()).measured.count == 4
    assert (await place.issuance.reissue.run_once()).reissued == 0


@pytest.mark.parametrize("step", ["close_claim", "count_change", "append_entry", "_share_again"])
async def test_a_transaction_that_breaks_off_at_any_step_changes_nothing(place, monkeypatch, step):
    row = await place.window(WindowNode())
    single = await place.single("inference-1")
    await place.settle()

    async def broken(*_, **__):
        raise RuntimeError("broken off")

    with monkeypatch.context() as patch:
        patch.setattr(f"issuer.store.supersession.{step}", broken)
        with pytest.raises(RuntimeError, match="broken off"):
            await place.issuance.reissue.run_once()
    assert {status_of(await place.stored(one.id)) for one in (row, single)} == {"valid"}
    assert await place.store.credentials.successor(row.id) is None
    assert (await place.issuance.resume_pending()).issued == 1
    assert {status_of(await place.stored(one.id)) for one in (row, single)} == {"superseded"}
    totals = (await place.totals()).measured
    assert totals.emissions_gco2e == {"lifecycle": totals.energy_kwh * 250}


async def test_one_that_is_revoked_while_its_successor_is_made_gets_none(place):
    row = await place.record()
    await place.settle()
    complete = place.store.credentials.complete

    async def later(*arguments):
        await place.store.status.revoke(row.id, "", "cli", 1, tenant_id=None)
        return await complete(*arguments)

    place.store.credentials.complete = later
    done = await place.issuance.reissue.run_once()
    place.store.credentials.complete = complete
    assert (done.reissued, done.failed) == (0, 1)
    assert status_of(await place.stored(row.id)) == "revoked"
    assert await place.store.credentials.successor(row.id) is None
    assert await place.store.credentials.pending() == ()
    async with place.store._database.read() as connection:
        taken = (await connection.execute(text("SELECT inference_id FROM inference"))).scalars().all()
    assert taken == ["inference-1"]
    # The inference stays taken, and by the one that was revoked.
    assert (await place.store.credentials.by_inference("acme", "inference-1")).id == row.id
    assert (await place.issuance.reissue.run_once()).closed == 1


async def test_a_single_that_is_made_from_a_window_superseded_meanwhile_is_built_anew(place):
    await place.window(WindowNode())
    await place.settle()
    reserve = place.store.credentials.reserve
    raced = []

    async def later(request, build):
        if request.record_index is not None and not raced:
            raced.append(True)
            await place.issuance.reissue.run_once()
        return await reserve(request, build)

    place.store.credentials.reserve = later
    single = await place.single("inference-1")
    assert raced
    assert claims(single)["carbonIntensityGco2ePerKwh"] == "250"
    assert status_of(single) == "valid"


class Resting(FixedClock):
    """Tells when somebody goes to sleep, and wakes nobody."""

    def __init__(self, moment):
        super().__init__(moment)
        self.rested = asyncio.Event()

    async def sleep_until(self, moment):
        if moment > self.moment:
            self.rested.set()
            await asyncio.Event().wait()


async def test_one_process_of_many_works_and_hands_the_work_on_when_it_ends(any_site, place):
    old = await place.record()
    await place.settle()
    clocks = [Resting(any_site.clock.now()) for _ in range(2)]
    others = [Reissuing.over(any_site.store(), clock) for clock in clocks]
    working = [asyncio.create_task(one.issuance.reissue.run()) for one in others]
    async with asyncio.timeout(20):
        await asyncio.gather(*(clock.rested.wait() for clock in clocks))
    assert status_of(await place.current(old)) == "valid"
    assert status_of(await place.stored(old.id)) == "superseded"
    lease = {"now_us": place.begun_us, "until_us": place.begun_us + 1}
    assert not await place.store.leases.take("reissue", "another", **lease)
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    assert await place.store.leases.take("reissue", "another", **lease)
    for other in others:
        await other.store.close()


async def test_no_sql_takes_a_supersession_back_or_makes_two_of_one(place):
    old = await place.record()
    await place.settle()
    await place.issuance.reissue.run_once()
    new = await place.current(old)
    for statement in (
        f"UPDATE status_entry SET superseded_us = NULL WHERE credential_id = '{old.id}'",
        f"UPDATE status_entry SET superseded_us = 1 WHERE credential_id = '{new.id}'",
        f"UPDATE credential SET supersedes = '' WHERE id = '{new.id}'",
    ):
        with pytest.raises(IntegrityError):
            async with place.store._database._writer.begin() as connection:
                await connection.execute(text(statement))
    assert (await place.current(old)).id == new.id
