"""What a window's credential, and those of its inferences, claim besides energy: made, verified by a stranger, kept apart."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from issuer.claims import profile
from issuer.claims.profile import Calibration, ClaimsProfile, Embodied, MarketBased
from issuer.command import main
from issuer.windows.opened import open_window
from schemas import times
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_told import credential_of, report_on, shown, subject_of
from tests.issuer.windows.test_verified import documents, verdict

PROFILE = ClaimsProfile(
    embodied=Embodied(total_gco2e="1500000", lifetime_hours=35064, source="maker's PCF, 2025"),
    market_based=MarketBased(
        gco2e_per_kwh="24.6",
        instrument="https://registry.example/eac/8841",
        valid_from="2020-01-01T00:00:00Z",
        valid_until="2040-01-01T00:00:00Z",
    ),
    calibration=Calibration(standard_percent="0.7", date="2020-03-31", reference="PDU 4711, report 12"),
    pue_standard_percent="1.5",
)


async def settle(site, claims=PROFILE, pue="1.2"):
    store = site.store()
    columns = {"claims_profile": profile.stored_text(claims), "pue": pue, "pue_kind": "reported" if pue else None}
    await store.nodes.change("node-7", lambda _: columns, actor="cli", now_us=1)
    await store.close()


async def subjects(site, answer, name):
    return [json.loads(raw)["credentialSubject"] for raw in await documents(site, answer, name)]


async def single(site, name):
    answer = await site.get(f"/api/v1/certificate/{name}/vc")
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content)["credentialSubject"]


async def test_a_stranger_verifies_all_that_is_claimed_besides(any_site):
    await settle(any_site)
    node = WindowNode()
    answer = await post_window(any_site, node.zipped(node.records(3), measured_us=9_500_000, largest_gap_us=300_000))
    for raw in await documents(any_site, answer, "inference-1"):
        report = await verdict(any_site, raw)
        assert report.outcome == "verified", [str(check) for check in report.checks]
        claims = json.loads(raw)["credentialSubject"]
        assert {"embodiedEmissionsGco2e", "marketBasedEmissionsGco2e", "emissionsUncertaintyPercent"} <= set(claims)


async def test_the_budget_of_a_window_is_of_its_node_and_that_of_an_inference_of_itself(any_site):
    await settle(any_site)
    node = WindowNode()
    answer = await post_window(any_site, node.zipped())
    window, record = await subjects(any_site, answer, "inference-0")
    budget = {name: value for name, value in window.items() if "ncertainty" in name}
    assert budget == {
        # 2 x root of 0.7^2 + 0.41^2 + 1.5^2
        "energyUncertaintyPercent": "3.42",
        "emissionsUncertaintyPercent": "44.22",
        "standardUncertaintyMeterPercent": "0.7",
        "standardUncertaintyTimingPercent": "0.41",
        "standardUncertaintyGapsPercent": "0",
        "standardUncertaintyAttributionPercent": "0",
        "standardUncertaintyPuePercent": "1.5",
        "standardUncertaintyIntensityPercent": "22.04",
    }
    assert record["standardUncertaintyTimingPercent"] == "1.37"
    assert record["standardUncertaintyAttributionPercent"] == "4.3"
    assert record["standardUncertaintyMeterPercent"] == "0.7"


async def test_market_based_and_embodied_emissions_stay_out_of_the_operational_ones(any_site):
    node = WindowNode()
    await post_window(any_site, node.zipped())
    plain = await single(any_site, "inference-0")
    await settle(any_site, pue=None)
    await post_window(any_site, node.zipped(node.records(2)))
    full = await single(any_site, "inference-100")
    # The records differ in 100 mJ.
    for claims in (plain, full):
        product = Decimal(claims["energyKwh"]) * Decimal(claims["carbonIntensityGco2ePerKwh"])
        assert Decimal(claims["operationalEmissionsGco2e"]) == product
    assert Decimal(full["marketBasedEmissionsGco2e"]) == Decimal(full["energyKwh"]) * Decimal("24.6")
    assert not {name for name in plain if name.startswith(("marketBased", "embodied", "marginal"))}


async def test_a_change_is_for_later_windows_and_inferences_keep_to_their_window(any_site):
    await settle(any_site)
    node = WindowNode()
    first = await post_window(any_site, node.zipped())
    await settle(any_site, claims=None, pue=None)
    second = await post_window(any_site, node.zipped())
    # Made only now, both of them.
    window, record = await subjects(any_site, first, "inference-0")
    assert record["marketBasedInstrument"] == window["marketBasedInstrument"] == "https://registry.example/eac/8841"
    assert record["standardUncertaintyPuePercent"] == "1.5"
    later, last = await subjects(any_site, second, "inference-100")
    for claims in (later, last):
        assert not {"embodiedEmissionsGco2e", "marketBasedInstrument", "standardUncertaintyPuePercent"} & set(claims)


async def test_records_at_once_share_their_window_s_embodied_emissions(any_site):
    await settle(any_site)
    node = WindowNode()
    answer = await post_window(any_site, node.zipped(node.records(5)))
    window, record = await subjects(any_site, answer, "inference-0")
    # 10 s of the window, 5 records of 3 s: each has a fifth.
    assert Decimal(window["embodiedEmissionsGco2e"]) == Decimal("0.118830329")
    assert Decimal(record["embodiedEmissionsGco2e"]) == Decimal("0.023766066")


@pytest.mark.parametrize(("ends_s", "is_used"), [(9, False), (10, True)])
async def test_a_contract_that_ends_within_a_window_is_not_used_for_it(site, ends_s, is_used):
    node = WindowNode()
    end = times.from_microseconds(node.chain.wall_us + ends_s * 1_000_000)
    ending = msgspec.structs.replace(PROFILE.market_based, valid_until=times.render_seconds(end))
    await settle(site, ClaimsProfile(market_based=ending))
    answer = await post_window(site, node.zipped())
    assert ("marketBasedInstrument" in subject_of(await credential_of(site, answer))) == is_used


async def test_simulated_figures_have_no_uncertainty(site):
    await settle(site)
    answer = await post_window(site, WindowNode().zipped(simulated=True))
    for claims in await subjects(site, answer, "inference-0"):
        assert claims["assurance"] == "simulated"
        assert not {name for name in claims if "ncertainty" in name}


async def test_tokens_are_the_functional_unit_where_both_counts_are_stated_else_requests(site):
    node = WindowNode()
    records = node.records(3)
    del records[1]["output_tokens"]
    records[2] |= {"input_tokens": ..., "output_tokens": ..., "requests": 0}
    assert (await post_window(site, node.zipped(records))).status_code == 201
    units = [
        (claims.get("functionalUnit"), claims.get("functionalUnitCount"))
        for claims in [await single(site, f"inference-{number}") for number in range(3)]
    ]
    assert units == [("token", "30"), ("request", "1"), (None, None)]


_YEARS = timedelta(days=365 * 3)
LOW = {"measured_us": 8_999_990, "largest_gap_us": 1_000_010}


async def test_what_was_divided_by_tokens_alone_is_graded_below_the_window_s_counter(site):
    node = WindowNode()
    records = node.records(2)
    records[0]["attribution"], records[1]["attribution"] = "phase-weighted", "step-log"
    assert (await post_window(site, node.zipped(records))).status_code == 201
    methods = [(await single(site, record["inference_id"]))["measurementMethod"] for record in records]
    assert methods == ["partition-estimate", "counter"]


async def test_a_window_of_low_coverage_is_taken_told_and_its_chain_goes_on(any_site):
    node = WindowNode()
    answer = await post_window(any_site, node.zipped(**LOW))
    raw = await credential_of(any_site, answer)
    assert subject_of(raw)["measurementCoverage"] == "0.899999"
    report = await report_on(any_site, raw)
    assert report.outcome == "verified", report.detail
    told = (await shown(any_site))["coverage-low"]["detail"]
    assert told.startswith("0.899999 of the window's time was measured")
    assert (await post_window(any_site, node.zipped())).status_code == 201


async def test_its_inferences_keep_their_receipts_and_sums_and_get_no_credential_of_their_own(any_site):
    assert (await post_window(any_site, WindowNode().zipped(**LOW))).status_code == 201
    refused = await any_site.get("/api/v1/certificate/inference-0/vc")
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("LOW_COVERAGE"), refused.text
    assert "least_coverage" in refused.json()["detail"]
    assert (await any_site.get("/api/v1/receipt/inference-0")).status_code == 200
    assert (await any_site.get("/api/v1/emissions")).json()["measured"]["count"] == len(("inference-0", "inference-1"))


async def test_a_lower_limit_of_the_operator_gives_the_inference_its_credential(open_site):
    site = await open_site(least_coverage="0.5")
    assert (await post_window(site, WindowNode().zipped(**LOW))).status_code == 201
    claims = await single(site, "inference-0")
    assert claims["measurementCoverage"] == "0.899999"
    # 1.00001 s of 3 s may be missing: 100 x (0.33334 / 0.66666) / root of 3
    assert claims["standardUncertaintyGapsPercent"] == "28.87"


async def test_between_the_limits_the_uncertainty_grows_and_the_window_is_told(site):
    node = WindowNode()
    whole = subject_of(await credential_of(site, await post_window(site, node.zipped())))
    reduced = await post_window(site, node.zipped(measured_us=9_500_000, largest_gap_us=300_000))
    claims = subject_of(await credential_of(site, reduced))
    assert Decimal(claims["standardUncertaintyGapsPercent"]) == Decimal("3.04")
    assert Decimal(claims["energyUncertaintyPercent"]) > Decimal(whole["energyUncertaintyPercent"])
    assert set(await shown(site)) >= {"coverage-reduced"}
    await single(site, "inference-100")


async def test_a_badly_measured_inference_can_still_be_revoked(site, monkeypatch):
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", PUBLIC_URL)
    # Commands have a real clock, so what they issue must have ended before it.
    site.clock.advance(-_YEARS)
    node = WindowNode()
    node.chain.wall_us -= _YEARS // timedelta(microseconds=1)
    assert (await post_window(site, node.zipped(**LOW))).status_code == 201
    words = ["revoke", "inference-0", "--tenant", "acme", "--database-url", site.settings.database_url]
    assert await asyncio.to_thread(main, words) == 0
    assert (await site.get("/api/v1/receipt/inference-0")).status_code != 200


@pytest.mark.parametrize("count", [1, 7])
def test_the_durations_of_a_window_s_records_are_summed_from_their_bytes(count):
    node = WindowNode()
    records = [one | {"duration_us": 1000 + number} for number, one in enumerate(node.records(count))]
    assert open_window(node.zipped(records)).reserved_us() == sum(1000 + number for number in range(count))
