"""Slots of a provider, and how energy and intensity are taken from them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import jcs
from schemas.errors import FormatError
from schemas.grid_data import (
    GridData,
    GridSlot,
    decode_grid_data,
    digest_of,
    encode_grid_data,
    mean_intensity,
    split_energy,
)

HOUR_US = 3_600_000_000
START_US = 1_795_000_000_000_000 // HOUR_US * HOUR_US
REPLY = "uEiA2d9xmohskq_CNkPoNLLd06wqtabVJ2hYaf4J_hw1J4w"


def slots(*intensities, **given):
    return GridData(
        v=1,
        provider="electricity-maps",
        source="Electricity Maps v4",
        licence="by contract",
        zone="DE",
        granularity="PT1H",
        factor_type="lifecycle",
        signal="average",
        slots=tuple(
            GridSlot(
                start_us=START_US + hour * HOUR_US,
                end_us=START_US + (hour + 1) * HOUR_US,
                gco2e_per_kwh=intensity,
                estimated=False,
                tier="history",
                endpoint="v4/carbon-intensity/past-range",
                retrieved_us=START_US + 100 * HOUR_US,
                reply_digest=REPLY,
            )
            for hour, intensity in enumerate(intensities)
        ),
    )


def test_slots_are_read_as_they_were_written_and_named_by_their_bytes():
    raw = encode_grid_data(slots("322", "410.5"))
    assert decode_grid_data(raw) == slots("322", "410.5")
    assert digest_of(raw) != digest_of(encode_grid_data(slots("322", "410.4")))


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["slots"][1].update(start_us=START_US, end_us=START_US + HOUR_US),
        lambda it: it["slots"].reverse(),
        lambda it: it["slots"].clear(),
        lambda it: it["slots"][0].update(end_us=START_US + HOUR_US - 1),
        lambda it: it["slots"][0].update(gco2e_per_kwh="322.0001"),
        lambda it: it["slots"][0].update(gco2e_per_kwh="-1"),
        lambda it: it["slots"][0].update(gco2e_per_kwh=322),
        lambda it: it["slots"][0].update(estimation_method="TIME_SLICER_AVERAGE"),
        lambda it: it["slots"][0].update(tier="country-annual"),
        lambda it: it["slots"][0].update(other=1),
        lambda it: it["slots"][0].pop("reply_digest"),
        lambda it: it.update(granularity="PT2H"),
        lambda it: it.update(signal="both"),
        lambda it: it.update(v=2),
        lambda it: it.pop("zone"),
    ],
)
def test_what_is_not_a_list_of_slots_is_refused(change):
    members = msgspec.to_builtins(slots("322", "410.5"))
    members["slots"] = list(members["slots"])
    change(members)
    with pytest.raises(FormatError):
        decode_grid_data(jcs.canonical_bytes(members))


def test_bytes_that_are_not_canonical_are_refused():
    with pytest.raises(FormatError, match="canonical"):
        decode_grid_data(encode_grid_data(slots("322")) + b" ")


@given(
    st.integers(0, 2**53 - 1),
    st.lists(st.integers(1, 10**12), min_size=1, max_size=20),
)
def test_a_split_is_the_whole_and_no_part_is_negative(energy_mj, lengths_us):
    edges_us = [sum(lengths_us[: number + 1]) for number in range(len(lengths_us))]
    parts = split_energy(energy_mj, 0, edges_us[-1], edges_us[:-1])
    assert sum(parts) == energy_mj
    assert min(parts) >= 0
    # Each part is its share of the time, to less than a millijoule.
    for part, length_us in zip(parts, lengths_us, strict=True):
        assert abs(part * edges_us[-1] - energy_mj * length_us) < edges_us[-1]


def test_the_mean_weighs_each_slot_by_its_energy():
    data = slots("100", "400")
    assert mean_intensity(data, 9_000, START_US, START_US + HOUR_US) == Decimal(100)
    assert mean_intensity(data, 9_000, START_US + HOUR_US // 2, START_US + 2 * HOUR_US) == Decimal(300)
    assert mean_intensity(data, 0, START_US + HOUR_US // 2, START_US + 2 * HOUR_US) == Decimal(300)
    # One mJ is not divisible: all of it lies in the last slot.
    assert mean_intensity(data, 1, START_US, START_US + 2 * HOUR_US) == Decimal(400)


def test_the_mean_is_rounded_half_to_even_at_three_decimals():
    assert mean_intensity(slots("0.001", "0.002"), 2, START_US, START_US + 2 * HOUR_US) == Decimal("0.002")
    assert mean_intensity(slots("0", "0.001"), 2, START_US, START_US + 2 * HOUR_US) == Decimal(0)


@pytest.mark.parametrize(("start_us", "end_us"), [(-1, 1), (0, 2 * HOUR_US + 1), (5, 5), (6, 5)])
def test_a_period_that_the_slots_do_not_cover_has_no_mean(start_us, end_us):
    with pytest.raises(ValueError, match="period"):
        mean_intensity(slots("1", "2"), 10, START_US + start_us, START_US + end_us)
