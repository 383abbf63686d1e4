"""Credentials of other types, on request (W3C VC API, ``POST /credentials/issue``): never one of ours.

A Green Compute credential comes from a node's signed telemetry alone. Here a tenant may have credentials of
its own signed, in VC 1.1 with pinned contexts; the issuer adds its name, the date, an id where there is
none, and a revocation entry. Nothing of our vocabulary may be said in them, in whatever spelling.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contexts import green_compute, pinned
from issuer.addresses import Addresses
from issuer.credential import status_entry
from issuer.errors import CredentialRefusedError
from issuer.store.records import Reserved
from schemas import credential, times
from schemas.errors import FormatError
from schemas.strict_json import Json, JsonObject
from verifier.document import identifier, strings

_SET_BY_US: Final = ("proof", "credentialStatus")
_NEVER: Final = frozenset({"StatusList2021Credential", "BitstringStatusListCredential", "VerifiablePresentation"})
_NEEDED_CONTEXTS: Final = (pinned.JWS_2020, pinned.STATUS_LIST_2021)


def draft(asked: JsonObject, issuer_did: str, addresses: Addresses, now: datetime) -> JsonObject:
    """Return the credential asked for with the issuer's name and date: complete but for id and status.

    Raises CredentialRefusedError naming the member that cannot be.
    """
    for member in _SET_BY_US:
        if member in asked:
            raise CredentialRefusedError(f"{member}: the issuer adds it; leave it out")
    _check_types(asked)
    contexts = _contexts(asked)
    _check_id(asked, addresses)
    rest = {name: value for name, value in asked.items() if name != "@context"}
    _check_numbers(rest)
    if "issuer" in asked and identifier(asked["issuer"]) != issuer_did:
        raise CredentialRefusedError(f"issuer: leave it out, or name {issuer_did}")
    drafted: JsonObject = {"@context": contexts, "issuer": issuer_did, "issuanceDate": times.render_seconds(now)}
    drafted |= rest
    _check_dates(drafted, now)
    return drafted


def complete(drafted: JsonObject, reserved: Reserved, addresses: Addresses) -> JsonObject:
    """Return the unsecured credential: the draft with an id, where it has none, and its revocation entry."""
    completed: JsonObject = {"@context": drafted["@context"], "id": addresses.credential(reserved.id)}
    return completed | drafted | {"credentialStatus": status_entry(reserved, addresses)}


def check_vocabulary(canonical: bytes) -> None:
    """Raise CredentialRefusedError where the canonical N-Quads speak our vocabulary, however the JSON spelled it."""
    if f"<{green_compute.NAMESPACE}".encode() in canonical:
        raise CredentialRefusedError("a Green Compute claim is made from a node's signed telemetry only")


def type_of(drafted: JsonObject) -> str:
    """Return the first type besides VerifiableCredential, or that: what the store lists the credential by."""
    names = [name for name in strings(drafted.get("type")) if name != "VerifiableCredential"]
    return names[0] if names else "VerifiableCredential"


def _check_types(asked: JsonObject) -> None:
    types = strings(asked.get("type"))
    if "VerifiableCredential" not in types:
        raise CredentialRefusedError(
            'type: a list with "VerifiableCredential" and the credential\'s own type is required'
        )
    if credential.kind_of(asked) is not None:
        raise CredentialRefusedError("type: a Green Compute credential is made from a node's signed telemetry only")
    refused = sorted(_NEVER.intersection(types))
    if refused:
        raise CredentialRefusedError(f"type: {refused[0]} is not issued on request")


def _check_id(asked: JsonObject, addresses: Addresses) -> None:
    # An id of ours names what stands at that URL, and the client's would not.
    stated = asked.get("id")
    if isinstance(stated, str) and stated.startswith(f"{addresses.public_url}/"):
        raise CredentialRefusedError("id: ids below the issuer's own URL are given out by the issuer; leave it out")


def _check_numbers(value: Json) -> None:
    # Canonicalizers disagree on floats, so the same signature would fit for one reader and not for another.
    if isinstance(value, float):
        raise CredentialRefusedError("a number with a fraction cannot be signed; write it as a string")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_numbers(part)


def _contexts(asked: JsonObject) -> list[Json]:
    stated = asked.get("@context")
    if not isinstance(stated, list) or not stated or stated[0] != pinned.CREDENTIALS_V1:
        raise CredentialRefusedError(f"@context: a list is required, its first entry {pinned.CREDENTIALS_V1}")
    for entry in stated:
        if green_compute.is_ours(entry):
            raise CredentialRefusedError("@context: the Green Compute vocabulary is for what telemetry proves")
        if not isinstance(entry, str) or entry not in pinned.PINNED:
            raise CredentialRefusedError(
                f"@context: {ascii(entry)[:80]} is not one of the contexts that are pinned here"
            )
    return [*stated, *(url for url in _NEEDED_CONTEXTS if url not in stated)]


def _check_dates(drafted: JsonObject, now: datetime) -> None:
    issued = _date(drafted, "issuanceDate")
    if issued > now:
        raise CredentialRefusedError("issuanceDate: it lies in the future; leave it out")
    if "expirationDate" in drafted and _date(drafted, "expirationDate") <= now:
        raise CredentialRefusedError("expirationDate: it has passed already")


def _date(drafted: JsonObject, member: str) -> datetime:
    stated = drafted[member]
    try:
        return times.parse_seconds(stated if isinstance(stated, str) else "")
    except FormatError as error:
        raise CredentialRefusedError(f"{member}: {error.detail}") from error
