"""Sums and the CSV export."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from issuer.export import COLUMNS
from tests.fakes.issuer import body, node_signer, signed
from tests.fakes.site import bearer, problem

MODEL = "meta-llama/Llama-3.1-70B-Instruct"


async def test_sums_are_exact_and_keep_simulated_figures_apart(any_site):
    for number in range(3):
        await any_site.telemetry(inference_id=f"i-{number}", energy_kwh="0.000000000278")
    await any_site.post(
        "/api/v1/telemetry", signed(body(node_id="node-9", inference_id="s", energy_kwh="0.002"), node_signer(9))
    )
    sums = (await any_site.get("/api/v1/emissions")).json()
    assert sums["measured"]["count"] == 3
    assert sums["measured"]["energy_kwh"] == "0.000000000834"
    assert sums["simulated"]["count"] == 1
    assert sums["simulated"]["energy_kwh"] == "0.002"
    assert (sums["revoked"]["count"], sums["revoked"]["energy_kwh"]) == (0, "0")
    assert sums["revoked"]["emissions_gco2e"] == sums["revoked"]["by_factor_type"] == {}


async def test_sums_of_emissions_name_the_kind_of_their_factors(any_site):
    claims = (await any_site.telemetry(model_id="small")).json()["credentialSubject"]
    assert claims["emissionFactorType"] == "direct"
    for path in ("/api/v1/emissions", "/api/v1/model/small/emissions"):
        measured = (await any_site.get(path)).json()["measured"]
        assert measured["emissions_gco2e"] == {"direct": claims["operationalEmissionsGco2e"]}


async def test_a_model_id_with_a_slash_travels_in_the_query(site):
    await site.telemetry()
    await site.telemetry(inference_id="i-2", model_id="other")
    sums = (await site.get("/api/v1/emissions", model_id=MODEL)).json()
    assert sums["model_id"] == MODEL
    assert sums["measured"]["count"] == 1


async def test_a_model_id_without_a_slash_has_a_path_too(site):
    await site.telemetry(model_id="llama-3.1:70b")
    sums = (await site.get("/api/v1/model/llama-3.1:70b/emissions")).json()
    assert sums["measured"]["count"] == 1


@pytest.mark.parametrize("model", ["%00", "%3Cimg%20src=x%3E", "%E2%80%AEabc", "m" * 257])
async def test_a_model_id_that_none_can_be_is_a_problem(site, model):
    answer = await site.get(f"/api/v1/model/{model}/emissions")
    assert answer.status_code == 400
    assert problem(answer) == "MALFORMED_VALUE_ERROR"


async def test_sums_are_the_tenants_own(any_site):
    await any_site.telemetry()
    assert (await any_site.get("/api/v1/emissions", tenant="umbra")).json()["measured"]["count"] == 0
    assert (await any_site.get("/api/v1/emissions", tenant="all")).json()["measured"]["count"] == 1


async def test_sums_can_be_narrowed_by_time(site):
    await site.telemetry()
    assert (await site.get("/api/v1/emissions", since="2026-11-21")).json()["measured"]["count"] == 0
    assert (await site.get("/api/v1/emissions", until="2026-11-21")).json()["measured"]["count"] == 1


def _rows(answer):
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


async def test_the_export_is_csv_for_download(any_site):
    for number in range(3):
        await any_site.telemetry(inference_id=f"i-{number}")
    answer = await any_site.get("/api/v1/compliance/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert tuple(answer.text.partition("\r\n")[0].split(",")) == COLUMNS
    rows = _rows(answer)
    assert sorted(row["inference_id"] for row in rows) == ["i-0", "i-1", "i-2"]
    assert Decimal(rows[0]["energy_kwh"]) == Decimal(rows[0]["energy_mwh"]) * 1000


@pytest.mark.parametrize("model", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)"])
async def test_a_cell_that_a_spreadsheet_would_run_is_escaped(site, model):
    if '"' in model:
        model = model.replace('"', "'")
    assert (await site.telemetry(model_id=model)).status_code == 201
    rows = _rows(await site.get("/api/v1/compliance/export"))
    assert rows[0]["model_id"] == f"'{model}"


async def test_the_export_is_the_tenants_own(any_site):
    await any_site.telemetry()
    assert _rows(await any_site.get("/api/v1/compliance/export", tenant="umbra")) == []


async def test_a_misspelt_filter_is_refused_instead_of_ignored(site):
    answer = await site.client.get("/api/v1/compliance/export?form=2026-01-01", headers=bearer("acme", "read"))
    assert answer.status_code == 400
    assert "since" in answer.json()["detail"]
