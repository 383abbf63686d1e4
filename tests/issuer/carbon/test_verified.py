"""What the issuer claims by slots, judged by the verifier with everything that the issuer publishes, and nothing else."""

from datetime import timedelta

import pytest

from issuer.carbon import table
from schemas import times
from tests.fakes.grid_slots import HOUR_US, stored
from tests.fakes.issuer import START, engines
from tests.fakes.reissuing import SETTLED, Reissuing, claims
from tests.fakes.window_node import WindowNode
from tests.issuer.conftest import any_site, site_postgres, site_url  # noqa: F401 - fixtures
from tests.issuer.windows.test_verified import gathered
from verifier import document
from verifier.claims.notes import TABLES
from verifier.evidence import Evidence, Fetched
from verifier.policy import Policy
from verifier.report import Result
from verifier.verify import verify_credential

STRICT = Policy(require_evidence=True, require_grid_data=True, accepted_carbon_sources=("Source em*",))
START_US = times.to_microseconds(START)
HOUR = START_US // HOUR_US * HOUR_US


@pytest.fixture
async def place(any_site):  # noqa: F811 - the fixture
    store = any_site.store()
    yield Reissuing.over(store, any_site.clock)
    await store.close()


async def put(place, *intensities, **changes):
    """Store the hour before that of the clock's beginning, and that hour."""
    slots = [stored(HOUR + (hour - 1) * HOUR_US, figure, **changes) for hour, figure in enumerate(intensities)]
    await place.store.grid.put(slots)


async def made(place):
    """Return a record, a window and an inference of it that lie in both hours."""
    posted = await place.record(timestamp="2026-11-20T20:00:01Z", duration_s="4.000003")
    node = WindowNode()
    node.chain.wall_us = HOUR - 5_000_000
    window = await place.window(node)
    return [posted, window, await place.single("inference-0")]


async def report(site, row, change=lambda evidence: evidence):
    parsed = document.parse(row.document)
    evidence = change(await gathered(site, parsed))
    return verify_credential(parsed, evidence, STRICT, site.clock.now() + timedelta(seconds=1), engines=engines())


async def test_what_supersedes_provisional_ones_is_computed_again(any_site, place):  # noqa: F811
    await put(place, "100", "321.5", estimated=True, retrieved_us=START_US, settled=False)
    before = await made(place)
    any_site.clock.advance(SETTLED)
    await put(place, "123.456", "300.001", retrieved_us=times.to_microseconds(any_site.clock.now()))
    assert (await place.issuance.reissue.run_once()).reissued == 2
    for row in before[:2]:
        found = await report(any_site, await place.current(row))
        assert found.outcome == "verified", (found.problem, found.detail)
        assert found.check("grid").result is Result.PASSED
        assert (found.grid.claim_status, found.grid.slots, found.grid.zone) == ("final", 2, "DE")
        assert 123.456 < float(found.grid.gco2e_per_kwh) < 300.001


async def test_provisional_ones_are_computed_again_too(any_site, place):  # noqa: F811
    await put(place, "100", "321.5", estimated=True, retrieved_us=START_US, settled=False)
    for row in await made(place):
        found = await report(any_site, row)
        assert found.outcome == "verified", (found.problem, found.detail)
        assert (found.check("grid").result, found.grid.slots) == (Result.PASSED, 2)
        assert claims(row)["carbonIntensityGco2ePerKwh"] not in {"100", "321.5"}
        assert "PROVISIONAL" in found.warned_of


async def test_slots_of_another_credential_in_their_place_are_refused(any_site, place):  # noqa: F811
    await put(place, "100", "321.5", estimated=True, retrieved_us=START_US, settled=False)
    row = (await made(place))[0]
    digest = claims(row)["gridDataDigest"]

    def change(evidence):
        raw = evidence.attachments[digest].body.replace(b'"321.5"', b'"221.5"')
        return Evidence(attachments={digest: Fetched(url="x", origin="folder", body=raw)}).joined(evidence)

    found = await report(any_site, row, change)
    assert (found.outcome, found.problem) == ("refused", "EVIDENCE_MISMATCH")


@pytest.mark.parametrize("kind", ["direct", "lifecycle"])
def test_the_verifier_knows_the_range_of_the_tables_that_the_issuer_ships(kind):
    values = [row.gco2e_per_kwh for row in table.rows() if row.factor_type == kind and row.tier != "world-annual"]
    assert TABLES[kind] == (min(values), max(values))
