"""Rows VM: the schema that a credential names. Only the bundled ones count, and no schema of anybody's is ever run."""

import copy

import pytest

from schemas import json_schema
from tests.attacks.catalogue import attack, unreachable
from tests.attacks.edits import FOREIGN, GOOD, WORLD, encoded, hostile, ours, put_into, verdict
from tests.fakes.foreign import foreign
from tests.fakes.verifier import MemoryFetcher, put
from verifier import document
from verifier.evidence import NOTHING
from verifier.gather import gather

_NEVER_RUN = (
    "No JSON Schema is run at verification, neither a document's nor one that it names: the shape is checked by our own "
    "code, whose patterns are fixed. A schema inside of a credential is a member that is not defined; of one behind a "
    "URL, nothing but the bundled URL and digest is compared."
)
unreachable("VM003", _NEVER_RUN)
unreachable("VM005", _NEVER_RUN)
unreachable("VM006", "No schema is retrieved or resolved: there is no reference that could be followed. " + _NEVER_RUN)
unreachable("VM009", _NEVER_RUN)

HOSTILE = {
    "a pattern that backtracks": {"properties": {"modelId": {"pattern": "^(a+)+$"}}},
    "allOf within allOf": {"allOf": [{"allOf": [{"allOf": [{}, {}]}] * 2}] * 2},
    "a dynamic reference": {"$dynamicRef": "http://evil.example/schema.json#x", "$id": "http://evil.example/"},
    "a recursive reference": {"$recursiveRef": "#", "$recursiveAnchor": True},
    "a remote reference": {"$ref": "file:///etc/passwd"},
    "a large enum": {"enum": ["x" * 100] * 1_000},
}


def test_the_bundled_schema_by_its_own_digest_is_accepted():
    assert verdict(GOOD).meets("accept")


@attack("VM001", "reject:UNTRUSTED_SCHEMA")
def test_a_schema_that_is_not_bundled_is_not_trusted(expected):
    own = GOOD["credentialSchema"]["id"]
    for url in (
        "https://evil.example/schema.json",
        own.replace("https:", "http:"),
        f"{own}#",
        f"{own}?v=2",
        own.upper().replace("HTTPS", "https"),
        "https://w3id.org/green-compute/schema/../schema/credential-v1.json",
        "file:///etc/passwd",
        json_schema.WINDOW_URL,
        json_schema.TELEMETRY_URL,
    ):
        expected.met_by(hostile(put("credentialSchema.id", url)))
    for url in (json_schema.WINDOW_URL, json_schema.SUMMARY_URL, json_schema.TELEMETRY_URL):
        right = {"id": url, "digestMultibase": json_schema.schema_digest(url)}
        expected.met_by(hostile(lambda value, right=right: value["credentialSchema"].update(right)))
    for digest in (json_schema.schema_digest(json_schema.WINDOW_URL), "uEiA" + "A" * 43):
        expected.met_by(hostile(put("credentialSchema.digestMultibase", digest)))


async def test_a_schema_is_never_fetched():
    fetcher = MemoryFetcher(WORLD.served())
    for value in (
        WORLD.credential(put("credentialSchema.id", "https://evil.example/schema.json")),
        foreign(
            WORLD,
            put("credentialSchema", {"id": "https://evil.example/schema.json", "type": "JsonSchemaValidator2018"}),
        ),
    ):
        await gather(document.parse(encoded(value)), NOTHING, fetcher)
    assert not [url for url in fetcher.asked if "evil" in url]


@pytest.mark.parametrize("how", HOSTILE)
def test_a_schema_inside_of_a_credential_is_no_member_that_we_know(how):
    for name in ("schema", "jsonSchema", "properties", "$schema"):
        assert ours(put_into("credentialSchema", name, HOSTILE[how])).meets("reject:SCHEMA_INVALID")
    stranger = WORLD.report({**copy.deepcopy(FOREIGN), "schema": HOSTILE[how]})
    assert stranger.problem == "UNSIGNED_CLAIM"


@attack("VM007", "reject:SCHEMA_INVALID")
def test_a_member_that_the_schema_does_not_have_is_refused(expected):
    for name, value in (
        ("netZero", "true"),
        ("energyKWh", "0.1"),
        ("energyKwh ", "0.1"),
        ("energyKwh\u200b", "0.1"),
        ("\uff45nergyKwh", "0.1"),
        ("windowDigest", "uEiDL7Ip3agcg9owh8Za4u49lO-6VF38yFNaynTz0sPJCRg"),
        ("__proto__", {"energyKwh": "0"}),
        ("type", "Thing"),
        ("", "x"),
    ):
        expected.met_by(ours(put_into("credentialSubject", name, value)))
    for path in ("credentialStatus", "credentialSchema", "evidence.0", "proof"):
        expected.met_by(ours(put_into(path, "netZero", "true")), ours(put_into(path, "name", "x")))
    expected.met_by(
        ours(put("netZero", "true")), ours(put("name", "x")), ours(put("validUntil", "2027-01-01T00:00:00Z"))
    )


@attack("VM008", "reject:SCHEMA_INVALID")
def test_a_date_or_an_iri_of_another_form_is_refused(expected):
    for date in (
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-20",
        "20.11.2026",
        "2026-11-20T20:01:04",
        "2026-11-20T20:01:04+00:00",
        "2026-11-20T25:00:00Z",
        "0000-11-20T20:01:04Z",
        "now",
        "",
        1763668864,
    ):
        expected.met_by(ours(put("credentialSubject.periodEnd", date)), ours(put("issuanceDate", date)))
    for iri in ("", "relative", "/path", "//host/path", "https//host", ":x", "1https://host/", "gc:energyKwh", None, 1):
        expected.met_by(ours(put("credentialSubject.id", iri)), ours(put("credentialStatus.statusListCredential", iri)))
