import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import base64url, digests
from schemas.errors import MalformedValueError


@given(st.binary(max_size=200))
def test_a_digest_decodes_to_the_sha_256(value):
    assert digests.decode(digests.digest(value)) == hashlib.sha256(value).digest()


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_has_47_characters_and_starts_with_u(sha_256):
    text = digests.encode(sha_256)
    assert len(text) == 47
    assert text.startswith("uEi")


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_only_32_bytes_are_encoded(length):
    with pytest.raises(MalformedValueError):
        digests.encode(bytes(length))


GOOD = digests.digest(b"x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[1:],
        "z" + GOOD[1:],
        GOOD + "A",
        GOOD[:-1],
        GOOD + "=",
        "u" + base64url.encode(b"\x11\x20" + bytes(32)),
        "u" + base64url.encode(b"\x12\x21" + bytes(32)),
        "u" + base64url.encode(b"\x12\x20" + bytes(31)),
        "u" + base64url.encode(b"\x12\x20" + bytes(33)),
        GOOD[:-1] + "x",
    ],
)
def test_other_multihashes_and_spellings_are_malformed(text):
    with pytest.raises(MalformedValueError):
        digests.decode(text)
