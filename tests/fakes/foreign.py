"""A credential of a type that the verifier does not know: VC 1.1, no closed shape, the general way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from contexts import pinned
from schemas.strict_json import JsonObject
from tests.fakes.verifier import LISTS, World, edited

CONTEXTS: Final = [pinned.CREDENTIALS_V1, pinned.JWS_2020, pinned.STATUS_LIST_2021, pinned.GREEN_COMPUTE]
STATUS: Final = {
    "id": f"{LISTS['revocation']}#5",
    "type": "StatusList2021Entry",
    "statusPurpose": "revocation",
    "statusListIndex": "5",
    "statusListCredential": LISTS["revocation"],
    "suspensionListCredential": LISTS["suspension"],
}


def unsigned(world: World, *changes: Callable[[JsonObject], None]) -> JsonObject:
    """Return the credential before it is signed."""
    value: JsonObject = {
        "@context": CONTEXTS,
        "id": "https://oracle.example/foreign/1",
        "type": ["VerifiableCredential"],
        "issuer": world.issuer.did,
        "issuanceDate": "2026-11-20T20:00:00Z",
        "credentialSubject": {"id": "https://oracle.example/s", "modelId": "any"},
    }
    return edited(value, *changes)


def foreign(world: World, *changes: Callable[[JsonObject], None], **options: str) -> JsonObject:
    """Return the credential, changed and then signed by the world's issuer."""
    return world.issuer.sign(unsigned(world, *changes), **options)
