"""What a tenant has of a window besides energy is exactly the sum of its single credentials, whatever becomes of them."""

import itertools
import json
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.carbon import factor, table
from issuer.carbon.window import account_window
from issuer.claims import profile
from issuer.store.amounts import NUMBERS, number_of
from issuer.store.report_models import COUNTS, FURTHER, PARTS
from issuer.store.reported import reported
from issuer.windows.credential import SignedBy, WindowOfRecord, figures_of
from issuer.windows.share_figures import Whole, further_of
from schemas import decimals, times
from schemas.profile import CREDENTIAL_TYPE
from schemas.window_header import decode_header
from schemas.window_record import decode_record
from tests.fakes.issuer import node
from tests.fakes.reissuing import Reissuing
from tests.fakes.soft_tpm import canonical
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_further_claims import PROFILE, settle

DEU = factor.of_table(table.find("DEU"))
_ATTRIBUTIONS = ("exclusive", "step-log", "phase-weighted", "reserved-time")

RECORD = st.fixed_dictionaries(
    {
        "accelerator_active_mj": st.integers(0, 10**9),
        "host_cpu_mj": st.integers(0, 10**6),
        "duration_us": st.integers(1, 10_000_000),
        "attribution": st.sampled_from(_ATTRIBUTIONS),
        "requests": st.integers(0, 3),
        "estimated_mj": st.integers(0, 1000),
    }
)


@given(st.lists(RECORD, min_size=1, max_size=6), st.sampled_from([None, "1.234"]), st.integers(0, 400_000))
def test_a_share_is_the_sum_of_the_singles_and_its_margin_no_more_than_theirs(changes, pue, gap_us):
    of_node = node(claims_profile=profile.stored_text(PROFILE), pue=pue, pue_kind="metered" if pue else None)
    maker = WindowNode()
    records = [one | change for one, change in zip(maker.records(len(changes)), changes, strict=True)]
    members = maker.header([WindowNode._complete(one) for one in records], largest_gap_us=gap_us)
    header = decode_header(canonical(members))
    made = [decode_record(canonical(WindowNode._complete(one))) for one in records]
    claim, reserved_us = account_window(header, of_node, DEU), sum(one.duration_us for one in made)
    window = WindowOfRecord(header, "u", SignedBy("u", None, None, "software"), {"credentialSubject": claims_of(claim)})
    singles = [figures_of(one, window, reserved_us=reserved_us) for one in made]
    share = further_of(made, decimals.add(*(one.energy_kwh for one in singles)), Whole(claim, header, reserved_us))
    assert Decimal(share.embodied) == decimals.add(*(one.further.embodied_gco2e for one in singles))
    market = [one.further.market_based.claims(one.energy_kwh)["marketBasedEmissionsGco2e"] for one in singles]
    assert Decimal(share.market) == decimals.add(*map(Decimal, market))
    assert share.requests == sum(one.requests for one in made)
    budgets = [one.further.budget for one in singles]
    if share.margin is None or None in budgets:
        return
    linear = sum(one.energy_kwh * budget.energy / 100 for one, budget in zip(singles, budgets, strict=True))
    # Each of five components may be rounded up by a hundredth, of both.
    assert Decimal(share.margin) <= linear + decimals.add(*(one.energy_kwh for one in singles)) * Decimal("0.0012")


def claims_of(claim):
    facility = claim.facility
    return {
        "carbonIntensityGco2ePerKwh": decimals.render(claim.grid.gco2e_per_kwh),
        "emissionFactorType": claim.grid.factor_type,
        **({} if facility is None else {"pue": decimals.render(facility.pue)}),
        "embodiedEmissionsGco2e": decimals.render(claim.further.embodied_gco2e),
        **claim.further.market_based.claims(claim.energy_kwh),
        **({} if claim.further.budget is None else claim.further.budget.claims()),
    }


async def of_singles(site, names):
    """Return the sums of what the single credentials of inferences state."""
    total = dict.fromkeys(NUMBERS, 0)
    for name in names:
        raw = (await site.get(f"/api/v1/certificate/{name}/vc")).content
        claims, columns = json.loads(raw)["credentialSubject"], reported(raw, CREDENTIAL_TYPE)
        total["count"] += 1
        total["energy"] += number_of(Decimal(claims["energyKwh"]))
        total["emissions"] += number_of(Decimal(claims["operationalEmissionsGco2e"]))
        for figure in FURTHER:
            units, nano, atto = (columns[f"{figure}_{part}"] for part in PARTS)
            total[figure] += (units * 10**9 + nano) * 10**9 + atto
        for counter in COUNTS:
            total[counter] += columns[counter]
    return total


def without_margin(amounts):
    return {name: amounts[name] for name in NUMBERS if name != "margin"}


async def whole(site, tenant="acme"):
    store = site.store()
    now_us = times.to_microseconds(site.clock.now())
    entries = await store.reports.slot(tenant, now_us - 10**12, now_us + 10**12)
    await store.close()
    found = {}
    for entry in entries:
        amounts = found.setdefault(entry.key.kind, dict.fromkeys(NUMBERS, 0))
        for name in NUMBERS:
            amounts[name] += entry.amounts[name]
    return found


async def test_sums_hold_what_single_credentials_state_before_and_after_some_of_them_move(any_site):
    await settle(any_site)
    node_ = WindowNode()
    records = node_.records(5)
    for number, one in enumerate(records):
        one |= {"estimated_mj": 7 * number, "duration_us": 1_000_000 + number}
    answer = await post_window(any_site, node_.zipped(records, estimated_mj=70))
    assert answer.status_code == 201, answer.text
    names = [f"inference-{number}" for number in range(5)]
    before = await whole(any_site)
    singles = await of_singles(any_site, names)
    assert without_margin(before["measured"]) == without_margin(singles)
    assert before["measured"]["margin"] <= singles["margin"]
    store = any_site.store()
    for name, act in (("inference-1", "revoke"), ("inference-3", "suspend")):
        row = await store.credentials.by_inference("acme", name)
        await getattr(store.status, act)(row.id, "", "cli", 1, tenant_id=None)
    await store.close()
    after = await whole(any_site)
    for kind, mine in (("measured", [0, 2, 4]), ("revoked", [1]), ("suspended", [3])):
        expected = await of_singles(any_site, [names[number] for number in mine])
        assert without_margin(after[kind]) == without_margin(expected), kind
    # The margin is never made smaller by what moves away.
    assert after["measured"]["margin"] == before["measured"]["margin"]


async def test_a_reissued_window_keeps_all_but_its_location_based_emissions(any_site):
    store = any_site.store()
    place = Reissuing.over(store, any_site.clock)
    await settle(any_site)
    await place.estimate()
    await place.window(WindowNode(), 4)
    suspended = await place.single("inference-2")
    await store.status.suspend(suspended.id, "", "cli", 1, tenant_id=None)
    before = await whole(any_site)
    await place.settle("250")
    assert (await place.issuance.reissue.run_once()).reissued == 1
    entries = await store.reports.slot("acme", place.begun_us - 10**12, place.begun_us + 10**12)
    await store.close()
    after = {entry.key.kind: entry.amounts for entry in entries}
    assert len(entries) == len(after) == 2
    for kind, intensity in (("measured", 250), ("suspended", 300)):
        same = {name for name in NUMBERS if name != "emissions"}
        assert {name: after[kind][name] for name in same} == {name: before[kind][name] for name in same}
        assert after[kind]["emissions"] == after[kind]["energy"] * intensity


@pytest.mark.parametrize("seed", range(3))
async def test_a_window_over_edges_is_whole_in_its_slots_with_singles_that_moved(site, seed):
    chance = random.Random(seed)
    await settle(site)
    node_ = WindowNode()
    assert (await post_window(site, node_.zipped(node_.records(4)))).status_code == 201
    store = site.store()
    for name, act in (("inference-1", "revoke"), ("inference-3", "suspend")):
        assert (await site.get(f"/api/v1/certificate/{name}/vc")).status_code == 200
        row = await store.credentials.by_inference("acme", name)
        await getattr(store.status, act)(row.id, "", "cli", 1, tenant_id=None)
    window = await store.windows.last("node-7")
    header = decode_header(window.header)
    cuts = sorted(chance.sample(range(header.start_us + 1, header.end_us), 6))
    cuts = [header.start_us - 1, *cuts, header.end_us + 1]
    parts = [await store.reports.slot("acme", *two) for two in itertools.pairwise(cuts)]
    (expected,) = [await store.reports.slot("acme", cuts[0], cuts[-1])]
    await store.close()
    for entry in expected:
        mine = [one.amounts for part in parts for one in part if one.key == entry.key]
        for name in NUMBERS:
            assert sum(amounts[name] for amounts in mine) == entry.amounts[name], (entry.key.kind, name)
            assert min(amounts[name] for amounts in mine) >= 0
