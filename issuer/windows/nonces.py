"""A node's request for nonces, by which its windows show when they were made. Pure.

It is signed, by the node's software key, over the ASCII text ``gc/1 nonces``, a zero byte, and the JCS bytes of the
body without ``signature``. A TPM's attestation key signs quotes alone: such a node gets its nonces with its enrolment
and with each window that is taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from did.jwk import parse_jwk
from issuer.errors import BadSignatureError, FutureTimestampError, NodeRevokedError, StaleTimestampError
from issuer.intake import MAX_AHEAD, check_signature
from issuer.store.records import NodeRecord
from schemas import base64url, jcs, strict_json, times
from schemas.errors import SchemaInvalidError
from schemas.telemetry import NODE_ID

_DOMAIN: Final = b"gc/1 nonces\0"
_MAX_BYTES: Final = 4096
_NOT_SIGNED: Final = (
    "this is not signed by the software key of a node that is registered under this id; a node with a TPM gets its "
    "nonces with each window that is taken"
)


class NonceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node sends: its id, the time (at most a minute off), and its signature (base64url)."""

    node_id: str
    timestamp: str
    signature: str


def signing_input(node_id: str, timestamp: str) -> bytes:
    """Return the bytes that a node signs."""
    return _DOMAIN + jcs.canonical_bytes({"node_id": node_id, "timestamp": timestamp})


def parse(raw: bytes) -> NonceRequest:
    """Return the request in a body. Raises FormatError."""
    try:
        asked = msgspec.convert(strict_json.parse_object(raw, max_bytes=_MAX_BYTES), NonceRequest)
    except msgspec.ValidationError as error:
        raise SchemaInvalidError(f"the body does not have the required shape: {error}") from error
    NODE_ID.check(asked.node_id, "node_id")
    base64url.decode(asked.signature)
    return asked


def check(asked: NonceRequest, node: NodeRecord | None, now: datetime) -> NodeRecord:
    """Return the node if it asks now. Raises BadSignatureError, NodeRevokedError, StaleTimestampError, FutureTimestampError.

    Who has no node's key is told the same of every node, whether it is registered or not, by whatever key.
    """
    if node is None or node.attestation is not None:
        raise BadSignatureError(_NOT_SIGNED)
    message = signing_input(asked.node_id, asked.timestamp)
    try:
        check_signature(message, base64url.decode(asked.signature), parse_jwk(node.jwk))
    except BadSignatureError as error:
        raise BadSignatureError(_NOT_SIGNED) from error
    if node.state != "active":
        raise NodeRevokedError(f"the node {node.id!r} is revoked; ask the operator of this issuer")
    # A request that was overheard is of no use later; within a minute it gives the node no more than it may have.
    moment = times.parse_claim(asked.timestamp)
    if moment < now - MAX_AHEAD:
        raise StaleTimestampError("timestamp lies more than 60 s back; set the node's clock")
    if moment > now + MAX_AHEAD:
        raise FutureTimestampError("timestamp lies more than 60 s ahead; set the node's clock")
    return node
