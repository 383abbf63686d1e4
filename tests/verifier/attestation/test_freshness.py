"""A nonce is good once, for the node that it was handed to, and not for long."""

import msgspec
import pytest

from schemas import digests
from schemas.window_header import decode_header
from tests.fakes.soft_tpm import START_US, Node
from verifier.attestation.chain_state import FlagKind
from verifier.attestation.errors import NonceError
from verifier.attestation.freshness import NONCE_VALIDITY_US, IssuedNonce, check_freshness

MADE = Node().window()
HEADER = decode_header(MADE.evidence.header)
DIGEST = digests.encode(MADE.digest)
ISSUED = IssuedNonce(nonce=HEADER.nonce, node_id="node-7", expires_us=START_US)


def check(issued, *, now_us=START_US - 1, header=HEADER):
    return check_freshness(header, DIGEST, issued, now_us=now_us)


def test_a_nonce_that_was_handed_out_is_good():
    assert check(ISSUED) == []


@pytest.mark.parametrize(("late_us", "told"), [(70_000_000, False), (70_000_001, True), (6 * 24 * 3_600_000_000, True)])
def test_one_that_was_handed_out_long_after_the_windows_end_is_told(late_us, told):
    # The window is 10 s long.
    issued = msgspec.structs.replace(ISSUED, expires_us=HEADER.end_us + late_us + NONCE_VALIDITY_US)
    flags = check(issued)
    assert [flag.kind for flag in flags] == [FlagKind.NONCE_AFTER_END] * told
    assert all(str(late_us) in flag.detail for flag in flags)


def test_a_nonce_that_nobody_handed_out_is_refused():
    with pytest.raises(NonceError, match="not handed out"):
        check(None)


@pytest.mark.parametrize("change", [{"nonce": "A" * 43}, {"node_id": "node-8"}])
def test_a_foreign_nonce_is_refused(change):
    with pytest.raises(NonceError, match="not handed out"):
        check(msgspec.structs.replace(ISSUED, **change))


def test_an_expired_nonce_is_refused():
    with pytest.raises(NonceError, match="expired"):
        check(ISSUED, now_us=START_US)


def test_a_nonce_that_another_window_used_is_refused():
    with pytest.raises(NonceError, match="used"):
        check(msgspec.structs.replace(ISSUED, used_by=digests.digest(b"another")))


def test_the_same_window_sent_again_may_carry_its_nonce_however_late():
    check(msgspec.structs.replace(ISSUED, used_by=DIGEST), now_us=START_US * 2)


def test_a_chained_window_needs_no_nonce():
    made = Node().window(header={"freshness": "chained", "nonce": ...})
    check(None, header=decode_header(made.evidence.header))
