from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.claims import embodied
from issuer.claims.profile import Embodied
from schemas import decimals

# 1.5 t over four years
SERVER = Embodied(total_gco2e="1500000", lifetime_hours=35064, source="maker's PCF, 2025")
STEP = Decimal("0.000000001")


def test_a_window_takes_its_time_s_share_of_the_hardware():
    # 1,500,000 g x 10 s / 126,230,400 s
    assert embodied.of_node(SERVER, 10_000_000) == Decimal("0.118830329")


def test_a_whole_life_takes_all_of_it():
    life_us = 35064 * 3_600_000_000
    assert embodied.of_node(SERVER, life_us) == Decimal(1_500_000)


@pytest.mark.parametrize(("configured", "duration_us"), [(None, 10), (SERVER, None), (SERVER, 0)])
def test_without_a_figure_or_a_duration_nothing_is_claimed(configured, duration_us):
    assert embodied.of_node(configured, duration_us) is None


def test_a_record_alone_has_its_time_of_the_window():
    assert embodied.of_record(Decimal("0.2"), record_us=1_000, window_us=10_000, reserved_us=1_000) == Decimal("0.02")


def test_records_at_once_share_by_their_times():
    shares = [
        embodied.of_record(Decimal("0.2"), record_us=us, window_us=10_000, reserved_us=40_000)
        for us in (10_000, 10_000, 20_000)
    ]
    assert shares == [Decimal("0.05"), Decimal("0.05"), Decimal("0.1")]


@given(
    st.integers(0, 10**12).map(lambda value: Decimal(value).scaleb(-9)),
    st.integers(1, 3_600_000_000),
    st.lists(st.integers(0, 3_600_000_000), min_size=1, max_size=50),
)
def test_the_records_of_a_window_never_have_more_than_the_window(window, window_us, records_us):
    shares = [
        embodied.of_record(window, record_us=us, window_us=window_us, reserved_us=sum(records_us)) for us in records_us
    ]
    # But for the rounding of each, half a nanogram.
    assert sum(shares) <= window + len(shares) * STEP / 2
    assert all(decimals.render(share) for share in shares)


def test_an_inference_among_ten_thousand_still_has_a_share():
    assert embodied.of_record(Decimal("0.118830329"), record_us=100_000, window_us=10**7, reserved_us=10**9) > 0
