"""Slots held against claims, pure: the exact mean and nothing beside it, and what needs no slots to be seen."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import decimals
from schemas.grid_data import GridData, decode_grid_data
from tests.fakes.grid_documents import LENGTH_US, mean_of, raw_of, slots_from, us
from tests.schemas.documents import changed, example, without
from tests.verifier.claims.findings import inconsistent
from verifier.claims import grid
from verifier.claims.grid import Weighed

MINIMAL, WINDOW = example("credential-minimal.vc11"), example("window.vc11")
SUBJECT = "credentialSubject"
START = "2026-11-20T20:00:00Z"
FIGURES = st.integers(0, 2_000_000).map(lambda thousandths: decimals.render(Decimal(thousandths).scaleb(-3)))


def read(document) -> GridData:
    return decode_grid_data(raw_of(document))


@st.composite
def weighed_slots(draw):
    """Slots, and a period that touches each of them, with its energy."""
    granularity = draw(st.sampled_from(sorted(LENGTH_US)))
    document = slots_from(START, draw(st.lists(FIGURES, min_size=1, max_size=6)), granularity)
    first, last = document["slots"][0], document["slots"][-1]
    start_us = draw(st.integers(first["start_us"], first["end_us"] - 1))
    end_us = draw(st.integers(max(start_us, last["start_us"]) + 1, last["end_us"]))
    energy_mj = draw(st.one_of(st.just(0), st.integers(1, 10), st.integers(0, 10**12)))
    return document, Weighed(start_us=start_us, end_us=end_us, it_mj=energy_mj)


@settings(max_examples=200, deadline=None)
@given(weighed_slots(), st.integers(-5, 5))
def test_only_the_mean_is_taken(drawn, thousandths):
    document, weighed = drawn
    mean = mean_of(document, weighed.start_us, weighed.end_us, weighed.it_mj)
    claimed = Decimal(mean) + Decimal(thousandths).scaleb(-3)
    if claimed < 0:
        return
    found = [*grid.exact_findings(decimals.render(claimed), read(document), weighed)]
    assert [one.term for one in found] == (["carbonIntensityGco2ePerKwh"] if thousandths else [])
    assert not [*grid.bounded_findings(mean, read(document), weighed)]


@settings(max_examples=100, deadline=None)
@given(weighed_slots())
def test_the_mean_lies_between_the_least_and_the_greatest(drawn):
    document, weighed = drawn
    figures = [Fraction(slot["gco2e_per_kwh"]) for slot in document["slots"]]
    mean = Fraction(mean_of(document, weighed.start_us, weighed.end_us, weighed.it_mj))
    assert min(figures) <= mean <= max(figures)


@settings(max_examples=100, deadline=None)
@given(weighed_slots(), st.sampled_from(["start_us", "end_us"]), st.integers(1, 86_400_000_000))
def test_a_period_beyond_the_slots_or_slots_beyond_the_period_are_found(drawn, edge, by_us):
    document, weighed = drawn
    data = read(document)
    outside = {"start_us": data.start_us - by_us, "end_us": data.end_us + by_us}[edge]
    mean = mean_of(document, weighed.start_us, weighed.end_us, weighed.it_mj)
    (found,) = grid.exact_findings(mean, data, msgspec.structs.replace(weighed, **{edge: outside}))
    assert found.term == "gridDataDigest"
    if len(data.slots) > 1:
        rest = msgspec.structs.replace(data, slots=data.slots[1:])
        shorter = msgspec.structs.replace(weighed, start_us=rest.start_us)
        (found,) = grid.exact_findings(mean, data, shorter)
        assert (found.term, "outside the period" in found.detail) == ("gridDataDigest", True)


def test_a_slot_that_the_period_only_borders_on_is_not_of_it():
    data = read(slots_from(START, ["300", "400"]))
    whole = Weighed(start_us=data.start_us, end_us=data.end_us, it_mj=1000)
    assert not [*grid.exact_findings("350", data, whole)]
    first = msgspec.structs.replace(whole, end_us=data.slots[0].end_us)
    (found,) = grid.exact_findings("300", data, first)
    assert "the slot at 2026-11-20T20:05:00Z is outside the period" in found.detail


def test_how_soon_slots_were_read_is_told_by_the_one_read_soonest():
    document = slots_from("2026-11-20T18:00:00Z", ["1", "2"], "PT1H")
    document["slots"][0]["retrieved_us"] = us("2026-11-25T00:00:00Z")
    assert grid.settled_after(read(document)) == 0
    document["slots"][1]["retrieved_us"] = us("2026-11-23T20:59:59Z")
    assert grid.settled_after(read(document)) == 72
    document["slots"][1]["estimated"] = True
    assert grid.settled_after(read(document)) is None


SLOTS = {"carbonIntensityTier": "history", "carbonIntensityGranularity": "PT1H"}


def of_slots(document, **claims):
    value = without(document, (SUBJECT, "carbonIntensityYear"))
    named = {**SLOTS, **claims, "gridDataDigest": "uEiA2d9xmohskq_CNkPoNLLd06wqtabVJ2hYaf4J_hw1J4w"}
    for term, claim in named.items():
        value = changed(value, (SUBJECT, term), claim)
    return value


@pytest.mark.parametrize("document", [MINIMAL, WINDOW], ids=["inference", "window"])
def test_year_digest_granularity_and_tier_speak_of_the_same(document):
    assert inconsistent(of_slots(document)) == set()
    for term, claim in (("carbonIntensityTier", "country-annual"), ("carbonIntensityGranularity", "P1Y")):
        assert inconsistent(of_slots(document, **{term: claim})) == {term}
    for term, claim in SLOTS.items():
        assert inconsistent(document, **{term: claim}) == {term}


@pytest.mark.parametrize(("year", "is_found"), [("2026", False), ("2027", True)])
def test_no_table_is_of_a_year_to_come(year, is_found):
    assert inconsistent(MINIMAL, carbonIntensityYear=year) == ({"carbonIntensityYear"} if is_found else set())
