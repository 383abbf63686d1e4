"""Status lists: the bits (see schemas.bitstring) and the StatusList2021 credential that publishes them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct, field

from schemas.bitstring import MAX_BYTES, MIN_BYTES, decode_list, encode_bits, get, set_bit
from schemas.credential import Proof
from schemas.lexical import DID, ENVELOPE_TIME, IRI, Lexical
from schemas.profile import PROOF
from schemas.shapes import AnyArray, Choice, OneOfLists, Shape, Text, Value
from schemas.strict_json import JsonObject
from schemas.subject import json_name

__all__ = [
    "MAX_BYTES",
    "MIN_BYTES",
    "PURPOSES",
    "StatusListCredential",
    "StatusListSubject",
    "decode",
    "decode_list",
    "encode_bits",
    "get",
    "set_bit",
]

PURPOSES: Final = ("revocation", "suspension")
_TYPES: Final = ("VerifiableCredential", "StatusList2021Credential")

_ENCODED_LIST: Final = Lexical("base64url or base64", "[A-Za-z0-9_+/-]+={0,2}")

_SUBJECT_MEMBERS: Final[dict[str, Value]] = {
    "id": Text(IRI),
    "type": Choice(("StatusList2021",)),
    "statusPurpose": Choice(PURPOSES),
    "encodedList": Text(_ENCODED_LIST),
}
_MEMBERS: Final[dict[str, Value]] = {
    "@context": AnyArray(),
    "id": Text(IRI),
    "type": OneOfLists((_TYPES,)),
    "issuer": Text(DID),
    "issuanceDate": Text(ENVELOPE_TIME),
    "expirationDate": Text(ENVELOPE_TIME),
    "credentialSubject": Shape(_SUBJECT_MEMBERS, frozenset(_SUBJECT_MEMBERS)),
    "proof": PROOF,
}
SHAPE: Final = Shape(_MEMBERS, frozenset(_MEMBERS) - {"expirationDate", "proof"})
"""The closed shape of a StatusList2021 credential, with or without its proof."""


class StatusListSubject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=json_name):
    """The list itself: its purpose and its compressed bits."""

    id: str
    type: str
    status_purpose: str
    encoded_list: str


class StatusListCredential(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename=json_name
):
    """A StatusList2021 credential (VC 1.1); ``proof`` is None in the unsecured document."""

    context: tuple[object, ...] = field(name="@context")
    id: str
    type: tuple[str, ...]
    issuer: str
    issuance_date: str
    credential_subject: StatusListSubject
    expiration_date: str | None = None
    proof: Proof | None = None


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(StatusListCredential)


def decode(document: JsonObject) -> StatusListCredential:
    """Return the typed view of a StatusList2021 credential; its bits stay compressed (see decode_list).

    Raises SchemaInvalidError or MalformedValueError, the text beginning with the member's path.
    """
    SHAPE.check(document, "")
    return msgspec.convert(document, StatusListCredential)
