"""How a node becomes registered: by an administrator, or by an invite token and the proof that it holds its key.

An invite token is ``gci_`` and 256 random bits in base64url, shown once and stored as its SHA-256; it opens once and
until it expires. The administrator settles what the node may claim (tenant, region, power) when inviting;
the node brings nothing but its key. It proves possession by signing, with that key, ``enrolment_input``:
the ASCII text ``gc/1 enrolment``, a zero byte, and the JCS bytes of ``{"jwk": …, "token": …}``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from did.errors import DidError
from did.jwk import parse_jwk
from did.keys import PublicKey
from issuer.errors import BadSignatureError, EnrolmentError, InvitationError, PossessionError
from issuer.intake import algorithm_for, check_signature
from issuer.node_details import NodeDetails, checked
from issuer.store.errors import InvitationSpentError, NotFoundError
from issuer.store.records import Invitation, NodeRecord
from issuer.store.store import Store
from schemas import base64url, jcs, times
from schemas.errors import MalformedValueError
from schemas.strict_json import JsonObject

TOKEN_BYTES: Final = 32
TOKEN_PREFIX: Final = "gci_"  # noqa: S105  # a prefix that all tokens share
"""What every token begins with: people and secret scanners know it, and none begins with a dash."""
DEFAULT_VALIDITY: Final = timedelta(hours=24)
MAX_VALIDITY: Final = timedelta(hours=720)

_DOMAIN: Final = b"gc/1 enrolment\0"

Draw = Callable[[int], bytes]
"""Gives so many random bytes: ``secrets.token_bytes``."""


class EnrolmentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node sends: the invite token, its public JWK, and its signature (base64url) over enrolment_input."""

    token: str
    # The members of a public JWK that are taken are all strings.
    jwk: dict[str, str]
    signature: str


def enrolment_input(token: str, jwk: JsonObject) -> bytes:
    """Return the bytes that an enrolling node signs. The prefix keeps them apart from telemetry."""
    return _DOMAIN + jcs.canonical_bytes({"jwk": jwk, "token": token})


def token_sha256(token: str) -> bytes:
    """Return what is stored of a token (32 bytes). Raises InvitationError for what cannot be one."""
    try:
        raw = base64url.decode(token.removeprefix(TOKEN_PREFIX))
    except MalformedValueError as error:
        raise InvitationError("the invite token is not valid") from error
    if len(raw) != TOKEN_BYTES or not token.startswith(TOKEN_PREFIX):
        raise InvitationError("the invite token is not valid")
    return hashlib.sha256(raw).digest()


def check_node_key(jwk: JsonObject) -> PublicKey:
    """Return a node's key. Raises EnrolmentError for private, weak and foreign ones, naming what is taken."""
    try:
        key = parse_jwk(jwk)
    except DidError as error:
        raise EnrolmentError(f"the node's key cannot be registered: {error.detail}") from error
    if algorithm_for(key) not in key.algorithms:
        raise EnrolmentError("a node signs with ECDSA P-256, Ed25519 or RSA-PSS (2048 to 4096 bits)")
    return key


async def invite(
    store: Store, details: NodeDetails, now: datetime, draw: Draw, validity: timedelta = DEFAULT_VALIDITY
) -> str:
    """Return a new invite token for the node so described; only now can it be read.

    Raises EnrolmentError (UnknownRegionError, …) for details that cannot be, NotFoundError for an
    unknown tenant.
    """
    settled = checked(details)
    if not timedelta(0) < validity <= MAX_VALIDITY:
        raise EnrolmentError("an invite token is valid for more than nothing and at most 720 hours")
    secret = draw(TOKEN_BYTES)
    invitation = Invitation(
        token_sha256=hashlib.sha256(secret).digest(),
        **settled.columns(),
        created_us=times.to_microseconds(now),
        expires_us=times.to_microseconds(now + validity),
    )
    try:
        await store.enrolments.invite(invitation)
    except NotFoundError as error:
        raise _no_tenant(settled.tenant_id) from error
    return TOKEN_PREFIX + base64url.encode(secret)


async def enrol(store: Store, request: EnrolmentRequest, now: datetime) -> NodeRecord:
    """Return the node that the token registers with the key of the request.

    The same token with the same key gives the same node again: an answer may have been lost. Raises
    EnrolmentError for the key, PossessionError for the signature, InvitationError for the token,
    ConflictError where the node id or the key is taken.
    """
    key = check_node_key({**request.jwk})
    _check_possession(request, key)
    try:
        return await store.enrolments.enrol(
            token_sha256(request.token), {**key.jwk}, key.thumbprint_uri, now_us=times.to_microseconds(now)
        )
    except (NotFoundError, InvitationSpentError) as error:
        raise InvitationError("the invite token is unknown, used or expired; ask for a new one") from error


async def register(store: Store, details: NodeDetails, jwk: JsonObject, now: datetime) -> NodeRecord:
    """Return a node registered by an administrator, who vouches for its key.

    Raises EnrolmentError, ConflictError where the id or the key is taken, NotFoundError for an unknown tenant.
    """
    columns = checked(details).columns()
    key = check_node_key(jwk)
    node = NodeRecord(
        id=columns.pop("node_id"),
        **columns,
        jwk={**key.jwk},
        key_uri=key.thumbprint_uri,
        created_us=times.to_microseconds(now),
    )
    try:
        return await store.nodes.add(node)
    except NotFoundError as error:
        raise _no_tenant(node.tenant_id) from error


def _no_tenant(tenant_id: str) -> NotFoundError:
    # Only who may register for every tenant gets here; a tenant's own key is refused before (auth.py).
    return NotFoundError(f"tenant_id: there is no tenant {tenant_id!r}; add it with: green-issuer tenants add")


def _check_possession(request: EnrolmentRequest, key: PublicKey) -> None:
    try:
        signature = base64url.decode(request.signature)
        check_signature(enrolment_input(request.token, {**request.jwk}), signature, key)
    except (BadSignatureError, MalformedValueError) as error:
        raise PossessionError(
            "the signature is not the key's over the enrolment (RFC 8785 bytes of jwk and token, with their prefix)"
        ) from error
