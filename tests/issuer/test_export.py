import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from issuer import export
from issuer.store.records import StoredCredential
from schemas.strict_json import JsonObject
from tests.vectors import FORMATS

MINIMAL: JsonObject = json.loads((FORMATS / "credential-minimal.vc11.json").read_bytes())

ROW = StoredCredential(
    id="019aa2c5-9410-7c00-9a00-0000000000c3",
    issuer_slug="root",
    tenant_id="acme",
    inference_id="inference-1",
    credential_type="GreenComputeCredential",
    node_id="node-7",
    model_id="org/model",
    period_start_us=1_795_204_861_500_000,
    period_end_us=1_795_204_864_250_000,
    energy_kwh="0.000729",
    operational_emissions_gco2e="0.14217687",
    emission_factor_type="direct",
    assurance="simulated",
    simulated=True,
    body_digest="d",
    record_digest="r",
    list_id="7",
    index=94568,
    state="issued",
    reserved_us=1_795_204_865_000_000,
    issued_us=1_795_204_865_000_000,
    rejection=None,
    revoked_us=None,
    suspended_us=None,
    unsecured=b"",
    document=json.dumps(MINIMAL).encode(),
)


async def rows_of(*rows: StoredCredential) -> AsyncIterator[StoredCredential]:
    for row in rows:
        yield row


async def table_of(*rows: StoredCredential) -> list[dict[str, str]]:
    content = b"".join([chunk async for chunk in export.csv_chunks(rows_of(*rows))])
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def with_(**changes: Any) -> StoredCredential:
    return msgspec.structs.replace(ROW, **changes)


async def test_without_credentials_there_is_the_header_alone() -> None:
    chunks = [chunk async for chunk in export.csv_chunks(rows_of())]
    assert b"".join(chunks) == (",".join(export.COLUMNS) + "\r\n").encode()


async def test_a_row_gives_energy_and_emissions_in_both_scales() -> None:
    (row,) = await table_of(ROW)
    assert (row["energy_kwh"], row["energy_mwh"]) == ("0.000729", "0.000000729")
    assert row["operational_emissions_gco2e"] == "0.14217687"
    assert row["operational_emissions_tco2e"] == "0.00000014217687"


async def test_a_row_names_the_factor_s_source_and_year() -> None:
    (row,) = await table_of(ROW)
    assert row["carbon_intensity_gco2e_per_kwh"] == "195.03"
    assert (row["carbon_intensity_source"], row["carbon_intensity_year"]) == ("US EPA eGRID2023 rev 2", "2023")
    assert (row["grid_region"], row["emission_factor_type"]) == ("CAMX", "direct")
    assert row["accounting_method"] == "location-based"


async def test_a_row_says_that_figures_are_simulated() -> None:
    (row,) = await table_of(ROW)
    assert (row["simulated"], row["assurance"], row["measurement_method"]) == ("true", "simulated", "modelled")


async def test_times_are_utc_and_exact() -> None:
    (row,) = await table_of(ROW)
    assert (row["period_start"], row["period_end"]) == ("2026-11-20T20:01:01.5Z", "2026-11-20T20:01:04.25Z")


async def test_an_absent_claim_is_empty_and_not_zero() -> None:
    (row,) = await table_of(with_(period_start_us=None))
    assert (row["pue"], row["facility_overhead_kwh"], row["period_start"], row["revoked"]) == ("", "", "", "")


@pytest.mark.parametrize(
    ("revoked_us", "suspended_us", "status"),
    [(None, None, "valid"), (None, 1, "suspended"), (1, None, "revoked"), (1, 1, "revoked")],
)
async def test_a_row_tells_its_status(revoked_us: int | None, suspended_us: int | None, status: str) -> None:
    (row,) = await table_of(with_(revoked_us=revoked_us, suspended_us=suspended_us))
    assert row["status"] == status


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
async def test_a_cell_that_would_be_a_formula_gets_an_apostrophe(start: str) -> None:
    (row,) = await table_of(with_(model_id=f"{start}cmd|' /C calc'!A0"))
    assert row["model_id"].startswith(f"'{start}")


async def test_quotes_commas_and_line_ends_stay_in_their_cell() -> None:
    (row,) = await table_of(with_(model_id='a,"b"\r\nc', node_id="node-7"))
    assert (row["model_id"], row["node_id"]) == ('a,"b"\r\nc', "node-7")


@pytest.mark.parametrize("cell", ["", "0.5", "model=1", "a+b", "'x"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert export.escape(cell) == cell


async def test_a_long_export_comes_in_chunks() -> None:
    chunks = [chunk async for chunk in export.csv_chunks(rows_of(*[ROW] * 1000))]
    assert len(chunks) > 2
    assert max(map(len, chunks)) < 70_000
    assert b"".join(chunks).count(b"\r\n") == 1001


async def test_others_get_on_while_a_long_export_is_written() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def rows() -> AsyncIterator[StoredCredential]:
        for number in range(1_000):
            seen.append((number, turns))
            yield ROW

    seen: list[tuple[int, int]] = []
    beside = asyncio.create_task(others())
    async for _ in export.csv_chunks(rows()):
        pass
    beside.cancel()
    # Between any two of its moments at most a hundred rows are taken.
    assert max(Counter(turn for _, turn in seen).values()) <= 100


def test_every_column_is_filled_in_the_header_s_order() -> None:
    assert len(export.cells(ROW)) == len(export.COLUMNS) == len(set(export.COLUMNS))
