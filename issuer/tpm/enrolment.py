"""How a node becomes registered with its TPM: two requests, and a secret that only this TPM could open.

    1  token, endorsement key and its certificate, attestation key
       → the chain to a trusted root, both keys' properties → a challenge over the Name computed here
    2  the secret out of the challenge, and a quote that opens the chain of windows
       → node and TPM bound for good, or the node's attestation key superseded, in one transaction

The secret is used once, within 60 seconds. The enrolment record writes down what was checked; its digest stands in
every credential that rests on this TPM.

An answer may be lost: the same token with the same TPM and attestation key is taken again, for 24 hours, and gets the node
as it is on file. Nothing changes then, the chain of windows least of all: beginning it anew would let a node drop windows unseen.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, cast

import msgspec

from issuer.enrolment import token_sha256
from issuer.errors import InvitationError
from issuer.store.enrolments import invited
from issuer.store.errors import ConflictError, InvitationSpentError, NotFoundError
from issuer.store.records import Attestation, Invitation, NodeRecord
from issuer.store.store import Store
from issuer.store.tpms import StoredCertificate, StoredChallenge
from issuer.tpm.errors import ActivationError
from issuer.tpm.make_credential import make_credential
from issuer.tpm.messages import ActivationRequest, AttestRequest, Challenged
from issuer.windows.intake import MAX_NONCES, NONCE_VALIDITY
from schemas import base64url, digests, times
from schemas.enrolment_record import EnrolmentRecord, build_enrolment, enrolment_digest
from schemas.errors import MalformedValueError, SchemaInvalidError
from schemas.opening_quote import QUOTE_SHAPE, OpeningQuote
from schemas.tpm import pcr
from verifier.attestation import chain
from verifier.attestation.attestation_key import AttestationKey, check_attestation_key
from verifier.attestation.chain_state import ChainState
from verifier.attestation.freshness import IssuedNonce
from verifier.attestation.window import Opening, check_opening
from verifier.endorsement.certificate import Certificate, parse_certificate
from verifier.endorsement.denied import check_firmware, kind_of, shipped_denials
from verifier.endorsement.ek_chain import MAX_SENT, Endorsement, check_endorsement
from verifier.endorsement.errors import EkRefusedError
from verifier.endorsement.roots import trust_of
from verifier.endorsement.trust import CertificatePool, RootClass, TrustedRoot

VALIDITY: Final = timedelta(seconds=60)
"""How long a challenge may be answered."""

REPEATS: Final = timedelta(hours=24)
"""How long after its use a token gets the node that it has enrolled again."""
SECRET_BYTES: Final = 32
NONCES: Final = 8
"""Nonces that come with an enrolment."""

_ID_BYTES: Final = 16
_MAX_TEXT: Final = 24_000

Draw = Callable[[int], bytes]


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """A node with its TPM, where its chain of windows stands, and nonces."""

    node: NodeRecord
    chain: ChainState
    nonces: tuple[str, ...]


class _Details(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked of the TPM, between the two requests."""

    ek: str
    ek_public: str
    certificates: tuple[bytes, ...]
    ak_public: str
    manufacturer: str
    model: str
    root_class: RootClass


async def begin(store: Store, asked: AttestRequest, now: datetime, draw: Draw = secrets.token_bytes) -> Challenged:
    """Return the challenge to a TPM whose endorsement key leads to a trusted root.

    Raises InvitationError (also where another key has used the token), TpmStructureError and FormatError (400),
    TpmEnrolmentError (403), AttestationKeyError (401) and ConflictError where the node is bound to another TPM.
    """
    now_us = times.to_microseconds(now)
    token = token_sha256(asked.token)
    # Before anything is parsed: whoever has no token costs no more than this.
    enrolled = await store.tpms.enrolled(token, times.to_microseconds(now - REPEATS))
    node_id = (await _invitation(store, token, now_us)).node_id if enrolled is None else enrolled.id
    key = check_attestation_key(_bytes(asked.ak_public, "ak_public"))
    if enrolled is not None:
        _check_same(enrolled, key)
    endorsement = _check_endorsement(asked, await store.tpms.certificates(), now)
    node = await store.nodes.get(node_id)
    await _check_binding(store, node, node_id, endorsement.ek_digest)
    secret = draw(SECRET_BYTES)
    challenge = make_credential(endorsement.ek, key.public.name, secret, randomness=draw)
    stored = StoredChallenge(
        id=base64url.encode(draw(_ID_BYTES)),
        token_sha256=token,
        details=msgspec.json.encode(_details(asked, endorsement)).decode(),
        secret_sha256=hashlib.sha256(secret).digest(),
        nonce=base64url.encode(draw(SECRET_BYTES)),
        expires_us=times.to_microseconds(now + VALIDITY),
    )
    await store.tpms.begin(stored, now_us)
    return Challenged(
        enrolment_id=stored.id,
        credential_blob=base64url.encode(challenge.credential_blob),
        encrypted_secret=base64url.encode(challenge.encrypted_secret),
        nonce=stored.nonce,
        previous=_chain(node).previous if node is not None and node.chain_state is not None else None,
        expires=times.render_seconds(now + VALIDITY),
    )


async def finish(
    store: Store, enrolment_id: str, asked: ActivationRequest, now: datetime, draw: Draw = secrets.token_bytes
) -> Enrolled:
    """Return the node that a TPM is bound to, after it returned the secret and opened its chain of windows.

    With the right secret the challenge is used up, whatever else is wrong. Raises ActivationError, FormatError, TpmStructureError, QuoteError,
    TpmDeniedError, InvitationError and ConflictError.
    """
    now_us = times.to_microseconds(now)
    # Found by the digest of 32 random bytes: how long that takes tells nothing of them.
    given = hashlib.sha256(_bytes(asked.secret, "secret")).digest()
    challenge = await store.tpms.answer(enrolment_id, given, now_us)
    if challenge is None:
        raise ActivationError("the challenge is not known, over, or not answered with its secret; enrol again")
    details = msgspec.json.decode(challenge.details, type=_Details)
    key = check_attestation_key(base64url.decode(details.ak_public))
    quote, opening = _opening(asked, key, challenge.nonce)
    enrolled = await store.tpms.enrolled(challenge.token_sha256, times.to_microseconds(now - REPEATS))
    if enrolled is not None:
        _check_same(enrolled, key)
        await _check_binding(store, enrolled, enrolled.id, details.ek)
        return await _again(store, enrolled, asked.chain_pcr, _nonces(enrolled.id, now, draw), now_us)
    invitation = await _invitation(store, challenge.token_sha256, now_us)
    known = await store.nodes.get(invitation.node_id)
    await _check_binding(store, known, invitation.node_id, details.ek)
    _check_firmware(opening, key, details)
    state = _state(known, invitation.node_id, opening)
    record = _record(details, invitation.node_id, key, quote, asked.chain_pcr, now_us, known)
    node = msgspec.structs.replace(
        invited(invitation, {**key.public_key.jwk}, key.thumbprint_uri, now_us) if known is None else known,
        jwk={**key.public_key.jwk},
        key_uri=key.thumbprint_uri,
        attestation=_attestation(details.root_class),
        ek_digest=details.ek,
        ak=base64url.decode(details.ak_public),
        ak_digest=key.digest,
        enrolment_digest=enrolment_digest(record),
        chain_pcr=asked.chain_pcr,
        chain_state=msgspec.json.encode(state).decode(),
        refusal=None,
    )
    nonces = _nonces(node.id, now, draw)
    documents = (record, *details.certificates)
    registered = await store.tpms.enrol(challenge, node, documents, nonces, now_us, known=known)
    return Enrolled(node=registered, chain=state, nonces=tuple(one.nonce for one in nonces))


async def _again(
    store: Store, node: NodeRecord, chain_pcr: int, nonces: tuple[IssuedNonce, ...], now_us: int
) -> Enrolled:
    """Return the node that this token has given this TPM and key before, as it is on file."""
    if chain_pcr != node.chain_pcr:
        raise ConflictError(f"this token has enrolled the key with register {node.chain_pcr}; ask for a new one")
    state = _chain(node)
    # Where windows have come since, the node has nonces with each of them: more would lie unused, and be in their way.
    given = await store.windows.give_nonces(node.id, nonces, MAX_NONCES, now_us) if state.first is None else ()
    return Enrolled(node=node, chain=state, nonces=given)


def _check_same(enrolled: NodeRecord, key: AttestationKey) -> None:
    if enrolled.key_uri != key.thumbprint_uri:
        raise _no_invitation()


async def _invitation(store: Store, token: bytes, now_us: int) -> Invitation:
    try:
        return await store.tpms.invitation(token, now_us)
    except (NotFoundError, InvitationSpentError) as error:
        raise _no_invitation() from error


def _no_invitation() -> InvitationError:
    return InvitationError("the invite token is unknown, used or expired; ask for a new one")


def _state(known: NodeRecord | None, node_id: str, opening: Opening) -> ChainState:
    """Return where the node's chain stands once a new key has opened an epoch of it."""
    if known is None or known.chain_state is None:
        return chain.begin(node_id, opening).state
    before = _chain(known)
    step = chain.begin(node_id, opening, next_sequence=before.next_sequence)
    if before.previous != opening.previous:
        raise ActivationError("the opening quote does not follow the last window that was taken; enrol again")
    changed = None if before.previous is None else before.key_before or before.key
    # What the old key's windows counted stays counted: time and energy between the keys are told.
    counted = {"end_us": before.end_us, "counters_mj": before.counters_mj, "borrowed_us": before.borrowed_us}
    return msgspec.structs.replace(step.state, key_before=changed, **counted)


def _nonces(node_id: str, now: datetime, draw: Draw) -> tuple[IssuedNonce, ...]:
    expires_us = times.to_microseconds(now + NONCE_VALIDITY)
    return tuple(
        IssuedNonce(nonce=base64url.encode(draw(32)), node_id=node_id, expires_us=expires_us) for _ in range(NONCES)
    )


async def _check_binding(store: Store, node: NodeRecord | None, node_id: str, ek_digest: str) -> None:
    """Raise unless the TPM is this node's, or neither is bound yet."""
    if node is not None and node.ek_digest != ek_digest:
        raise ConflictError(
            f"the node {node_id!r} is bound to another TPM, or to a software key; invite this one under a new id"
        )
    other = await store.tpms.node_of(ek_digest)
    if other is not None and other.id != node_id:
        raise EkRefusedError("this TPM is another node's; a TPM speaks for one node")
    if other is not None and other.state != "active":
        raise EkRefusedError("the node of this TPM was revoked, and its TPM with it")


def _check_endorsement(asked: AttestRequest, stored: tuple[StoredCertificate, ...], now: datetime) -> Endorsement:
    if len(asked.intermediates) > MAX_SENT:
        raise SchemaInvalidError(f"intermediates: at most {MAX_SENT} certificates are read")
    added = [
        TrustedRoot(
            fingerprint=one.fingerprint, root_class=cast("RootClass", one.root_class), manufacturer=one.manufacturer
        )
        for one in stored
        if one.root_class is not None
    ]
    return check_endorsement(
        _bytes(asked.ek_public, "ek_public"),
        _bytes(asked.ek_certificate, "ek_certificate"),
        sent=[_bytes(text, f"intermediates[{index}]") for index, text in enumerate(asked.intermediates)],
        known=CertificatePool(_parsed(one.certificate) for one in stored),
        trust=trust_of(added),
        denied=shipped_denials(),
        now=now,
    )


@lru_cache(maxsize=1024)
def _parsed(certificate: bytes) -> Certificate:
    return parse_certificate(certificate)


def _opening(asked: ActivationRequest, key: AttestationKey, nonce: str) -> tuple[OpeningQuote, Opening]:
    pcr.window_selection(asked.chain_pcr)
    QUOTE_SHAPE.check(asked.opening, "opening")
    quote = msgspec.convert(asked.opening, OpeningQuote)
    if quote.nonce != nonce:
        raise ActivationError("the opening quote is not over the nonce of this challenge; enrol again")
    opening = check_opening(
        quote.attest_bytes,
        quote.signature_bytes,
        key,
        previous=quote.previous,
        nonce=quote.nonce_bytes,
        pcrs=quote.values,
        chain_pcr=asked.chain_pcr,
    )
    return quote, opening


def _check_firmware(opening: Opening, key: AttestationKey, details: _Details) -> None:
    check_firmware(
        shipped_denials(),
        manufacturer=details.manufacturer,
        model=details.model,
        firmware_version=opening.quote.firmware_version,
        key=kind_of(key.vendor),
    )


def _details(asked: AttestRequest, endorsement: Endorsement) -> _Details:
    return _Details(
        ek=endorsement.ek_digest,
        ek_public=asked.ek_public,
        certificates=tuple(one.raw for one in endorsement.chain),
        ak_public=asked.ak_public,
        manufacturer=endorsement.manufacturer or "unknown",
        model=endorsement.model,
        root_class=endorsement.root_class,
    )


def _record(  # noqa: PLR0917 - the parts of one document
    details: _Details,
    node_id: str,
    key: AttestationKey,
    quote: OpeningQuote,
    chain_pcr: int,
    now_us: int,
    known: NodeRecord | None,
) -> bytes:
    return build_enrolment(
        EnrolmentRecord(
            v=1,
            node_id=node_id,
            enrolment_class=_attestation(details.root_class),
            enrolled_us=now_us,
            manufacturer=details.manufacturer,
            ek=details.ek,
            ek_public=details.ek_public,
            ek_certificates=tuple(digests.digest(one) for one in details.certificates),
            ak=key.digest,
            ak_public=details.ak_public,
            key=key.thumbprint_uri,
            chain_pcr=chain_pcr,
            opening=quote,
            supersedes=None if known is None else known.enrolment_digest,
        )
    )


def _attestation(root_class: RootClass) -> Attestation:
    return cast("Attestation", f"tpm-{root_class}")


def _chain(node: NodeRecord) -> ChainState:
    return msgspec.json.decode(node.chain_state or "", type=ChainState)


def _bytes(text: str, name: str) -> bytes:
    if len(text) > _MAX_TEXT:
        raise SchemaInvalidError(f"{name}: at most {_MAX_TEXT} characters are read")
    try:
        return base64url.decode(text)
    except MalformedValueError as error:
        raise MalformedValueError(f"{name}: {error.detail}") from error
