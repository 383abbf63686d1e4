import pytest

from issuer.carbon.providers.errors import ProviderRefusedError, UnknownZoneError
from tests.fakes.grid import traps
from tests.fakes.grid.uk import HALF_HOUR_US, FakeUk
from tests.fakes.grid.values import DAY_US, made_up, us
from tests.issuer.carbon.providers.asking import NOW_US, british

START_US, END_US = us("2026-10-01T03:00"), us("2026-10-01T04:00")


@pytest.fixture
def fake():
    with FakeUk(NOW_US) as server:
        yield server


async def test_half_hours_are_direct_and_the_one_before_is_left_out(fake):
    given = await british(fake).slots("GB", START_US, END_US, NOW_US)
    assert [slot.start_us for slot in given.slots] == [START_US, START_US + HALF_HOUR_US]
    assert [slot.gco2e_per_kwh for slot in given.slots] == [str(made_up("GB", slot.start_us)) for slot in given.slots]
    assert fake.asked[0].path == "/intensity/2026-10-01T03:00Z/2026-10-01T04:00Z"
    data = given.grid_data(START_US, END_US)
    assert (data.factor_type, data.licence, data.granularity, data.zone) == ("direct", "CC BY 4.0", "PT30M", "GB")


async def test_where_the_actual_lacks_the_forecast_stands_in_as_an_estimate(fake):
    fake.values[START_US] = None
    slot = (await british(fake).slots("GB", START_US, END_US, NOW_US)).slots[0]
    assert (slot.gco2e_per_kwh, slot.estimated, slot.estimation_method) == (
        str(made_up("GB forecast", START_US)),
        True,
        "forecast",
    )


async def test_without_actual_and_forecast_there_is_a_hole(fake):
    fake.always(traps.edited(lambda members: members["data"][1].update(intensity={"forecast": None, "actual": None})))
    given = await british(fake).slots("GB", START_US, END_US, NOW_US)
    assert [hole.start_us for hole in given.holes] == [START_US]


async def test_no_forecast_of_the_future_is_a_slot(fake):
    given = await british(fake).slots("GB", NOW_US - DAY_US, NOW_US + DAY_US, NOW_US)
    assert given.slots[-1].start_us == us("2026-10-01T12:00")


async def test_a_fortnight_is_asked_for_in_pieces_that_join(fake):
    given = await british(fake).slots("GB", NOW_US - 30 * DAY_US, NOW_US, NOW_US)
    assert len(fake.asked) == 3
    assert [slot.start_us for slot in given.slots] == list(
        range(given.slots[0].start_us, us("2026-10-01T12:30"), HALF_HOUR_US)
    )
    assert given.slots[0].start_us == us("2026-09-01T12:00")


async def test_another_zone_is_not_asked_for(fake):
    for question in (british(fake).slots("DE", START_US, END_US, NOW_US), british(fake).latest("UK", NOW_US)):
        with pytest.raises(UnknownZoneError):
            await question
    assert fake.asked == []


async def test_the_latest_is_live_and_an_estimate(fake):
    given = await british(fake).latest("GB", NOW_US)
    assert [(slot.start_us, slot.tier, slot.estimation_method) for slot in given.slots] == [
        (us("2026-10-01T12:00"), "live", "forecast")
    ]


async def test_slots_of_another_length_are_refused(fake):
    fake.always(traps.swapped('"to": "2026-10-01T04:00Z"', '"to": "2026-10-01T05:00Z"'))
    with pytest.raises(ProviderRefusedError, match="90 minutes"):
        await british(fake).slots("GB", START_US, END_US, NOW_US)
