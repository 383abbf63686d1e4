"""A window credential of the wire formats, as an issuer of the small world would sign it."""

from __future__ import annotations

from typing import Final

from schemas import digests, json_schema
from schemas.strict_json import JsonObject
from tests.fakes.verifier import World, example

FIRST: Final = 41


def window_of(world: World, *, number: int = FIRST, **claims: object) -> JsonObject:
    """Return a window of node-7 with other ``claims``; of another ``number``, everything that names it is another's.

    Its assurance is software's: a TPM's quote cannot be checked.
    """
    value = example("window.vc11.json")
    subject = value["credentialSubject"]
    del value["proof"]
    value |= {"issuer": world.issuer.did, "issuanceDate": "2026-11-20T20:01:00Z"}
    value["credentialSchema"]["digestMultibase"] = json_schema.schema_digest(value["credentialSchema"]["id"])
    lists, index = world.lists, value["credentialStatus"]["statusListIndex"]
    value["credentialStatus"] |= {
        "id": f"{lists['revocation']}#{index}",
        "statusListCredential": lists["revocation"],
        "suspensionListCredential": lists["suspension"],
    }
    subject |= {"assurance": "software", "windowSequence": str(number), **claims}
    if number != FIRST:
        value["id"] = f"{value['id']}-{number}"
        subject["id"] = f"{subject['id']}-{number}"
        digest = digests.digest(f"window {number}".encode())
        subject["windowDigest"] = digest
        value["evidence"][0] |= {"windowDigest": digest, "id": f"{value['evidence'][0]['id']}-{number}"}
    return value
