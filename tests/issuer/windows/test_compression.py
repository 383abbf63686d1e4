"""A request in gzip or zstd: unpacked as far as a window may be, and exactly one of its kind."""

import gzip
import os
import struct
import tracemalloc

import pytest

from issuer.errors import WindowBodyError, WindowTooLargeError
from issuer.windows import compression
from issuer.windows.compression import MAX_INFLATED_BYTES
from tests.fakes.zstd import zstd

CONTENT = b'{"evidence":{"jws":"x"}}\n' * 400
FRAME = zstd.compress(CONTENT)
SKIPPABLE = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"else"
PARAMETER = zstd.CompressionParameter


def packed(content=CONTENT, **options):
    """Return a frame that does not say how much it holds."""
    chosen = {PARAMETER[name]: value for name, value in options.items()}
    compressor = zstd.ZstdCompressor(options={PARAMETER.content_size_flag: 0} | chosen)
    return compressor.compress(content) + compressor.flush()


def with_a_dictionary():
    samples = [CONTENT[:100] + os.urandom(50) for _ in range(100)]
    return zstd.compress(CONTENT, zstd_dict=zstd.train_dict(samples, 2000))


def said_to_hold(size, *, single_segment=False):
    """Return FRAME with a header of our own, which says that it holds ``size`` bytes."""
    own = 5 + 2 if FRAME[4] & 0x20 else 5 + 1 + 2
    described = b"\xe0" if single_segment else b"\xc0\x68"
    return FRAME[:4] + described + struct.pack("<Q", size) + FRAME[own:]


def bad_checksum():
    frame = bytearray(packed(checksum_flag=1))
    frame[-1] ^= 1
    return bytes(frame)


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_what_was_packed_is_what_is_unpacked(coding):
    body = {"identity": CONTENT, "gzip": gzip.compress(CONTENT), "zstd": FRAME}[coding]
    assert compression.inflate(body, coding) == CONTENT
    assert compression.begin(body, coding, 10) == CONTENT[:10]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        FRAME[:4],
        FRAME[:-1],
        FRAME[1:],
        FRAME + b"\0",
        FRAME + FRAME,
        FRAME + SKIPPABLE,
        SKIPPABLE + FRAME,
        SKIPPABLE,
        gzip.compress(CONTENT),
        CONTENT,
        bad_checksum(),
        packed(window_log=24),
        packed(window_log=27),
        with_a_dictionary(),
    ],
    ids=range(15),
)
def test_what_is_not_exactly_one_plain_zstd_frame_is_refused(body):
    with pytest.raises(WindowBodyError):
        compression.inflate(body, "zstd")


@pytest.mark.parametrize("size", [0, len(CONTENT) - 1, len(CONTENT) + 1, 1 << 26, 1 << 62])
@pytest.mark.parametrize("single_segment", [False, True])
def test_a_header_that_lies_about_the_size_is_refused_and_costs_no_memory(size, single_segment):
    body = said_to_hold(size, single_segment=single_segment)
    assert zstd.get_frame_info(body).decompressed_size == size
    tracemalloc.start()
    try:
        with pytest.raises(WindowBodyError):
            compression.inflate(body, "zstd")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_header_of_our_own_that_tells_the_truth_is_taken():
    assert compression.inflate(said_to_hold(len(CONTENT)), "zstd") == CONTENT


@pytest.mark.parametrize("pack", [zstd.compress, packed, lambda content: gzip.compress(content, 1)])
def test_no_more_is_unpacked_than_a_window_may_have(pack):
    coding = "gzip" if pack(b"").startswith(b"\x1f") else "zstd"
    assert len(compression.inflate(pack(bytes(MAX_INFLATED_BYTES)), coding)) == MAX_INFLATED_BYTES
    bomb = pack(bytes(MAX_INFLATED_BYTES + 1))
    with pytest.raises(WindowTooLargeError):
        compression.inflate(bomb, coding)
    assert compression.begin(bomb, coding, 1000) == bytes(1000)


def test_the_largest_window_of_the_content_coding_is_taken():
    content = os.urandom(1 << 20) * 10
    assert compression.inflate(packed(content, window_log=23), "zstd") == content


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_what_is_kept_is_read_again_and_handed_on_in_gzip(coding):
    body = {"identity": CONTENT, "gzip": gzip.compress(CONTENT), "zstd": FRAME}[coding]
    kept = compression.stored(body, coding)
    assert compression.unpacked(kept) == CONTENT
    assert gzip.decompress(compression.in_gzip(kept)) == CONTENT
    assert (kept == body) is (coding != "identity")
