"""Sums are exact, and kinds of figures stay apart."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from schemas import decimals
from tests.fakes.stored import NOW_US, build, issued, reservation

FIGURE = st.decimals(min_value=0, max_value=Decimal(10**9), allow_nan=False, places=18).map(decimals.render)
_models = itertools.count()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FIGURE, FIGURE), max_size=6))
async def test_sums_are_those_of_exact_decimals(store, figures):
    model = f"model-{next(_models)}"
    for number, (energy, emissions) in enumerate(figures):
        await issued(
            store,
            inference_id=f"{model}-{number}",
            model_id=model,
            energy_kwh=energy,
            operational_emissions_gco2e=emissions,
        )
    totals = await store.credentials.emissions("acme", model)
    assert totals.measured.count == len(figures)
    assert totals.measured.energy_kwh == decimals.add(*(Decimal(energy) for energy, _ in figures))
    grams = {"lifecycle": decimals.add(*(Decimal(grams) for _, grams in figures))} if figures else {}
    assert totals.measured.emissions_gco2e == grams


async def test_figures_that_a_float_would_lose_are_summed(store):
    for number, energy in enumerate(["100000000000000000", "0.000000000000000001", "0.000000000000000001"]):
        await issued(store, inference_id=f"i{number}", energy_kwh=energy)
    assert (await store.credentials.emissions("acme")).measured.energy_kwh == Decimal(
        "100000000000000000.000000000000000002"
    )


async def test_emissions_by_direct_and_by_lifecycle_factors_are_never_added(store):
    for number, (kind, grams) in enumerate([("direct", "1.5"), ("direct", "2"), ("lifecycle", "4.000000001")]):
        await issued(
            store,
            inference_id=f"i{number}",
            energy_kwh="1",
            operational_emissions_gco2e=grams,
            emission_factor_type=kind,
        )
    measured = (await store.credentials.emissions("acme")).measured
    assert (measured.count, measured.energy_kwh) == (3, 3)
    assert measured.emissions_gco2e == {"direct": Decimal("3.5"), "lifecycle": Decimal("4.000000001")}


async def test_a_measured_credential_without_the_kind_of_its_factor_is_not_stored(store):
    with pytest.raises(IntegrityError):
        await store.credentials.reserve(reservation(emission_factor_type=None), build)


async def test_simulated_figures_stay_apart(store):
    await issued(store, inference_id="a", energy_kwh="1")
    await issued(store, inference_id="b", energy_kwh="2", simulated=True)
    totals = await store.credentials.emissions("acme")
    assert (totals.measured.energy_kwh, totals.simulated.energy_kwh) == (1, 2)


async def test_revoked_and_suspended_figures_stay_apart(store):
    revoked = await issued(store, inference_id="a", energy_kwh="1")
    suspended = await issued(store, inference_id="b", energy_kwh="2", simulated=True)
    both = await issued(store, inference_id="c", energy_kwh="4")
    await issued(store, inference_id="d", energy_kwh="8")
    for credential in (suspended, both):
        await store.status.suspend(credential.id, "doubt", "auditor", NOW_US, tenant_id=None)
    for credential in (revoked, both):
        await store.status.revoke(credential.id, "mistake", "auditor", NOW_US, tenant_id=None)
    totals = await store.credentials.emissions("acme")
    assert (totals.revoked.energy_kwh, totals.suspended.energy_kwh) == (5, 2)
    assert (totals.measured.energy_kwh, totals.simulated.energy_kwh) == (8, 0)


async def test_sums_are_filtered_by_model_and_time(store):
    await issued(store, inference_id="a", energy_kwh="1", model_id="org/a", period_end_us=10)
    await issued(store, inference_id="b", energy_kwh="2", model_id="org/b", period_end_us=20)
    credentials = store.credentials
    assert (await credentials.emissions("acme", "org/a")).measured.energy_kwh == 1
    assert (await credentials.emissions("acme", since_us=20)).measured.energy_kwh == 2
    assert (await credentials.emissions("acme", until_us=20)).measured.energy_kwh == 1
    assert (await credentials.emissions("acme", "org/a", 11, 30)).measured.count == 0


async def test_nothing_counts_before_it_is_issued(store):
    await store.credentials.reserve(reservation(), build)
    assert (await store.credentials.emissions("acme")).measured.count == 0


async def test_a_window_is_not_counted_beside_its_inferences(store):
    await issued(store, energy_kwh="1")
    await issued(store, inference_id="w", energy_kwh="1", credential_type="GreenComputeWindowCredential")
    assert (await store.credentials.emissions("acme")).measured.energy_kwh == 1
