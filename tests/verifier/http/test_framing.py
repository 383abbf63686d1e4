"""Where a body ends must be said in one way."""

import pytest

from verifier.http.framing import why_ambiguous

LENGTH, CHUNKED = (b"content-length", b"2"), (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    "headers", [[], [LENGTH], [CHUNKED], [(b"Transfer-Encoding", b" Chunked ")], [(b"host", b"a"), LENGTH]]
)
def test_what_says_it_once_is_clear(headers):
    assert why_ambiguous(headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH, CHUNKED],
        [CHUNKED, (b"Content-Length", b"2")],
        [LENGTH, LENGTH],
        [CHUNKED, CHUNKED],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"identity")],
        [(b"transfer-encoding", b"")],
        [(b"transfer-encoding", b"xchunked")],
    ],
)
def test_what_says_it_twice_or_in_other_words_is_ambiguous(headers):
    assert why_ambiguous(headers)
