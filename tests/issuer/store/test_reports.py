"""Sums of slots: exact, apart by all that does not compare, and whole whatever the edges."""

import hashlib
import itertools
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from issuer.claims.completeness import DEFAULT
from issuer.store.amounts import NUMBERS, number_of, part_within
from issuer.store.reported import FULL_COVERAGE, margin_of, reported
from schemas import decimals, digests
from tests.fakes.stored import NOW_US, reservation

HOUR_US = 3_600_000_000
BEGIN_US = NOW_US - NOW_US % HOUR_US
_models = itertools.count()

CLAIMS = {
    "energyKwh": "0.25",
    "gridRegion": "DEU",
    "emissionFactorType": "lifecycle",
    "measurementMethod": "counter",
    "claimStatus": "final",
    "embodiedEmissionsGco2e": "0.000000007",
    "marketBasedEmissionsGco2e": "6.15",
    "marketBasedInstrument": "https://registry.example/eac/8841",
    "energyUncertaintyPercent": "5.8",
    "standardUncertaintyIntensityPercent": "22.04",
}
WINDOWED = {"windowCredential": "https://oracle.example/credentials/w", "requestCount": "3"}


def document(**claims):
    subject = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return json.dumps({"credentialSubject": subject}).encode()


async def issued(store, claims=None, **changes):
    raw = document(**(claims or {}))
    reserved = await store.credentials.reserve(reservation(**changes), lambda _: raw)
    return await store.credentials.complete(reserved.id, raw, NOW_US)


async def slot(store, start_us, end_us, **asked):
    return await store.reports.slot("acme", start_us, end_us, **asked)


def by_key(entries):
    return {entry.key: {name: entry.amounts[name] for name in NUMBERS} for entry in entries}


def summed(parts):
    total = {}
    for part in parts:
        for key, amounts in by_key(part).items():
            known = total.setdefault(key, dict.fromkeys(NUMBERS, 0))
            total[key] = {name: known[name] + amounts[name] for name in NUMBERS}
    return total


PERIODS = st.tuples(st.integers(0, 5 * HOUR_US), st.integers(0, 2 * HOUR_US))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(PERIODS, st.integers(0, 10**15), st.booleans()), min_size=1, max_size=5),
    st.lists(st.integers(1, 8 * HOUR_US - 1), max_size=4, unique=True),
)
async def test_the_sums_of_any_partition_are_those_of_the_whole(store, records, edges):
    model = f"model-{next(_models)}"
    for number, ((start_us, length_us), pico_kwh, with_claims) in enumerate(records):
        energy = decimals.render(Decimal(pico_kwh).scaleb(-12))
        await issued(
            store,
            {"energyKwh": energy} if with_claims else {"embodiedEmissionsGco2e": None, "marketBasedInstrument": None},
            inference_id=f"{model}-{number}",
            model_id=model,
            energy_kwh=energy,
            operational_emissions_gco2e=decimals.render(Decimal(pico_kwh).scaleb(-13)),
            # One without a length is at its end.
            period_start_us=BEGIN_US + start_us if length_us else None,
            period_end_us=BEGIN_US + start_us + length_us,
        )
    end_us = BEGIN_US + 8 * HOUR_US
    whole = by_key(await slot(store, BEGIN_US, end_us, model_id=model))
    cuts = [BEGIN_US, *sorted(BEGIN_US + edge for edge in edges), end_us]
    parts = [await slot(store, *two, model_id=model) for two in itertools.pairwise(cuts)]
    assert summed(parts) == whole
    totals = (await store.credentials.emissions("acme", model)).measured
    assert sum(amounts["energy"] for amounts in whole.values()) == number_of(totals.energy_kwh)
    assert sum(amounts["count"] for amounts in whole.values()) == len(records)


@given(st.integers(0, 10**24), PERIODS, st.lists(st.integers(-HOUR_US, 9 * HOUR_US), unique=True, max_size=6))
def test_parts_of_a_number_between_any_edges_add_up_to_it(number, period, edges):
    begun_us, length_us = period
    ended_us = begun_us + length_us + 1
    cuts = sorted({-HOUR_US, *edges, 9 * HOUR_US})
    overlapping = [two for two in itertools.pairwise(cuts) if two[0] < ended_us and two[1] > begun_us]
    parts = [part_within({"energy": number}, (begun_us, ended_us), *two)["energy"] for two in overlapping]
    assert sum(parts) == number
    assert min(parts) >= 0


async def test_a_record_over_an_edge_is_split_by_time(store):
    await issued(
        store, period_start_us=BEGIN_US - HOUR_US // 4, period_end_us=BEGIN_US + HOUR_US * 3 // 4, energy_kwh="0.4"
    )
    before, after = [await slot(store, BEGIN_US - HOUR_US, BEGIN_US), await slot(store, BEGIN_US, BEGIN_US + HOUR_US)]
    assert [one.amounts["energy"] for (one,) in (before, after)] == [10**17, 3 * 10**17]


async def test_what_ends_at_an_edge_is_in_the_slot_before_it_and_a_moment_in_the_one_that_it_begins(store):
    await issued(store, inference_id="a", period_start_us=BEGIN_US - 5, period_end_us=BEGIN_US, energy_kwh="1")
    await issued(store, inference_id="b", period_start_us=None, period_end_us=BEGIN_US, energy_kwh="2")
    (before,) = await slot(store, BEGIN_US - HOUR_US, BEGIN_US)
    (after,) = await slot(store, BEGIN_US, BEGIN_US + HOUR_US)
    assert [one.amounts["energy"] // 10**18 for one in (before, after)] == [1, 2]


async def test_what_has_another_factor_status_or_assurance_is_never_in_one_sum(store):
    changed = [
        {},
        {"gridRegion": "FRA"},
        {"claimStatus": "provisional"},
        {"measurementMethod": "integrated"},
        {"marketBasedInstrument": None, "marketBasedEmissionsGco2e": None},
        {"embodiedEmissionsGco2e": None},
        {"measurementCoverage": "0.98"},
    ]
    for number, claims in enumerate(changed):
        await issued(store, claims, inference_id=f"i{number}", assurance="software")
    await issued(store, inference_id="direct", emission_factor_type="direct", assurance="software")
    await issued(store, inference_id="tpm", assurance="tpm-hardware")
    await issued(store, inference_id="simulated", simulated=True, assurance="simulated")
    revoked = await issued(store, inference_id="revoked", assurance="software")
    await store.status.revoke(revoked.id, "", "cli", NOW_US, tenant_id=None)
    entries = await slot(store, BEGIN_US - HOUR_US, NOW_US + HOUR_US)
    assert [entry.amounts["count"] for entry in entries] == [1] * (len(changed) + 4)
    assert {entry.key.kind for entry in entries} == {"measured", "simulated", "revoked"}


async def test_what_is_not_stated_is_told_and_never_zero(store):
    await issued(store, inference_id="a", period_end_us=BEGIN_US)
    (entry,) = await slot(store, BEGIN_US, BEGIN_US + 1)
    amounts = entry.amounts
    assert (amounts["embodied"], amounts["embodied_without"]) == (7 * 10**9, 0)
    assert (amounts["market"], amounts["market_without"]) == (615 * 10**16, 0)
    # 0.25 kWh x 5.8 %
    assert (amounts["margin"], amounts["margin_without"]) == (145 * 10**14, 0)
    # A posted record says nothing of estimates, requests and tokens.
    assert [amounts[f"{name}_without"] for name in ("estimated", "requests", "tokens")] == [1, 1, 1]


async def test_a_document_that_is_none_states_nothing(store):
    reserved = await store.credentials.reserve(reservation(period_end_us=BEGIN_US), lambda _: b"unsecured")
    await store.credentials.complete(reserved.id, b"unsecured", NOW_US)
    (entry,) = await slot(store, BEGIN_US, BEGIN_US + 1)
    assert entry.key.basis is None
    assert entry.amounts["embodied_without"] == 1
    assert entry.amounts["energy"] == 25 * 10**16


async def test_an_entry_names_its_credentials_by_a_digest_that_anybody_can_make(store):
    made = [await issued(store, inference_id=f"i{number}", period_end_us=BEGIN_US) for number in range(3)]
    (entry,) = await slot(store, BEGIN_US, BEGIN_US + 1)
    named = "".join(f"{name}\n" for name in sorted(row.id for row in made))
    assert entry.credentials == len(made)
    assert entry.digest == digests.encode(hashlib.sha256(named.encode()).digest())


async def test_sums_are_the_tenants_and_the_models_own_and_can_be_split_by_them(store):
    await issued(store, inference_id="a", model_id="one", period_end_us=BEGIN_US)
    await issued(store, inference_id="b", model_id="two", period_end_us=BEGIN_US)
    await issued(store, inference_id="c", tenant_id="umbra", node_id="umbra-node", period_end_us=BEGIN_US)
    span = (BEGIN_US, BEGIN_US + 1)
    assert [entry.amounts["count"] for entry in await slot(store, *span)] == [2]
    assert [entry.amounts["count"] for entry in await slot(store, *span, model_id="one")] == [1]
    assert [entry.key.model_id for entry in await slot(store, *span, per=["model_id"])] == ["one", "two"]
    every = await store.reports.slot(None, *span, per=["tenant_id", "node_id"])
    assert [(entry.key.tenant_id, entry.key.node_id) for entry in every] == [
        ("acme", "acme-node"),
        ("umbra", "umbra-node"),
    ]


async def test_nothing_is_reported_before_it_is_issued(store):
    await store.credentials.reserve(reservation(period_end_us=BEGIN_US), lambda _: document())
    assert await slot(store, BEGIN_US, BEGIN_US + 1) == ()


@pytest.mark.parametrize("statement", ["UPDATE reported SET basis = 'x'", "DELETE FROM reported"])
async def test_no_sql_changes_what_a_credential_reports(store, statement):
    await issued(store)
    with pytest.raises(Exception, match="what a credential reports"):
        async with store._database._writer.begin() as connection:
            await connection.execute(text(statement))


def test_the_coverage_of_a_full_claim_is_the_policy_s():
    assert DEFAULT.full == FULL_COVERAGE


@pytest.mark.parametrize(
    ("claims", "tokens"),
    [
        ({}, None),
        ({"inputTokens": "5", "outputTokens": "7"}, 12),
        ({"inputTokens": "5"}, None),
        ({"requestCount": "0"}, 0),
        ({"requestCount": "0", "inputTokens": "1"}, None),
    ],
)
def test_tokens_are_stated_where_both_counts_are_or_the_work_goes_on_elsewhere(claims, tokens):
    columns = reported(document(**(WINDOWED | claims)), "GreenComputeCredential")
    assert columns["tokens"] == tokens


def test_no_estimate_of_a_window_s_record_is_stated_as_nothing_and_one_has_its_part_of_the_building():
    none = reported(document(**WINDOWED), "GreenComputeCredential")
    some = reported(document(**WINDOWED, estimatedKwh="0.1", pue="1.2"), "GreenComputeCredential")
    assert (none["estimated_units"], none["estimated_nano"]) == (0, 0)
    assert (some["estimated_units"], some["estimated_nano"]) == (0, 120_000_000)


def test_a_window_s_credential_has_only_its_basis_there():
    columns = reported(document(), "GreenComputeWindowCredential")
    assert json.loads(columns.pop("basis"))["region"] == "DEU"
    assert set(columns.values()) == {None}


@given(st.integers(0, 10**15), st.integers(0, 10**6))
def test_a_margin_is_rounded_up_and_by_less_than_a_digit(femto_kwh, hundredths):
    energy, percent = Decimal(femto_kwh).scaleb(-15), Decimal(hundredths).scaleb(-2)
    margin = Decimal(margin_of(energy, percent))
    exact = energy * percent / 100
    assert exact <= margin < exact + Decimal(1).scaleb(-18)
