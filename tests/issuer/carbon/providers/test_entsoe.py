from decimal import Decimal

import pytest

from issuer.carbon.providers import eic
from issuer.carbon.providers.errors import (
    ProviderRefusedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
    ProviderUnavailableError,
    UnknownZoneError,
)
from issuer.carbon.providers.production_types import FUELS, STORAGE, factor
from tests.fakes.grid import traps
from tests.fakes.grid.entsoe import ZONE, FakeEntsoe, acknowledgement
from tests.fakes.grid.values import DAY_US, HOUR_US, MINUTE_US, us
from tests.issuer.carbon.providers.asking import NOW_US, platform
from tests.vectors import shared

START_US, END_US = us("2026-10-01T03:00"), us("2026-10-01T05:00")


@pytest.fixture
def fake():
    with FakeEntsoe(until_us=us("2026-10-01T11:00")) as server:
        yield server


async def ask(fake, tmp_path, start_us=START_US, end_us=END_US, zone="DE-LU", **options):
    return await platform(fake, tmp_path, **options).slots(zone, start_us, end_us, NOW_US)


async def test_the_intensity_is_generation_times_factors_over_generation(fake, tmp_path):
    given = await ask(fake, tmp_path)
    # 3 o'clock: gas 3000 x 490, nuclear 1000 x 12, solar 300 x 45; 4 o'clock: solar 400.
    assert [slot.gco2e_per_kwh for slot in given.slots] == ["347.791", "340.909"]
    assert {slot.estimated for slot in given.slots} == {False}
    data = given.grid_data(START_US, END_US)
    assert (data.factor_type, data.signal, data.zone) == ("lifecycle", "average", "DE-LU")
    assert "Own computation" in data.source
    assert "A75" in data.source


async def test_direct_factors_are_another_column(fake, tmp_path):
    given = await ask(fake, tmp_path, factor_type="direct")
    # 3000 x 370 / 4300
    assert given.slots[0].gco2e_per_kwh == "258.14"
    assert given.offer.factor_type == "direct"


async def test_consumption_and_storage_are_left_out(fake, tmp_path):
    before = await ask(fake, tmp_path)
    fake.generation["B10"] = lambda _us: 5000
    fake.generation["B25"] = lambda _us: None
    fake.consumption = {"B04": lambda _us: 2000, "B16": lambda _us: 100}
    after = await ask(fake, tmp_path)
    assert [slot.gco2e_per_kwh for slot in after.slots] == [slot.gco2e_per_kwh for slot in before.slots]


@pytest.mark.parametrize("resolution", ["PT15M", "PT60M"])
async def test_positions_left_out_repeat_with_the_curve_a03(fake, tmp_path, resolution):
    expected = await ask(fake, tmp_path)
    fake.resolution, fake.curve = resolution, "A03"
    given = await ask(fake, tmp_path)
    assert [slot.gco2e_per_kwh for slot in given.slots] == [slot.gco2e_per_kwh for slot in expected.slots]


async def test_with_the_curve_a01_a_position_left_out_is_not_known(fake, tmp_path):
    fake.curve = "A03"
    fake.always(traps.swapped("<curveType>A03", "<curveType>A01"))
    given = await ask(fake, tmp_path)
    assert given.slots == ()
    assert "B04, B14" in given.holes[0].reason


async def test_a_type_that_is_late_makes_a_hole_and_no_other_grid(fake, tmp_path):
    fake.generation["B14"] = lambda time_us: None if time_us >= us("2026-10-01T04:00") else 1000
    given = await ask(fake, tmp_path, us("2026-10-01T04:00"), END_US)
    assert given.slots == ()
    assert [hole.reason for hole in given.holes] == ["no whole figure for the production types B14"]


async def test_a_quarter_that_lacks_spoils_its_hour_alone(fake, tmp_path):
    fake.generation["B14"] = lambda time_us: None if time_us == us("2026-10-01T03:15") else 1000
    given = await ask(fake, tmp_path)
    assert [hole.start_us for hole in given.holes] == [START_US]
    assert [slot.start_us for slot in given.slots] == [START_US + HOUR_US]


async def test_whole_days_are_asked_for(fake, tmp_path):
    await ask(fake, tmp_path)
    query = fake.asked[0].query
    assert (query["periodStart"], query["periodEnd"], query["in_Domain"]) == ("202610010000", "202610020000", ZONE)


async def test_each_day_is_a_question_of_its_own_and_the_answers_join(fake, tmp_path):
    given = await ask(fake, tmp_path, END_US - 3 * DAY_US, END_US)
    assert len(fake.asked) == 4
    assert len(given.slots) == 72
    assert given.grid_data(END_US - 3 * DAY_US, END_US) is not None


async def test_what_is_a_hole_does_not_depend_on_how_much_is_asked_for(fake, tmp_path):
    fake.generation["B06"] = lambda time_us: 50 if time_us >= us("2026-10-01T00:00") else None
    day_before = us("2026-09-30T23:00")
    alone = await ask(fake, tmp_path, day_before, day_before + HOUR_US)
    with_more = await ask(fake, tmp_path, day_before, END_US)
    assert with_more.slots[0] == alone.slots[0]


async def test_what_is_not_published_yet_is_not_there(fake, tmp_path):
    given = await ask(fake, tmp_path, us("2026-10-01T10:00"), NOW_US)
    assert [slot.start_us for slot in given.slots] == [us("2026-10-01T10:00")]


@pytest.mark.parametrize("status", [200, 400])
async def test_no_matching_data_is_no_slot_and_no_error(fake, tmp_path, status):
    fake.always(lambda _answer: acknowledgement("No matching data found", status=status))
    given = await ask(fake, tmp_path)
    assert (given.slots, given.holes) == ((), ())


async def test_another_refusal_with_the_same_reason_code_is_an_error(fake, tmp_path):
    fake.always(lambda _answer: acknowledgement("Delivered time interval is not valid for this Data item."))
    with pytest.raises(ProviderRefusedError, match="does not take the request"):
        await ask(fake, tmp_path)


@pytest.mark.parametrize(
    ("trap", "error"),
    [
        (traps.status(401), ProviderUnauthorizedError),
        (traps.status(503), ProviderUnavailableError),
        (traps.content_type("application/zip"), ProviderRefusedError),
        (traps.body(b"<GL_MarketDocument"), ProviderRefusedError),
        (traps.swapped("generationloaddocument:3:0", "other"), None),
        (traps.swapped("<type>A75", "<type>A73"), ProviderRefusedError),
        (traps.swapped("<process.processType>A16", "<process.processType>A01"), ProviderRefusedError),
        (traps.swapped(f"{ZONE}</in", "10YFR-RTE------C</in"), ProviderRefusedError),
        (traps.swapped("MAW", "MWH"), ProviderRefusedError),
        (traps.swapped("<psrType>B04", "<psrType>"), ProviderRefusedError),
        (traps.swapped("<psrType>B14", "<psrType>B04"), ProviderRefusedError),
        (traps.swapped("<curveType>A01", "<curveType>A02"), ProviderRefusedError),
        (traps.swapped("<resolution>PT15M", "<resolution>P1M"), ProviderRefusedError),
        (traps.swapped("<position>2</position>", "<position>1</position>"), ProviderRefusedError),
        (traps.swapped("<position>2</position>", "<position>99999</position>"), ProviderRefusedError),
        (traps.swapped("<position>2</position>", "<position>0</position>"), ProviderRefusedError),
        (traps.swapped("<start>2026-10-01T00:00Z", "<start>2026-10-01T00:01Z"), ProviderRefusedError),
    ],
)
async def test_what_is_not_what_was_asked_for_is_refused(fake, tmp_path, trap, error):
    fake.always(trap)
    with pytest.raises(error or ProviderRefusedError):
        await ask(fake, tmp_path)


@pytest.mark.parametrize("quantity", ["-5", "NaN", "1e3", "", "2000000", "9" * 60])
async def test_a_quantity_that_no_zone_generates_makes_a_hole(fake, tmp_path, quantity):
    fake.always(
        traps.swapped("<position>13</position><quantity>3000<", f"<position>13</position><quantity>{quantity}<")
    )
    given = await ask(fake, tmp_path)
    assert [hole.start_us for hole in given.holes] == [START_US]


async def test_a_coarser_resolution_than_set_is_refused(fake, tmp_path):
    fake.resolution = "PT60M"
    with pytest.raises(ProviderRefusedError, match="coarser"):
        await ask(fake, tmp_path, granularity="PT15M")


async def test_quarters_of_an_hour_are_given_as_they_are(fake, tmp_path):
    given = await ask(fake, tmp_path, granularity="PT15M")
    assert [slot.end_us - slot.start_us for slot in given.slots] == [15 * MINUTE_US] * 8


async def test_a_grid_that_generates_nothing_has_no_mean(fake, tmp_path):
    fake.generation = {"B04": lambda _us: 0}
    given = await ask(fake, tmp_path)
    assert given.slots == ()
    assert "nothing was generated" in given.holes[0].reason


async def test_entities_are_not_even_declared(fake, tmp_path):
    evil = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "ha">]><a>&x;&y;</a>'
    fake.always(traps.body(evil))
    with pytest.raises(ProviderRefusedError, match="document type"):
        await ask(fake, tmp_path)


@pytest.mark.parametrize("raw", [b"<a>" * 13, b"<a>" + b"<b/>" * 50_001])
async def test_deep_and_long_documents_are_refused(fake, tmp_path, raw):
    fake.always(traps.body(raw))
    with pytest.raises(ProviderRefusedError, match="more XML"):
        await ask(fake, tmp_path)


async def test_the_token_stands_in_no_log(fake, tmp_path, caplog):
    with caplog.at_level(0):
        await ask(fake, tmp_path)
    assert "11111111" in fake.asked[0].query["securityToken"]
    assert caplog.records
    assert "11111111" not in caplog.text


async def test_the_token_stands_in_no_error(fake, tmp_path):
    for trap in (
        traps.status(401),
        traps.status(503),
        traps.status(400),
        traps.cut,
        traps.redirect("https://else.example"),
    ):
        fake.always(trap)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - all of them
            await ask(fake, tmp_path)
        chain, error = "", caught.value
        while error is not None:
            chain, error = chain + repr(error), error.__cause__
        assert "11111111" not in chain


def test_a_granularity_finer_than_the_platform_s_is_refused_beforehand(fake, tmp_path):
    with pytest.raises(ProviderSettingsError):
        platform(fake, tmp_path, granularity="PT5M")


def test_every_zone_s_check_character_fits():
    assert all(eic.check_character(code[:-1]) == code[-1] for code in eic.ZONES.values())
    assert len(set(eic.ZONES.values())) == len(eic.ZONES)


@pytest.mark.parametrize("zone", ["10YFR-RTE------D", "10YFR-RTF------C", "DE_LU", "", "10yfr-rte------c"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(UnknownZoneError):
        eic.code_of(zone)


def test_the_factors_are_the_cited_ones():
    rows = shared("data/intensity/lifecycle_factors/lifecycle_factors.csv").read_text(encoding="utf-8").splitlines()[1:]
    expected = {}
    for row in rows:
        fuel, direct, lifecycle, _source = row.split(",", 3)
        expected[fuel] = (Decimal(direct), Decimal(lifecycle))
    kinds = {fuel: kind for kind, fuel in FUELS.items()}
    assert {fuel: (factor(kind, "direct"), factor(kind, "lifecycle")) for fuel, kind in kinds.items()} == expected
    assert not STORAGE & FUELS.keys()


def test_a_type_that_nobody_knows_yet_counts_as_unknown():
    assert factor("B99", "lifecycle") == 700
