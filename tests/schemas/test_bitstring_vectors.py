"""Lists written by the reference implementations of both specifications."""

import json

import pytest

from schemas.bitstring import decode_list, get
from tests.vectors import shared

LISTS = json.loads(shared("vectors/bitstring/lists.json").read_bytes())
CASES = [
    (vector, name) for vector in LISTS for name in vector if name.endswith("encodedList") or name == "spec_example"
]


@pytest.mark.parametrize(("vector", "encoding"), CASES, ids=lambda case: case if isinstance(case, str) else "")
def test_a_published_list_has_exactly_its_indexes_set(vector, encoding):
    bits = decode_list(vector[encoding])
    assert len(bits) == vector["bytes"]
    assert all(get(bits, index) for index in vector["set_indexes"])
    assert sum(byte.bit_count() for byte in bits) == len(vector["set_indexes"])
    assert bits[0] == int(vector.get("first_byte_hex", "00"), 16)
