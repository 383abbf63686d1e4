"""Whether a window is the node's: its key signed it, it follows from the one before, its nonce is its own. Pure."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Final

import msgspec

from did.jwk import parse_jwk
from issuer.errors import NodeRevokedError, StaleTimestampError
from issuer.intake import MAX_AGE
from issuer.store.records import NodeRecord
from issuer.windows.request import FirstLine
from schemas.tpm.pcr import CHAIN_PCR
from schemas.window_header import WindowHeader
from verifier.attestation import chain, chain_gap
from verifier.attestation.attestation_key import AttestationKey, check_attestation_key
from verifier.attestation.chain_state import ChainState, Flag
from verifier.attestation.errors import (
    ChainIdentityError,
    ClockDriftError,
    EpochError,
    SequenceGapError,
    WindowSignerError,
)
from verifier.attestation.freshness import IssuedNonce, check_freshness
from verifier.attestation.software import check_software_window
from verifier.attestation.window import CheckedWindow, Opening, check_opening, check_window

GAP_ADVICE: Final = "send them first or, where they are lost, have the gap accepted: green-issuer nodes accept-gap"
DRIFT_ADVICE: Final = "where the clocks, and nobody, are to blame, have it accepted: green-issuer nodes accept-gap"

_MAX_AGE_US: Final = MAX_AGE // timedelta(microseconds=1)


def check_signed(line: FirstLine, node: NodeRecord) -> CheckedWindow:
    """Return the window once it is known that the node's registered key signed its header.

    Raises NodeRevokedError, WindowSignerError, and what check_software_window or check_window raises.
    """
    if line.quote is None:
        if node.attestation is not None:
            raise WindowSignerError("evidence: this node is enrolled with a TPM; a software key signs nothing for it")
        window = check_software_window(line.token, parse_jwk(node.jwk))
    else:
        if node.ak is None:
            raise WindowSignerError("evidence: this node is enrolled with a software key; enrol its TPM first")
        window = check_window(line.quote, key=attestation_key(node.ak), chain_pcr=node.chain_pcr or CHAIN_PCR)
    if node.state != "active":
        raise NodeRevokedError(f"the node {node.id!r} is revoked; ask the operator of this issuer")
    return window


@lru_cache(maxsize=1024)
def attestation_key(ak: bytes) -> AttestationKey:
    """Return an enrolled attestation key, checked once. Raises AttestationKeyError."""
    return check_attestation_key(ak)


def follow(
    window: CheckedWindow, line: FirstLine, node: NodeRecord, nonce: IssuedNonce | None, *, now_us: int
) -> tuple[ChainState, list[Flag]]:
    """Return the node's chain after a window, and what is to be told.

    Raises StaleTimestampError (it ended more than 7 days ago), NonceError, ChainError, WindowEnergyError.
    """
    header = window.header
    check_age(header, now_us)
    state = stored_chain(node, start=header.boot.start or 0)
    try:
        before = chain_gap.before(state, window, _opening(line, node))
    except SequenceGapError as error:
        raise SequenceGapError(f"{error.detail}; {GAP_ADVICE} {node.id}") from error
    # A window may arrive long after it was made: the nonce has to be good for when it ended, as it says itself.
    told = check_freshness(header, window.digest, nonce, now_us=min(now_us, header.end_us))
    try:
        step = chain.advance(before.state, window, now_us=now_us, received_us=now_us, max_power_w=node.tdp_w)
    except ClockDriftError as error:
        raise ClockDriftError(f"{error.detail}; {DRIFT_ADVICE} {node.id}") from error
    # The opening's quote and the window's own may say the same, of an unsafe clock for one.
    return step.state, [*dict.fromkeys((*before.flags, *told, *step.flags))]


def check_age(header: WindowHeader, now_us: int) -> None:
    """Raise StaleTimestampError where a window ended more than 7 days ago."""
    if header.end_us < now_us - _MAX_AGE_US:
        raise StaleTimestampError("header: end_us lies more than 7 days back; older windows are not taken")


def stored_chain(node: NodeRecord, *, start: int) -> ChainState:
    """Return where a node's chain stands; one that no window began yet begins in epoch ``start`` of a software key.

    Raises EpochError for a TPM's chain that was never opened.
    """
    if node.chain_state is not None:
        return msgspec.json.decode(node.chain_state, type=ChainState)
    if node.attestation is not None:
        raise EpochError("chain: this node's first epoch was not opened; enrol its TPM again")
    return chain.begin_software(node.id, parse_jwk(node.jwk), start=start)


def _opening(line: FirstLine, node: NodeRecord) -> Opening | None:
    """Return the opening of an epoch that came with the window, its quote found to hold; None where none did."""
    event = line.boot_event
    if event is None:
        return None
    if event.node_id != node.id or event.ak != node.ak_digest:
        raise ChainIdentityError("boot_event: it is another node's, or of another attestation key")
    quote = event.opening
    return check_opening(
        quote.attest_bytes,
        quote.signature_bytes,
        attestation_key(node.ak or b""),
        previous=quote.previous,
        nonce=quote.nonce_bytes,
        pcrs=quote.values,
        chain_pcr=node.chain_pcr or CHAIN_PCR,
    )
