from datetime import date
from decimal import Decimal

import msgspec
import pytest

from issuer.claims import profile
from issuer.claims.profile import NOTHING, Calibration, ClaimsProfile, Embodied, MarketBased
from issuer.errors import EnrolmentError

FULL = ClaimsProfile(
    embodied=Embodied(total_gco2e="1500000", lifetime_hours=35064, source="maker's PCF, 2025"),
    market_based=MarketBased(
        gco2e_per_kwh="24.6",
        instrument="https://registry.example/eac/2026-11/8841",
        valid_from="2026-11-01T00:00:00Z",
        valid_until="2026-12-01T00:00:00Z",
    ),
    calibration=Calibration(standard_percent="0.7", date="2026-03-31", reference="PDU 4711, report 12"),
    pue_standard_percent="1.5",
)


def changed(part, **members):
    return msgspec.structs.replace(FULL, **{part: msgspec.structs.replace(getattr(FULL, part), **members)})


def test_a_good_profile_is_taken_and_reads_as_it_was_stored():
    profile.check_profile(FULL, has_pue=True)
    assert profile.read_profile(profile.stored_text(FULL)) == FULL


@pytest.mark.parametrize("empty", [None, NOTHING])
def test_a_profile_that_says_nothing_is_not_stored(empty):
    assert profile.stored_text(empty) is None
    assert profile.read_profile(None) == NOTHING


@pytest.mark.parametrize(
    ("part", "members", "named"),
    [
        ("embodied", {"total_gco2e": "1e6"}, "embodied.total_gco2e"),
        ("embodied", {"total_gco2e": "-1"}, "embodied.total_gco2e"),
        ("embodied", {"total_gco2e": "1000000001"}, "embodied.total_gco2e"),
        ("embodied", {"lifetime_hours": 0}, "embodied.lifetime_hours"),
        ("embodied", {"lifetime_hours": 10**9}, "embodied.lifetime_hours"),
        ("embodied", {"source": ""}, "embodied.source"),
        ("embodied", {"source": "a\u202eb"}, "embodied.source"),
        ("market_based", {"gco2e_per_kwh": "24.6001"}, "market_based.gco2e_per_kwh"),
        ("market_based", {"gco2e_per_kwh": "2000.001"}, "market_based.gco2e_per_kwh"),
        ("market_based", {"gco2e_per_kwh": "NaN"}, "market_based.gco2e_per_kwh"),
        ("market_based", {"instrument": "our contract"}, "market_based.instrument"),
        ("market_based", {"instrument": "gc:contract"}, "market_based.instrument"),
        ("market_based", {"valid_from": "2026-11-01"}, "market_based.valid_from"),
        ("market_based", {"valid_until": "2026-11-01T00:00:00Z"}, "market_based.valid_until"),
        ("calibration", {"standard_percent": "0"}, "calibration.standard_percent"),
        ("calibration", {"standard_percent": "100.01"}, "calibration.standard_percent"),
        ("calibration", {"standard_percent": "0.125"}, "calibration.standard_percent"),
        ("calibration", {"date": "31.03.2026"}, "calibration.date"),
        ("calibration", {"date": "20260331"}, "calibration.date"),
        ("calibration", {"date": "2026-02-30"}, "calibration.date"),
        ("calibration", {"reference": ""}, "calibration.reference"),
    ],
)
def test_a_member_that_cannot_be_is_refused_by_its_name(part, members, named):
    with pytest.raises(EnrolmentError, match=named):
        profile.check_profile(changed(part, **members), has_pue=True)


def test_an_uncertainty_of_a_pue_needs_the_pue():
    with pytest.raises(EnrolmentError, match="pue: missing"):
        profile.check_profile(FULL, has_pue=False)


@pytest.mark.parametrize(
    "text", ['{"embodied":{"total_gco2e":"1"}}', '{"offset":"1"}', '{"embodied":{"total_gco2e":1}}']
)
def test_a_stored_text_of_another_shape_is_not_read(text):
    with pytest.raises(msgspec.ValidationError):
        profile.read_profile(text)


@pytest.mark.parametrize(
    ("end", "percent"), [(date(2026, 3, 30), None), (date(2026, 3, 31), "0.7"), (date(2027, 1, 1), "0.7")]
)
def test_a_calibration_counts_from_its_day_on(end, percent):
    assert profile.calibrated_percent(FULL, end) == (None if percent is None else Decimal(percent))
    assert profile.calibrated_percent(NOTHING, end) is None
