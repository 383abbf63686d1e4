"""Credentials of other types, on request (W3C VC API, ``POST /credentials/issue``): never one of ours.

A Green Compute credential comes from a node's signed telemetry alone. Here a tenant may have credentials of
its own signed, in VC 1.1 with pinned contexts; the issuer adds its name, the date, an id where there is
none, and a revocation entry. Nothing of our vocabulary may be said in them, in whatever spelling.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

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

_CREDENTIALS: Final = "https://www.w3.org/2018/credentials#"
_TYPE: Final = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_NEVER_IRIS: Final = {
    "<https://w3id.org/vc/status-list#StatusList2021Credential>": "StatusList2021Credential",
    "<https://www.w3.org/ns/credentials/status#BitstringStatusListCredential>": "BitstringStatusListCredential",
    f"<{_CREDENTIALS}VerifiablePresentation>": "VerifiablePresentation",
}
# Each is one value in VC 1.1; a second one, spelled as an IRI, would be read by some and not by others.
_ONCE: Final = {
    f"<{_CREDENTIALS}{name}>": name
    for name in ("issuer", "issuanceDate", "expirationDate", "validFrom", "validUntil", "credentialStatus")
}
_PROOF: Final = "<https://w3id.org/security#proof>"
_WEB_PORTS: Final = {"http": 80, "https": 443}


def draft(asked: JsonObject, issuer_did: str, addresses: Addresses, now: datetime) -> JsonObject:
    """Return the credential asked for with the issuer's name and date: complete but for id and status.

    Raises CredentialRefusedError naming the member that cannot be.
    """
    for member in _SET_BY_US:
        if member in asked:
            raise CredentialRefusedError(f"{member}: the issuer adds it; leave it out")
    _check_types(asked)
    if not isinstance(asked.get("credentialSubject"), dict | list):
        raise CredentialRefusedError("credentialSubject: an object, or a list of them, is required")
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


def check_statements(canonical: bytes, completed: JsonObject, addresses: Addresses) -> None:
    """Raise CredentialRefusedError where the canonical N-Quads say what the members were not allowed to say.

    One signature fits every spelling of the same statements: a type or a member written as an IRI can be put back
    into its short form afterwards, and a status list could so be had by who may only ask for credentials.
    """
    own = {identifier(completed["id"]), identifier(completed["credentialStatus"])}
    counts: Counter[str] = Counter()
    # Not splitlines: a literal may hold other line separators than the one that ends a statement.
    for line in canonical.decode("utf-8").removesuffix("\n").split("\n"):
        subject, predicate, rest = line.split(" ", 2)
        refused = _NEVER_IRIS.get(rest.partition(" ")[0]) if predicate == _TYPE else None
        if refused is not None:
            raise CredentialRefusedError(f"type: {refused} is not issued on request")
        if subject.strip("<>") not in own and _is_below(subject.strip("<>"), addresses):
            raise CredentialRefusedError("id: what stands below the issuer's own URL is not described on request")
        if predicate == _PROOF:
            raise CredentialRefusedError("proof: the issuer adds it; leave it out")
        counts[predicate] += subject == f"<{completed['id']}>"
    for predicate, member in _ONCE.items():
        if counts[predicate] > 1:
            raise CredentialRefusedError(f"{member}: it stands twice, in two spellings")


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
    if isinstance(stated, str) and stated.startswith("_:"):
        raise CredentialRefusedError("id: a blank node's name is none; write a URL, or leave it out")
    if isinstance(stated, str) and _is_below(stated, addresses):
        raise CredentialRefusedError("id: ids below the issuer's own URL are given out by the issuer; leave it out")


def _is_below(iri: str, addresses: Addresses) -> bool:
    """Return whether ``iri`` is a URL of this issuer's, in whatever spelling of scheme, host and port."""
    try:
        return _origin(iri) == _origin(addresses.public_url)
    except ValueError:
        # No host or port can be read from it: nothing at this issuer is named by that, so it is refused elsewhere.
        return False


def _origin(iri: str) -> tuple[str | None, int | None]:
    parts = urlsplit(iri)
    return parts.hostname, parts.port or _WEB_PORTS.get(parts.scheme)


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
    if len(set(stated)) != len(stated):
        # Each is processed anew, so thousands of them would cost seconds.
        raise CredentialRefusedError("@context: an entry stands twice")
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
