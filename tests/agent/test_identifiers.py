import uuid

from hypothesis import given
from hypothesis import strategies as st

from agent.identifiers import uuid7
from schemas.telemetry import INFERENCE_ID

MS = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=10)


@given(MS, RANDOM)
def test_it_is_a_uuid_of_version_7_and_the_rfc_variant(unix_ms, randomness):
    value = uuid.UUID(uuid7(unix_ms, randomness))

    assert value.version == 7
    assert value.variant == uuid.RFC_4122
    assert value.int >> 80 == unix_ms


@given(MS, MS, RANDOM)
def test_ids_sort_by_time(earlier_ms, later_ms, randomness):
    first, second = sorted((earlier_ms, later_ms))

    assert uuid7(first, randomness) <= uuid7(second, randomness)


def test_two_ids_of_the_same_moment_differ_by_their_randomness():
    assert uuid7(1, bytes(10)) != uuid7(1, b"\x00" * 9 + b"\x01")


@given(MS, RANDOM)
def test_it_may_stand_in_a_record(unix_ms, randomness):
    assert INFERENCE_ID.fits(uuid7(unix_ms, randomness))
