import pytest

from issuer.carbon.providers.errors import (
    NoGridDataError,
    ProviderRefusedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
)
from schemas.grid_data import decode_grid_data, encode_grid_data
from tests.fakes.grid import traps
from tests.fakes.grid.electricity_maps import FakeElectricityMaps, callers_zone, coarser, sandbox
from tests.fakes.grid.values import DAY_US, HOUR_US, made_up, us
from tests.issuer.carbon.providers.asking import NOW_US, maps

START_US, END_US = us("2026-10-01T03:10"), us("2026-10-01T05:00")


@pytest.fixture
def fake():
    with FakeElectricityMaps(NOW_US) as server:
        yield server


async def ask(fake, tmp_path, start_us=START_US, end_us=END_US, zone="DE", **options):
    return await maps(fake, tmp_path, **options).slots(zone, start_us, end_us, NOW_US)


async def test_slots_cover_what_was_asked_for_with_the_provider_s_figures(fake, tmp_path):
    given = await ask(fake, tmp_path)
    starts = [us("2026-10-01T03:00"), us("2026-10-01T04:00")]
    assert [slot.start_us for slot in given.slots] == starts
    assert [slot.gco2e_per_kwh for slot in given.slots] == [str(made_up("DE", start)) for start in starts]
    assert {(slot.tier, slot.estimated, slot.retrieved_us) for slot in given.slots} == {("history", False, NOW_US)}
    assert given.slots[0].updated_us == starts[0] + 2 * HOUR_US
    assert (given.zone, given.offer.factor_type, given.offer.signal) == ("DE", "lifecycle", "average")


async def test_the_slots_make_a_document(fake, tmp_path):
    given = await ask(fake, tmp_path)
    data = given.grid_data(START_US, END_US)
    assert decode_grid_data(encode_grid_data(data)) == data
    assert data.source == "Electricity Maps API v4 (flow-traced)"
    assert given.grid_data(START_US, END_US + 1) is None


async def test_the_recent_past_is_the_history_and_the_rest_past_ranges_of_ten_days(fake, tmp_path):
    await ask(fake, tmp_path)
    given = await ask(fake, tmp_path, NOW_US - 25 * DAY_US, NOW_US)
    assert [request.path.rpartition("/")[2] for request in fake.asked] == ["history", *["past-range"] * 3]
    assert [slot.start_us for slot in given.slots] == list(
        range(us("2026-09-06T12:00"), us("2026-10-01T13:00"), HOUR_US)
    )


async def test_the_caller_s_own_place_is_never_asked_for(fake, tmp_path):
    with pytest.raises(NoGridDataError):
        await ask(fake, tmp_path, zone="XX")
    await ask(fake, tmp_path)
    assert {request.query["shouldUseFallbackCallerLookup"] for request in fake.asked} == {"false"}


@pytest.mark.parametrize("version", ["v3", "v4"])
async def test_the_version_is_in_the_path_and_in_the_slots(fake, tmp_path, version):
    given = await ask(fake, tmp_path, version=version)
    assert fake.asked[0].path == f"/{version}/carbon-intensity/history"
    assert given.slots[0].endpoint == f"GET /{version}/carbon-intensity/history"
    assert version in given.offer.source


@pytest.mark.parametrize("start_us", [START_US, START_US - 3 * DAY_US], ids=["history", "past-range"])
async def test_invented_data_of_a_sandbox_token_are_refused(fake, tmp_path, start_us):
    fake.always(sandbox())
    with pytest.raises(ProviderRefusedError, match="invented"):
        await ask(fake, tmp_path, start_us, start_us + HOUR_US)


async def test_a_sandbox_is_seen_by_its_disclaimer_too(fake, tmp_path):
    fake.always(traps.edited(lambda members: members.update(_disclaimer="This data is for Sandbox mode only")))
    with pytest.raises(ProviderRefusedError, match="invented"):
        await ask(fake, tmp_path)


async def test_figures_of_the_caller_s_zone_are_refused(fake, tmp_path):
    fake.always(callers_zone("FR"))
    with pytest.raises(ProviderRefusedError, match='"FR"'):
        await ask(fake, tmp_path)


async def test_an_answer_for_another_zone_is_refused_whatever_its_entries_say(fake, tmp_path):
    fake.always(traps.edited(lambda members: members.update(zone="FR")))
    with pytest.raises(ProviderRefusedError, match='the zone "FR"'):
        await ask(fake, tmp_path)


async def test_one_entry_of_another_zone_is_refused(fake, tmp_path):
    fake.always(traps.edited(lambda members: members["history"][5].update(zone="FR")))
    with pytest.raises(ProviderRefusedError, match="mixes"):
        await ask(fake, tmp_path)


async def test_a_null_is_a_hole_and_no_slot(fake, tmp_path):
    fake.values[us("2026-10-01T04:00")] = None
    given = await ask(fake, tmp_path)
    assert [slot.start_us for slot in given.slots] == [us("2026-10-01T03:00")]
    assert [(hole.start_us, hole.reason) for hole in given.holes] == [
        (us("2026-10-01T04:00"), "the provider has no value (null)")
    ]
    assert given.grid_data(START_US, END_US) is None


@pytest.mark.parametrize(("value", "reason"), [(-1, "negative"), (2001, "above 2000"), (float("nan"), "not a number")])
async def test_a_figure_that_no_grid_has_is_a_hole_with_its_reason(fake, tmp_path, value, reason):
    fake.values[us("2026-10-01T04:00")] = value
    given = await ask(fake, tmp_path)
    assert len(given.slots) == 1
    assert reason in given.holes[0].reason


@pytest.mark.parametrize("says", [True, False])
async def test_a_coarser_granularity_than_asked_for_is_refused(fake, tmp_path, says):
    fake.says_granularity = says
    trap = traps.swapped('"5_minutes"', '"hourly"') if says else coarser(12)
    fake.always(trap)
    with pytest.raises(ProviderRefusedError, match="granularity"):
        await ask(fake, tmp_path, granularity="PT5M")


async def test_a_single_figure_that_does_not_say_its_granularity_is_believed_for_hours_alone(fake, tmp_path):
    fake.always(traps.edited(lambda members: members.update(history=members["history"][15:16])))
    with pytest.raises(ProviderRefusedError, match="does not say"):
        await ask(fake, tmp_path, granularity="PT15M")
    await ask(fake, tmp_path)


@pytest.mark.parametrize(("granularity", "slots"), [("PT5M", 22), ("PT15M", 8), ("PT1H", 2), ("P1D", 1)])
async def test_each_granularity_is_asked_for_by_its_name(fake, tmp_path, granularity, slots):
    given = await ask(fake, tmp_path, granularity=granularity)
    assert len(given.slots) == slots
    assert given.grid_data(START_US, END_US).granularity == granularity


def test_a_granularity_that_it_lacks_is_refused_beforehand(fake, tmp_path):
    with pytest.raises(ProviderSettingsError, match="PT30M"):
        maps(fake, tmp_path, granularity="PT30M")


async def test_direct_factors_are_asked_for_and_life_cycle_ones_then_refused(fake, tmp_path):
    given = await ask(fake, tmp_path, factor_type="direct")
    assert fake.asked[0].query["emissionFactorType"] == given.offer.factor_type == "direct"
    fake.always(traps.swapped('"emissionFactorType": "direct"', '"emissionFactorType": "lifecycle"'))
    with pytest.raises(ProviderRefusedError, match="lifecycle"):
        await ask(fake, tmp_path, factor_type="direct")


async def test_estimates_keep_their_method(fake, tmp_path):
    fake.estimated.add(us("2026-10-01T03:00"))
    given = await ask(fake, tmp_path)
    assert [(slot.estimated, slot.estimation_method) for slot in given.slots] == [
        (True, "TIME_SLICER_AVERAGE"),
        (False, None),
    ]


async def test_who_does_not_say_whether_it_estimated_did(fake, tmp_path):
    fake.always(traps.edited(lambda members: [entry.pop("isEstimated") for entry in members["history"]]))
    given = await ask(fake, tmp_path)
    assert {(slot.estimated, slot.estimation_method) for slot in given.slots} == {(True, "not-stated")}


async def test_a_slot_that_is_not_over_is_an_estimate_whatever_it_says(fake, tmp_path):
    fake.always(
        traps.edited(
            lambda members: [entry.update(isEstimated=False, estimationMethod=None) for entry in members["history"]]
        )
    )
    given = await ask(fake, tmp_path, NOW_US - HOUR_US, NOW_US)
    assert [(slot.estimated, slot.estimation_method) for slot in given.slots] == [
        (False, None),
        (True, "slot-not-over"),
    ]


async def test_nothing_is_asked_of_the_future(fake, tmp_path):
    given = await ask(fake, tmp_path, NOW_US + HOUR_US, NOW_US + 2 * HOUR_US)
    assert (given.slots, fake.asked) == ((), [])


async def test_the_latest_is_one_live_slot(fake, tmp_path):
    given = await maps(fake, tmp_path).latest("DE", NOW_US)
    assert [(slot.start_us, slot.tier, slot.estimated) for slot in given.slots] == [
        (us("2026-10-01T12:00"), "live", True)
    ]


@pytest.mark.parametrize("trap", [sandbox(), callers_zone("FR"), traps.swapped('"hourly"', '"daily"')])
async def test_the_latest_has_the_same_traps(fake, tmp_path, trap):
    fake.always(trap)
    with pytest.raises(ProviderRefusedError):
        await maps(fake, tmp_path).latest("DE", NOW_US)


async def test_two_figures_for_one_slot_are_refused(fake, tmp_path):
    fake.always(traps.edited(lambda members: members["history"].append(members["history"][-1])))
    with pytest.raises(ProviderRefusedError):
        await ask(fake, tmp_path)


async def test_a_time_beside_the_slots_edges_is_refused(fake, tmp_path):
    fake.always(traps.swapped("T04:00:00.000Z", "T04:00:01.000Z"))
    with pytest.raises(ProviderRefusedError):
        await ask(fake, tmp_path)


async def test_a_changed_token_file_is_read_anew(fake, tmp_path):
    provider = maps(fake, tmp_path)
    fake.token = "another"
    with pytest.raises(ProviderUnauthorizedError):
        await provider.slots("DE", START_US, END_US, NOW_US)
    (tmp_path / "token").write_text("another\n", encoding="utf-8")
    assert (await provider.slots("DE", START_US, END_US, NOW_US)).slots


async def test_production_in_place_of_consumption_is_refused(fake, tmp_path):
    fake.always(traps.edited(lambda members: members["history"][0].update(flowTraced=False)))
    with pytest.raises(ProviderRefusedError, match="production"):
        await ask(fake, tmp_path)
