"""The table for ESRS and the GHG Protocol over HTTP: its columns, what it never mixes, and that it adds up."""

import csv
import io
import itertools
from decimal import Decimal

import pytest

from issuer.reports import codes
from issuer.reports.rows import COLUMNS
from issuer.store.amounts import decimal_of
from schemas import times
from schemas.sci import sci
from tests.fakes.issuer import START, body, node_signer, signed
from tests.fakes.reissuing import Reissuing
from tests.fakes.site import bearer, problem
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_further_claims import settle

PATH = "/api/v1/compliance/esrs"
EXACT = ("energy_mwh", "location_based_tco2e", "market_based_tco2e", "embodied_tco2e", "residual_energy_mwh")


def rows_of(answer):
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def column(rows, name):
    return sum(Decimal(row[name]) for row in rows if row[name] != "not stated")


async def window(site, count=3, **changes):
    node = WindowNode()
    answer = await post_window(site, node.zipped(node.records(count), **changes))
    assert answer.status_code == 201, answer.text


async def test_a_row_has_what_auditors_ask_for(any_site):
    await settle(any_site)
    await window(any_site)
    answer = await any_site.get(PATH, period="2026-11")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="green-compute-esrs.csv"'
    (row,) = rows_of(answer)
    assert tuple(row) == (*COLUMNS, "codes")
    sums = (await any_site.get("/api/v1/emissions")).json()["measured"]
    (view,) = sums["by_factor_type"].values()
    kwh, grams = Decimal(view["energy_kwh"]), Decimal(view["operational_gco2e"])
    embodied = Decimal(view["embodied_gco2e"])
    expected = {
        "period_start": "2026-11-01T00:00:00Z",
        "period_end": "2026-12-01T00:00:00Z",
        "grid_region": "CAMX",
        "assurance": "software",
        "simulated": "false",
        "inferences": "3",
        "renewable_share": "not stated",
        "estimated_energy_mwh": "0",
        "measured_percent": "100",
        "measurement_method": "counter",
        "attribution_method": "step-log",
        "coverage": "full",
        "claim_status": "final",
        "factor_source": "US EPA eGRID2023 rev 2",
        "factor_granularity": "P1Y",
        "factor_tier": "subregion-annual",
        "market_based_instrument": "https://registry.example/eac/8841",
        "residual_energy_mwh": "0",
        "scope3_category1_boundary": "operational (location-based) and embodied",
        "requests": "3",
        "tokens": "90",
        "credentials": "1",
    }
    assert {name: row[name] for name in expected} == expected
    assert Decimal(row["energy_mwh"]) == kwh / 1000
    assert Decimal(row["location_based_tco2e"]) == grams / 10**6
    assert Decimal(row["market_based_tco2e"]) == kwh * Decimal("24.6") / 10**6
    assert Decimal(row["scope3_category1_tco2e"]) == (grams + embodied) / 10**6
    assert Decimal(row["sci_gco2e_per_token"]) == sci(grams, embodied, 90)
    assert "E1-6 49(b)" in row["codes"]
    # 3.42 % of the window's meter and PUE; each record's edges (1.37) and its part of the energy (4.3) on top.
    assert Decimal(9) < Decimal(row["energy_uncertainty_percent"]) < Decimal(10)
    assert Decimal(row["emissions_uncertainty_percent"]) > Decimal(row["energy_uncertainty_percent"])


async def test_what_no_credential_states_says_so_and_is_no_zero(site):
    await site.telemetry()
    (row,) = rows_of(await site.get(PATH, period="2026"))
    for name in ("market_based_tco2e", "embodied_tco2e", "estimated_energy_mwh", "requests", "tokens", "coverage"):
        assert row[name] == "not stated", name
    assert {row[name] for name in row if name.startswith("sci_")} == {"not stated"}
    assert row["residual_energy_mwh"] == row["energy_mwh"]
    assert row["residual_location_based_tco2e"] == row["location_based_tco2e"]
    assert row["scope3_category1_boundary"] == "operational (location-based) only"
    (found,) = (await site.get(PATH, period="2026", format="json")).json()["rows"]
    assert found["market_based_tco2e"] is None


@pytest.mark.parametrize("granularity", ["hour", "day", "month", "whole"])
async def test_slots_of_every_length_add_up_to_the_same(site, granularity):
    await settle(site)
    node = WindowNode()
    # The window lasts from a second before the hour to nine seconds after it.
    hour_us = times.to_microseconds(START.replace(hour=20, minute=0, second=0, microsecond=0))
    node.chain.wall_us = hour_us - 1_000_000
    assert (await post_window(site, node.zipped())).status_code == 201
    assert (await site.telemetry(inference_id="posted", duration_s="7200")).status_code == 201
    answer = await site.get(PATH, since="2026-11-20", until="2026-11-22", granularity=granularity)
    rows = rows_of(answer)
    (whole,) = [await site.get(PATH, period="2026", granularity="whole")]
    for name in EXACT:
        assert column(rows, name) == column(rows_of(whole), name), name
    hours = {row["period_start"][11:13] for row in rows}
    assert hours == ({"18", "19", "20"} if granularity == "hour" else {"00"})
    assert all(first["period_start"] <= second["period_start"] for first, second in itertools.pairwise(rows))
    if granularity == "hour":
        windowed = [Decimal(row["energy_mwh"]) for row in rows if row["attribution_method"] == "step-log"]
        assert abs(windowed[1] - 9 * windowed[0]) < Decimal("1e-17")


async def test_simulated_revoked_and_suspended_figures_are_in_no_measured_row_and_told(any_site):
    await any_site.telemetry(inference_id="good", energy_kwh="0.0001")
    simulated = body(node_id="node-9", inference_id="s", energy_kwh="0.002")
    await any_site.post("/api/v1/telemetry", signed(simulated, node_signer(9)))
    store = any_site.store()
    for name, act, energy in (("r", "revoke", "0.0004"), ("p", "suspend", "0.0002")):
        await any_site.telemetry(inference_id=name, energy_kwh=energy)
        row = await store.credentials.by_inference("acme", name)
        await getattr(store.status, act)(row.id, "", "cli", 1, tenant_id=None)
    await store.close()
    (row,) = rows_of(await any_site.get(PATH, period="2026"))
    assert row["energy_mwh"] == "0.0000001"
    (row,) = rows_of(await any_site.get(PATH, period="2026", kind="simulated"))
    assert (row["energy_mwh"], row["simulated"]) == ("0.000002", "true")
    told = (await any_site.get(PATH, period="2026", format="json")).json()
    assert told["left_out_kwh"] == {"revoked": "0.0004", "simulated": "0.002", "suspended": "0.0002"}
    assert {kind: one["energy_kwh"] for kind, one in told["totals"].items()} == {"direct": "0.0001"}


async def test_provisional_estimated_and_partly_measured_energy_is_told_beside_the_sums(any_site):
    store = any_site.store()
    place = Reissuing.over(store, any_site.clock)
    await place.estimate()
    node = WindowNode()
    await place.window(node, 2, measured_us=9_500_000, largest_gap_us=300_000)
    await store.close()
    answer = (await any_site.get("/api/v1/emissions")).json()["measured"]
    quality = answer["quality"]
    assert quality["provisional_kwh"] == quality["below_full_coverage_kwh"] == answer["energy_kwh"]
    assert quality["assurance_kwh"] == {"software": answer["energy_kwh"]}
    (row,) = rows_of(await any_site.get(PATH, period="2026"))
    assert (row["claim_status"], row["coverage"], row["factor_granularity"]) == ("provisional", "reduced", "PT1H")
    assert row["factor_year"] == "not stated"


async def test_a_score_is_stated_where_all_of_it_is(site):
    await settle(site)
    await window(site)
    (view,) = (await site.get("/api/v1/emissions")).json()["measured"]["by_factor_type"].values()
    o, m = Decimal(view["operational_gco2e"]), Decimal(view["embodied_gco2e"])
    assert view["functional_units"] == {"request": 3, "token": 90}
    assert Decimal(view["sci_gco2e"]["request"]) == sci(o, m, 3)
    assert view["market_based"]["residual_energy_kwh"] == "0"
    # Without a duration it has no share of the hardware's life; the contract covers it all the same.
    assert (await site.telemetry(inference_id="posted", duration_s=None)).status_code == 201
    (view,) = (await site.get("/api/v1/emissions")).json()["measured"]["by_factor_type"].values()
    assert view["embodied_gco2e"] is None
    assert view["functional_units"] == {"request": None, "token": None}
    assert view["sci_gco2e"] == {"request": None, "token": None}
    assert view["market_based"]["energy_kwh"] == view["energy_kwh"]


async def test_rows_can_be_split_by_model_node_and_tenant(any_site):
    await any_site.telemetry(inference_id="a", model_id="one")
    await any_site.telemetry(inference_id="b", model_id="two")
    rows = rows_of(await any_site.get(PATH, period="2026", per="model,node", granularity="whole"))
    assert [(row["model_id"], row["node_id"], row["tenant_id"]) for row in rows] == [
        ("one", "node-7", "all"),
        ("two", "node-7", "all"),
    ]
    (row,) = rows_of(await any_site.get(PATH, period="2026", model_id="two"))
    assert row["inferences"] == "1"
    rows = rows_of(await any_site.get(PATH, tenant="all", period="2026", per="tenant"))
    assert [row["tenant_id"] for row in rows] == ["acme"]


async def test_a_report_is_the_tenants_own(any_site):
    await any_site.telemetry()
    assert rows_of(await any_site.get(PATH, tenant="umbra", period="2026")) == []
    answer = await any_site.client.get(f"{PATH}?tenant=acme", headers=bearer("umbra", "read"))
    assert answer.status_code == 403


async def test_a_model_that_a_spreadsheet_would_run_is_escaped(site):
    await site.telemetry(model_id="=HYPERLINK('http://x')")
    (row,) = rows_of(await site.get(PATH, per="model"))
    assert row["model_id"] == "'=HYPERLINK('http://x')"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"period": "2026-13"}, "period"),
        ({"period": "2026", "since": "2026-01-01"}, "period"),
        ({"since": "2026-01-01"}, "since, until"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "ends before"),
        ({"granularity": "minute"}, "granularity"),
        ({"period": "2026", "per": "model,colour"}, "per"),
        ({"kind": "all"}, "kind"),
        ({"format": "xbrl"}, "format"),
        ({"since": "2000-01-01", "until": "2030-01-01", "granularity": "hour"}, "shorter period"),
        ({"colour": "green"}, "colour"),
    ],
)
async def test_what_cannot_be_asked_is_refused_and_named(site, query, named):
    answer = await site.get(PATH, **query)
    assert answer.status_code == 400
    assert problem(answer) in {"MALFORMED_VALUE_ERROR", "BAD_REQUEST"}
    assert named in answer.json()["detail"]


async def test_a_report_takes_the_tenants_turn(site):
    turns = site.service.app.state["service"].limits.exports
    turns._wait_s = 0.01
    async with turns.of("acme"):
        assert (await site.get(PATH, period="2026")).status_code == 503
        assert (await site.get(PATH, tenant="umbra", period="2026")).status_code == 200


def test_each_code_is_of_a_column_and_has_its_edition():
    found = codes.codes()
    assert {one.column for one in found} <= set(COLUMNS)
    assert all(one.edition and one.published and one.source.startswith("https://") for one in found)
    named = {one.column for one in found if one.framework == "GHG Protocol"}
    assert named == {"location_based_tco2e", "market_based_tco2e", "scope3_category1_tco2e"}


def test_amounts_are_shown_with_all_their_digits():
    assert decimal_of(123456789012345678901234567890) == Decimal("123456789012.345678901234567890")
