import asyncio
from decimal import Decimal

import pytest
from hypothesis import given as given_by
from hypothesis import strategies

from issuer.carbon.providers.errors import (
    ProviderForbiddenError,
    ProviderRefusedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
)
from issuer.carbon.providers.watttime import WattTime, grams_per_kwh
from tests.fakes.grid import traps
from tests.fakes.grid.values import DAY_US, MINUTE_US, us
from tests.fakes.grid.watttime import FakeWattTime
from tests.issuer.carbon.providers.asking import NOW_US, client, token_file, watt_time

START_US, END_US = us("2026-10-01T03:00"), us("2026-10-01T03:10")
REGION = "CAISO_NORTH"


@pytest.fixture
def fake():
    with FakeWattTime() as server:
        yield server


async def ask(fake, tmp_path, **options):
    return await watt_time(fake, tmp_path, **options).slots(REGION, START_US, END_US, NOW_US)


async def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour_exactly(fake, tmp_path):
    fake.values = {START_US: 870.0, START_US + 5 * MINUTE_US: 872.5}
    given = await ask(fake, tmp_path)
    # 870 x 0.45359237 = 394.6253619; 872.5 x 0.45359237 = 395.759342825
    assert [slot.gco2e_per_kwh for slot in given.slots] == ["394.625", "395.759"]
    assert given.grid_data(START_US, END_US).granularity == "PT5M"


@given_by(strategies.integers(0, 4_409_000))
def test_the_conversion_is_half_even_at_three_decimals(thousandths):
    pounds = Decimal(thousandths) / 1000
    exact = thousandths * 45_359_237  # grams x 10^11
    quotient, rest = divmod(exact, 10**8)
    rounded = quotient + (2 * rest > 10**8 or (2 * rest == 10**8 and quotient % 2 == 1))
    assert grams_per_kwh(pounds) == Decimal(rounded) / 1000


@pytest.mark.parametrize(("signal", "asked_for"), [("marginal", "co2_moer"), ("average", "co2_aoer")])
async def test_marginal_and_average_are_two_signals_that_are_never_mixed(fake, tmp_path, signal, asked_for):
    given = await ask(fake, tmp_path, signal=signal)
    assert fake.asked[-1].query["signal_type"] == asked_for
    assert (given.offer.signal, given.offer.factor_type) == (signal, "direct")
    other = {"co2_moer": "co2_aoer", "co2_aoer": "co2_moer"}[asked_for]
    fake.then(None, traps.swapped(asked_for, other))
    with pytest.raises(ProviderRefusedError, match=other):
        await ask(fake, tmp_path, signal=signal)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"units": "lbs_co2_per_mwh"', '"units": "percent"'),
        ('"data_point_period_seconds": 300', '"data_point_period_seconds": 3600'),
        ('"region": "CAISO_NORTH"', '"region": "PJM_DC"'),
    ],
)
async def test_other_units_periods_and_regions_are_refused(fake, tmp_path, old, new):
    fake.then(None, traps.swapped(old, new))
    with pytest.raises(ProviderRefusedError, match=new.rpartition(" ")[2].strip('"')):
        await ask(fake, tmp_path)


async def test_the_model_s_edition_and_imputed_values_are_kept(fake, tmp_path):
    fake.imputed.add(START_US)
    given = await ask(fake, tmp_path, signal="marginal")
    assert [(slot.estimated, slot.estimation_method) for slot in given.slots] == [(True, "imputed"), (False, None)]
    assert given.slots[0].endpoint == "GET /v3/historical co2_moer model 2026-03-01"


async def test_null_negative_and_absurd_figures_are_holes(fake, tmp_path):
    fake.values = {START_US: None, START_US + 5 * MINUTE_US: 4500}
    given = await ask(fake, tmp_path)
    assert (given.slots, len(given.holes)) == ((), 2)


async def test_a_month_is_asked_for_at_most(fake, tmp_path):
    given = await watt_time(fake, tmp_path).slots(REGION, NOW_US - 40 * DAY_US, NOW_US, NOW_US)
    assert [request.path for request in fake.asked] == ["/login", "/v3/historical", "/v3/historical"]
    assert len(given.slots) == 40 * 288
    assert given.slots[0].reply_digest != given.slots[-1].reply_digest


async def test_the_token_is_kept_and_renewed_once_when_it_has_run_out(fake, tmp_path):
    provider = watt_time(fake, tmp_path)
    for _ in range(2):
        await provider.slots(REGION, START_US, END_US, NOW_US)
    assert fake.logins == 1
    fake.expire()
    assert (await provider.slots(REGION, START_US, END_US, NOW_US)).slots
    assert fake.logins == 2


async def test_many_that_find_the_token_run_out_log_in_once(fake, tmp_path):
    provider = watt_time(fake, tmp_path)
    await provider.slots(REGION, START_US, END_US, NOW_US)
    fake.expire()
    given = await asyncio.gather(*(provider.slots(REGION, START_US, END_US, NOW_US) for _ in range(8)))
    assert all(one.slots for one in given)
    assert fake.logins == 2


async def test_a_token_that_is_never_taken_is_not_renewed_for_ever(fake, tmp_path):
    fake.then(None, traps.status(401), None, traps.status(401))
    with pytest.raises(ProviderUnauthorizedError):
        await ask(fake, tmp_path)
    assert [request.path for request in fake.asked] == ["/login", "/v3/historical"] * 2


async def test_a_region_beyond_the_contract_is_forbidden_and_no_matter_of_the_token(fake, tmp_path):
    with pytest.raises(ProviderForbiddenError):
        await watt_time(fake, tmp_path).slots("PJM_DC", START_US, END_US, NOW_US)
    assert fake.logins == 1


async def test_a_wrong_password_is_unauthorized(fake, tmp_path):
    provider = WattTime(client(fake), token_file(tmp_path, "someone:wrong"))
    with pytest.raises(ProviderUnauthorizedError):
        await provider.slots(REGION, START_US, END_US, NOW_US)
    assert len(fake.asked) == 1


async def test_a_login_file_without_a_password_is_a_matter_of_settings(fake, tmp_path):
    provider = WattTime(client(fake), token_file(tmp_path, "someone"))
    with pytest.raises(ProviderSettingsError, match="USER:PASSWORD"):
        await provider.slots(REGION, START_US, END_US, NOW_US)


@pytest.mark.parametrize("token", ['""', '"a b"', '"a\\nb: c"', "null"])
async def test_a_token_that_would_not_fit_a_header_is_refused(fake, tmp_path, token):
    fake.then(traps.body(b'{"token":' + token.encode() + b"}"))
    with pytest.raises(ProviderRefusedError):
        await ask(fake, tmp_path)


async def test_there_is_no_latest_since_an_index_is_no_figure(fake, tmp_path):
    assert await watt_time(fake, tmp_path).latest(REGION, NOW_US) is None
    assert fake.asked == []
