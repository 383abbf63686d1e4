"""What is revoked or suspended with a window's credential, and what with the credential of one inference of it."""

import asyncio
import csv
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from issuer.store.errors import RevokedError
from issuer.store.models import STATUS_LIST
from issuer.store.records import Reservation
from schemas import times
from tests.fakes.issuer import PUBLIC_URL, START
from tests.fakes.site import bearer, problem
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_verified import verdict

NOW_US = times.to_microseconds(START)
MADE = ("inference-0", "inference-1")
"""Of three inferences, those that have a credential of their own."""


def bare(url):
    return url.removeprefix(f"{PUBLIC_URL}/credentials/")


async def windowed(site, count=3, *, made=MADE):
    """Post a window of some inferences; return its credential's id and those of the credentials made from it."""
    node = WindowNode()
    answer = await post_window(site, node.zipped(node.records(count)))
    assert answer.status_code == 201, answer.text
    singles = {name: (await site.get(f"/api/v1/certificate/{name}/vc")).json() for name in made}
    return bare(answer.json()["credential"]), {name: bare(one["id"]) for name, one in singles.items()}


async def change(site, credential_id, purpose="revocation", status="1"):
    change_ = {"type": "StatusList2021Entry", "statusPurpose": purpose, "status": status}
    body = {"credentialId": f"{PUBLIC_URL}/credentials/{credential_id}", "credentialStatus": change_}
    # Each a moment after the one before, as outside of tests.
    site.clock.advance(timedelta(seconds=1))
    return await site.post("/credentials/status", body, bearer("all", "status"))


async def said(site, tenant="acme"):
    """Return the status of each inference by the export, once it is seen that sums and listings say the same."""
    table = csv.DictReader((await site.get("/api/v1/compliance/export", tenant)).text.splitlines())
    rows = {row["inference_id"]: row for row in table}
    sums = (await site.get("/api/v1/emissions", tenant)).json()
    for kind, status in (("measured", "valid"), ("suspended", "suspended"), ("revoked", "revoked")):
        of_kind = [row for row in rows.values() if row["status"] == status]
        energy = sum((Decimal(row["energy_kwh"]) for row in of_kind), Decimal(0))
        assert (sums[kind]["count"], Decimal(sums[kind]["energy_kwh"])) == (len(of_kind), energy), kind
    listed = (await site.get("/api/v1/certificates", tenant)).json()["items"]
    for one in listed:
        if one["inference_id"] is not None:
            assert one["status"] == rows[one["inference_id"]]["status"], one
    return {name: row["status"] for name, row in rows.items()}


async def test_a_windows_revocation_carries_to_every_credential_made_from_it_whosever_it_is(any_site):
    store = any_site.store()
    await store.tenants.change("umbra", subject="did:web:umbra.example")
    await store.windows.allow("node-7", "umbra")
    node = WindowNode()
    records = node.records(3)
    records[2] |= {"tenant_id": "did:web:umbra.example"}
    window = bare((await post_window(any_site, node.zipped(records))).json()["credential"])
    own = (await any_site.get("/api/v1/certificate/inference-0/vc")).json()["id"]
    theirs = (await any_site.get("/api/v1/certificate/inference-2/vc", "umbra")).json()["id"]
    answer = await change(any_site, window)
    assert answer.json() == {
        "credentialId": f"{PUBLIC_URL}/credentials/{window}",
        "revoked": True,
        "suspended": False,
        "changed": True,
    }
    moments = {(await store.status.entry(bare(one), tenant_id=None)).revoked_us for one in (window, own, theirs)}
    assert moments == {times.to_microseconds(any_site.clock.now())}
    (entry,) = await store.log.page(target=window)
    assert (entry.action, entry.detail) == ("revoke", "(with 2 made from its window)")
    await store.close()
    assert await said(any_site) == {"inference-0": "revoked", "inference-1": "revoked"}
    assert await said(any_site, "umbra") == {"inference-2": "revoked"}


async def test_a_stranger_sees_the_windows_revocation_in_the_inferences_own_bit(site):
    window, _ = await windowed(site)
    raw = (await site.get("/api/v1/certificate/inference-0/vc")).content
    assert (await verdict(site, raw)).outcome == "verified"
    await change(site, window)
    report = await verdict(site, raw)
    assert (report.outcome, report.problem) == ("refused", "REVOKED")


@pytest.mark.parametrize("path", ["certificate/inference-2/vc", "certificate/inference-2", "receipt/inference-0"])
async def test_nothing_new_rests_on_a_revoked_window_and_the_refusal_names_its_credential(any_site, path):
    window, _ = await windowed(any_site)
    await change(any_site, window)
    refused = await any_site.get(f"/api/v1/{path}")
    assert (refused.status_code, problem(refused)) == (410, "REVOKED")
    assert f"{PUBLIC_URL}/credentials/{window}" in refused.json()["detail"]


@pytest.mark.parametrize("path", ["certificate/inference-2/vc", "receipt/inference-0"])
async def test_what_rests_on_a_suspended_window_is_refused_until_it_is_reinstated(any_site, path):
    window, _ = await windowed(any_site)
    await change(any_site, window, "suspension")
    refused = await any_site.get(f"/api/v1/{path}")
    assert (refused.status_code, problem(refused)) == (409, "SUSPENDED")
    assert f"{PUBLIC_URL}/credentials/{window}" in refused.json()["detail"]
    await change(any_site, window, "suspension", "0")
    assert (await any_site.get(f"/api/v1/{path}")).status_code == 200


async def test_a_revoked_credential_itself_is_given_as_it_was_issued(any_site):
    window, _ = await windowed(any_site)
    before = await any_site.get("/api/v1/certificate/inference-0/vc")
    await change(any_site, window)
    after = await any_site.get("/api/v1/certificate/inference-0/vc")
    assert (after.status_code, after.content) == (200, before.content)


async def test_one_inference_is_revoked_alone_and_its_receipt_no_more_handed_out(any_site):
    _, singles = await windowed(any_site)
    await change(any_site, singles["inference-0"])
    assert await said(any_site) == {"inference-0": "revoked", "inference-1": "valid", "inference-2": "valid"}
    refused = await any_site.get("/api/v1/receipt/inference-0")
    assert (refused.status_code, problem(refused)) == (410, "REVOKED")
    assert singles["inference-0"] in refused.json()["detail"]
    assert (await any_site.get("/api/v1/receipt/inference-1")).status_code == 200


async def test_a_receipt_of_a_suspended_inference_comes_back_with_it(any_site):
    _, singles = await windowed(any_site)
    await change(any_site, singles["inference-0"], "suspension")
    refused = await any_site.get("/api/v1/receipt/inference-0")
    assert (refused.status_code, problem(refused)) == (409, "SUSPENDED")
    await change(any_site, singles["inference-0"], "suspension", "0")
    assert (await any_site.get("/api/v1/receipt/inference-0")).status_code == 200


async def test_what_was_suspended_by_itself_stays_so_when_its_window_comes_back(any_site):
    window, singles = await windowed(any_site)
    await change(any_site, singles["inference-0"], "suspension")
    await change(any_site, window, "suspension")
    assert set((await said(any_site)).values()) == {"suspended"}
    await change(any_site, window, "suspension", "0")
    assert await said(any_site) == {"inference-0": "suspended", "inference-1": "valid", "inference-2": "valid"}
    await change(any_site, singles["inference-0"], "suspension", "0")
    assert set((await said(any_site)).values()) == {"valid"}


async def test_no_inference_is_reinstated_below_its_suspended_window(any_site):
    window, singles = await windowed(any_site)
    await change(any_site, window, "suspension")
    refused = await change(any_site, singles["inference-0"], "suspension", "0")
    assert (refused.status_code, problem(refused)) == (409, "SUSPENDED")
    assert window in refused.json()["detail"]
    assert set((await said(any_site)).values()) == {"suspended"}


async def test_an_inference_revoked_below_a_suspended_window_counts_as_revoked_everywhere(any_site):
    window, singles = await windowed(any_site)
    await change(any_site, window, "suspension")
    await change(any_site, singles["inference-0"])
    assert await said(any_site) == {
        "inference-0": "revoked",
        "inference-1": "suspended",
        "inference-2": "suspended",
    }
    await change(any_site, window, "suspension", "0")
    assert await said(any_site) == {"inference-0": "revoked", "inference-1": "valid", "inference-2": "valid"}


async def test_a_suspended_window_that_is_revoked_takes_its_credentials_along_and_none_comes_back(any_site):
    window, singles = await windowed(any_site)
    await change(any_site, window, "suspension")
    await change(any_site, window)
    for one in (window, singles["inference-0"]):
        refused = await change(any_site, one, "suspension", "0")
        assert (refused.status_code, problem(refused)) == (409, "CONFLICT")
    assert set((await said(any_site)).values()) == {"revoked"}


@pytest.mark.parametrize(("purpose", "status"), [("suspension", "suspended"), ("revocation", "revoked")])
async def test_a_windows_view_says_what_its_credential_is(any_site, purpose, status):
    window, _ = await windowed(any_site)
    page = (await any_site.get("/api/v1/windows/node-7")).json()["items"][0]
    path = f"/api/v1/windows/node-7/{page['boot_epoch']}/{page['sequence']}"
    assert (await any_site.get(path)).json()["status"] == "valid"
    await change(any_site, window, purpose)
    assert (await any_site.get(path)).json()["status"] == status


async def test_each_list_that_holds_a_bit_is_signed_anew_once_however_many_bits_change(any_site):
    window, singles = await windowed(any_site)
    store = any_site.store()
    (before,) = await store.status.lists("root")
    # The window's credential and one of its inferences on the first list, the other one on the next.
    await store.status.close_lists("root", now_us=NOW_US)
    await any_site.get("/api/v1/certificate/inference-2/vc")
    await change(any_site, window)
    lists = await store.status.lists("root")
    assert [one.version for one in lists] == [before.version + 1, 1]
    assert sum(one.bit_count() for one in await store.status.bits(lists[0].id, "revocation")) == 1 + len(singles)
    assert sum(one.bit_count() for one in await store.status.bits(lists[1].id, "revocation")) == 1
    await store.close()


def _reservation(window_id, record_digest):
    return Reservation(
        issuer_slug="root",
        tenant_id="acme",
        inference_id="inference-2",
        body_digest=record_digest,
        now_us=NOW_US,
        period_end_us=NOW_US,
        node_id="node-7",
        energy_kwh="0.25",
        operational_emissions_gco2e="100.5",
        emission_factor_type="lifecycle",
        record_digest=record_digest,
        window_id=window_id,
        record_index=2,
    )


async def _waiting(store, count):
    """Return once so many transactions of this PostgreSQL database wait for a lock."""
    asked = text("SELECT count(*) FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted) AS waiting")
    async with asyncio.timeout(10), store._database.read() as connection:
        while (await connection.execute(asked)).scalar_one() < count:
            pass


async def test_what_is_made_while_its_window_is_revoked_ends_revoked(any_site):
    window, _ = await windowed(any_site)
    held, maker, revoker = any_site.store(), any_site.store(), any_site.store()
    stored = await held.windows.last("node-7")
    making = maker.credentials.reserve(_reservation(stored.id, "u1"), lambda _: b"{}")
    revoking = revoker.status.revoke(window, "", "test", NOW_US, tenant_id=None)
    async with held._database.write() as connection:
        # The index of the new credential is given out under this lock: it is being made until the lock is free.
        await connection.execute(select(STATUS_LIST).with_for_update())
        tasks = [asyncio.create_task(making)]
        if not held._database.is_sqlite:
            await _waiting(held, 1)
        tasks.append(asyncio.create_task(revoking))
        if not held._database.is_sqlite:
            await _waiting(held, 2)
    made, revoked = await asyncio.gather(*tasks, return_exceptions=True)
    assert revoked is True
    if not isinstance(made, RevokedError):
        assert (await held.status.entry(made.id, tenant_id=None)).revoked_us is not None
    for store in (held, maker, revoker):
        await store.close()


async def test_nothing_is_reserved_once_its_window_is_revoked(any_site):
    window, _ = await windowed(any_site)
    store = any_site.store()
    await change(any_site, window)
    stored = await store.windows.last("node-7")
    with pytest.raises(RevokedError, match=window):
        await store.credentials.reserve(_reservation(stored.id, "u1"), lambda _: b"{}")
    assert await store.credentials.by_inference("acme", "inference-2") is None
    await store.close()
