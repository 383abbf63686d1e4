"""Provisional credentials and those that supersede them: exactly one stands at any time, whatever happens in between."""

from decimal import Decimal

import msgspec
import pytest

from issuer.export import status_of
from issuer.store.errors import AlreadyRevokedError, RevokedError
from schemas import decimals
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.reissuing import Reissuing, claims, differing
from tests.fakes.window_node import WindowNode
from tests.issuer.windows.test_verified import verdict

CHANGED = {"carbonIntensityGco2ePerKwh", "operationalEmissionsGco2e", "claimStatus", "gridDataDigest", "supersedes"}
TIERS = {"carbonIntensityTier"}


@pytest.fixture
async def place(any_site):
    """An issuer whose slots of the hour are estimates, beside a service over the same database."""
    store = any_site.store()
    built = Reissuing.over(store, any_site.clock)
    await built.estimate()
    yield built
    await store.close()


async def settled(place, intensity="250"):
    await place.settle(intensity)
    return await place.issuance.reissue.run_once()


async def counted(totals):
    return {name: getattr(totals, name).count for name in ("measured", "simulated", "suspended", "revoked")}


async def test_a_provisional_credential_is_superseded_once_its_slots_settle(any_site, place):
    old = await place.record()
    assert claims(old)["claimStatus"] == "provisional"
    assert (await settled(place)).reissued == 1
    new = await place.current(old)
    assert new.supersedes == old.id != new.id
    before, after = claims(old), claims(new)
    assert differing(before, after) <= CHANGED | TIERS
    assert (after["claimStatus"], after["carbonIntensityGco2ePerKwh"]) == ("final", "250")
    assert after["supersedes"] == f"{PUBLIC_URL}/credentials/{old.id}"
    emissions = decimals.parse(after["energyKwh"]) * 250
    assert decimals.parse(after["operationalEmissionsGco2e"]) == emissions
    assert await place.store.provisional.open() == ()
    old = await place.stored(old.id)
    assert (status_of(old), status_of(new)) == ("superseded", "valid")
    report = await verdict(any_site, new.document)
    assert report.outcome == "verified", (report.problem, report.detail)
    report = await verdict(any_site, old.document)
    assert (report.outcome, report.problem) == ("refused", "REVOKED")


async def test_what_the_intensity_adds_to_the_uncertainty_is_reckoned_anew(place):
    old = await place.record()
    await settled(place)
    before, after = claims(old), claims(await place.current(old))
    if "energyUncertaintyPercent" not in before:
        pytest.fail("the record has no budget, so this shows nothing")
    assert after["energyUncertaintyPercent"] == before["energyUncertaintyPercent"]


async def test_nothing_is_superseded_while_its_slots_may_change(place):
    old = await place.record()
    done = await place.issuance.reissue.run_once()
    assert (done.waiting, done.reissued) == (1, 0)
    assert await place.current(old) == old


async def test_a_dry_run_says_what_would_be_and_changes_nothing(place):
    old = await place.record()
    await place.settle()
    steps = []
    done = await place.issuance.reissue.run_once(dry_run=True, on_step=steps.append)
    assert (done.settled, [(step.outcome, step.intensity) for step in steps]) == (1, [("settled", "250")])
    assert status_of(await place.stored(old.id)) == "valid"
    assert (await place.issuance.reissue.run_once()).reissued == 1


async def test_a_posted_record_that_is_sent_again_gets_the_credential_that_counts(place):
    old = await place.record()
    await settled(place)
    again = await place.record()
    assert again.id == (await place.current(old)).id != old.id


async def test_sums_and_exports_count_what_stands_now_and_exactly(any_site, place):
    await place.record("posted")
    await place.window(WindowNode(), 5)
    before = (await place.totals()).measured
    assert before.emissions_gco2e["lifecycle"] == before.energy_kwh * 300
    await settled(place)
    after = await place.totals()
    assert await counted(after) == {"measured": 6, "simulated": 0, "suspended": 0, "revoked": 0}
    assert after.measured.energy_kwh == before.energy_kwh
    assert after.measured.emissions_gco2e == {"lifecycle": before.energy_kwh * 250}
    table = (await any_site.get("/api/v1/compliance/export")).text.splitlines()
    assert len(table) == 7


async def test_a_window_takes_its_singles_along_and_they_are_made_anew_when_asked_for(any_site, place):
    node = WindowNode()
    old = await place.window(node, 3)
    single = await place.single("inference-1")
    await settled(place)
    assert status_of(await place.stored(single.id)) == "superseded"
    assert await place.store.credentials.successor(single.id) is None
    new = await place.current(old)
    answer = await any_site.get("/api/v1/certificate/inference-1/vc")
    document = answer.json()
    subject = document["credentialSubject"]
    assert subject["supersedes"] == f"{PUBLIC_URL}/credentials/{single.id}"
    assert subject["windowCredential"] == f"{PUBLIC_URL}/credentials/{new.id}"
    assert (subject["carbonIntensityGco2ePerKwh"], subject["claimStatus"]) == ("250", "final")
    assert (await any_site.get("/api/v1/certificate/inference-1/vc")).content == answer.content
    receipt = (await any_site.get("/api/v1/receipt/inference-1")).json()
    assert receipt["window_credential"] == f"{PUBLIC_URL}/credentials/{new.id}"
    for raw in (answer.content, new.document):
        report = await verdict(any_site, raw)
        assert report.outcome == "verified", (report.problem, report.detail)
    assert await counted(await place.totals()) == {"measured": 3, "simulated": 0, "suspended": 0, "revoked": 0}


async def test_the_singles_of_a_superseded_window_keep_their_own_receipts(any_site, place):
    old = await place.window(WindowNode(), 3)
    single = await place.single("inference-1")
    await settled(place)
    await place.single("inference-1")
    (entry,) = msgspec.json.decode(single.document)["evidence"]
    folder = entry["id"].removeprefix(PUBLIC_URL).rpartition("/")[0]
    receipt = (await any_site.client.get(f"{folder}/{entry['recordDigest']}")).json()
    assert receipt["window_credential"] == f"{PUBLIC_URL}/credentials/{old.id}"


@pytest.mark.parametrize("act", ["revoke", "suspend"])
async def test_what_an_operator_took_back_is_not_issued_again(place, act):
    posted, window = await place.record("posted"), await place.window(WindowNode())
    for row in (posted, window):
        await getattr(place.store.status, act)(row.id, "", "cli", 1, tenant_id=None)
    done = await settled(place)
    assert done.reissued == 0
    assert (done.closed, done.suspended) == ((2, 0) if act == "revoke" else (0, 2))
    for row in (posted, window):
        assert await place.store.credentials.successor(row.id) is None


async def test_a_suspended_one_is_issued_again_once_it_is_reinstated(place):
    row = await place.record()
    await place.store.status.suspend(row.id, "", "cli", 1, tenant_id=None)
    await settled(place)
    await place.store.status.reinstate(row.id, "", "cli", 2, tenant_id=None)
    assert (await place.issuance.reissue.run_once()).reissued == 1


@pytest.mark.parametrize("act", ["revoke", "suspend"])
async def test_a_single_that_was_taken_back_by_itself_stays_so_when_its_window_is_superseded(any_site, place, act):
    await place.window(WindowNode(), 4)
    single = await place.single("inference-1")
    await getattr(place.store.status, act)(single.id, "", "cli", 1, tenant_id=None)
    whole = (await place.totals()).measured.energy_kwh + Decimal(single.energy_kwh)
    await settled(place)
    row = await place.store.credentials.by_inference("acme", "inference-1")
    assert (row.id, row.superseded_us) == (single.id, None)
    totals = await place.totals()
    kind = {"revoke": "revoked", "suspend": "suspended"}[act]
    # Its own figures, and of the others those of the new intensity: to the last digit.
    assert getattr(totals, kind).count == 1
    assert getattr(totals, kind).emissions_gco2e == {"lifecycle": Decimal(single.operational_emissions_gco2e)}
    rest = whole - Decimal(single.energy_kwh)
    assert totals.measured.count == 3
    assert (totals.measured.energy_kwh, totals.measured.emissions_gco2e) == (rest, {"lifecycle": rest * 250})
    table = (await any_site.get("/api/v1/compliance/export")).text
    assert [line.split(",")[1] for line in table.splitlines()[1:]].count(kind) == 1
    assert (await any_site.get("/api/v1/certificate/inference-1/vc")).json()["id"].endswith(single.id)


async def test_a_single_reinstated_after_its_window_was_superseded_is_superseded_when_asked_for(any_site, place):
    await place.window(WindowNode(), 4)
    single = await place.single("inference-1")
    await place.store.status.suspend(single.id, "", "cli", 1, tenant_id=None)
    await settled(place)
    await place.store.status.reinstate(single.id, "", "cli", 2, tenant_id=None)
    totals = await place.totals()
    rest = totals.measured.energy_kwh - Decimal(single.energy_kwh)
    own = Decimal(single.operational_emissions_gco2e)
    assert (totals.measured.count, totals.measured.emissions_gco2e) == (4, {"lifecycle": rest * 250 + own})
    new = await place.single("inference-1")
    assert (new.supersedes, status_of(await place.stored(single.id))) == (single.id, "superseded")
    totals = await place.totals()
    assert totals.measured.emissions_gco2e == {"lifecycle": totals.measured.energy_kwh * 250}


async def test_the_revocation_of_the_new_window_reaches_its_singles(any_site, place):
    old = await place.window(WindowNode(), 3)
    await place.single("inference-1")
    await settled(place)
    single = await place.single("inference-1")
    await place.store.status.revoke((await place.current(old)).id, "", "cli", 1, tenant_id=None)
    assert status_of(await place.stored(single.id)) == "revoked"
    assert await counted(await place.totals()) == {"measured": 0, "simulated": 0, "suspended": 0, "revoked": 3}
    # Nobody had asked for this one before; and of inference-1 the last one is shown.
    assert (await any_site.get("/api/v1/certificate/inference-2/vc")).status_code == 410
    assert (await any_site.get("/api/v1/certificate/inference-1/vc")).json()["id"].endswith(single.id)
    assert (await any_site.get("/api/v1/receipt/inference-1")).status_code == 410


async def test_a_superseded_credential_is_served_with_the_one_in_its_place(any_site, place):
    old = await place.record()
    path = f"/credentials/{old.id}"
    assert "link" not in (await any_site.get(path)).headers
    await settled(place)
    new = await place.current(old)
    answer = await any_site.get(path)
    assert (answer.status_code, answer.content) == (200, old.document)
    assert answer.headers["link"] == f'<{PUBLIC_URL}/credentials/{new.id}>; rel="successor-version"'
    assert "link" not in (await any_site.get(f"/credentials/{new.id}")).headers
    listed = {one["id"]: one for one in (await any_site.get("/api/v1/certificates")).json()["items"]}
    assert listed[f"{PUBLIC_URL}{path}"]["status"] == "superseded"
    assert listed[f"{PUBLIC_URL}/credentials/{new.id}"]["supersedes"] == f"{PUBLIC_URL}{path}"
    assert (await any_site.get("/api/v1/certificate/inference-1/vc")).content == new.document


async def test_who_revokes_a_superseded_one_is_told_which_one_is_meant(place):
    old = await place.record()
    await settled(place)
    new = await place.current(old)
    for act in (place.store.status.revoke, place.store.status.suspend, place.store.status.reinstate):
        with pytest.raises(AlreadyRevokedError, match=new.id):
            await act(old.id, "", "cli", 1, tenant_id=None)
    assert status_of(await place.stored(new.id)) == "valid"


async def test_a_credential_by_the_table_is_superseded_by_slots_and_never_the_other_way_round(place):
    old = await place.record("late", grid_region=None)
    await settled(place, "200")
    new = await place.current(old)
    assert claims(new)["carbonIntensityGco2ePerKwh"] == "200"
    assert await place.store.provisional.open() == ()


async def test_a_suspended_window_makes_no_single_even_of_its_successor(place):
    window = await place.window(WindowNode())
    await settled(place)
    new = await place.current(window)
    await place.store.status.revoke(new.id, "", "cli", 1, tenant_id=None)
    with pytest.raises(RevokedError):
        await place.single("inference-2")
