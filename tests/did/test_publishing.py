import json
from datetime import UTC, datetime

import pytest

from did.documents import parse_document, read_document
from did.errors import DidDocumentError, DocumentLimitError, InvalidDidError, KeyRevokedError
from did.local import did_key
from did.publishing import CONTEXTS, MAX_BYTES, MAX_METHODS, PublishedKey, build_document
from tests.fakes.did import CURVES, public_key
from tests.vectors import shared

DID = "did:web:issuer.example%3A8443:issuers:a"
REVOKED = datetime(2026, 11, 20, 20, 0, 0, 999_999, tzinfo=UTC)


def published(key_id="2026-11", algorithm="ES256", **members) -> PublishedKey:
    return PublishedKey(key_id, public_key(algorithm), **members)


def ids(document, relationship) -> set:
    return {entry.removeprefix(DID) for entry in document[relationship]}


@pytest.mark.parametrize("algorithm", CURVES)
def test_a_key_is_published_as_json_web_key_and_as_multikey(algorithm) -> None:
    document = parse_document(build_document(DID, [published(algorithm=algorithm)]), DID)
    for fragment, kind in (("2026-11", "JsonWebKey2020"), ("2026-11-multikey", "Multikey")):
        method = document.key_for(f"{DID}#{fragment}", "assertionMethod")
        assert (method.type, method.key) == (kind, public_key(algorithm))


def test_an_rsa_key_is_published_as_json_web_key_alone() -> None:
    document = build_document(DID, [published(algorithm="PS256")])
    assert ids(document, "assertionMethod") == {"#2026-11"}


def test_the_document_reads_as_specified() -> None:
    document = build_document(DID, [published()])
    assert document == {
        "@context": list(CONTEXTS),
        "id": DID,
        "verificationMethod": [
            {
                "id": f"{DID}#2026-11",
                "type": "JsonWebKey2020",
                "controller": DID,
                "publicKeyJwk": public_key("ES256").jwk,
            },
            {
                "id": f"{DID}#2026-11-multikey",
                "type": "Multikey",
                "controller": DID,
                "publicKeyMultibase": did_key(public_key("ES256")).removeprefix("did:key:"),
            },
        ],
        "assertionMethod": [f"{DID}#2026-11", f"{DID}#2026-11-multikey"],
        "authentication": [f"{DID}#2026-11", f"{DID}#2026-11-multikey"],
    }


def test_a_retired_key_still_verifies_and_no_longer_authenticates() -> None:
    document = build_document(DID, [published("new"), published("old", "EdDSA", state="retired")])
    assert ids(document, "assertionMethod") == {"#new", "#new-multikey", "#old"}
    assert ids(document, "authentication") == {"#new", "#new-multikey"}


def test_a_revoked_key_stays_listed_with_its_time_and_leaves_the_relationships() -> None:
    document = build_document(DID, [published("new"), published("old", "EdDSA", state="revoked", revoked=REVOKED)])
    old = [method for method in document["verificationMethod"] if "#old" in method["id"]]
    assert [method["revoked"] for method in old] == ["2026-11-20T20:00:00Z"]
    assert ids(document, "assertionMethod") == ids(document, "authentication") == {"#new", "#new-multikey"}


def test_a_verifier_learns_that_a_key_is_revoked() -> None:
    raw = build_document(DID, [published(state="revoked", revoked=REVOKED)])
    with pytest.raises(KeyRevokedError, match="2026-11-20T20:00:00"):
        parse_document(raw, DID).key_for(f"{DID}#2026-11", "assertionMethod")


def test_an_expiry_is_published() -> None:
    document = build_document(DID, [published(expires=REVOKED)])
    assert parse_document(document, DID).verification_methods[f"{DID}#2026-11"].expires == REVOKED.replace(
        microsecond=0
    )


def test_dates_bring_a_context_that_defines_them() -> None:
    contexts = build_document(DID, [published(expires=REVOKED)])["@context"]
    assert set(contexts[-1]) == {"expires", "revoked"}


def test_services_are_published_as_they_are() -> None:
    service = {
        "id": f"{DID}#status",
        "type": "CredentialStatusList",
        "serviceEndpoint": "https://issuer.example/status",
    }
    assert build_document(DID, [published()], services=[service])["service"] == [service]


def test_a_document_without_keys_has_empty_relationships() -> None:
    assert build_document(DID, [])["assertionMethod"] == []


@pytest.mark.parametrize("pair", [("k", "k"), ("k", "k-multikey")])
def test_two_keys_with_one_id_are_refused(pair) -> None:
    with pytest.raises(DidDocumentError, match="same key id"):
        build_document(DID, [published(pair[0]), published(pair[1], "EdDSA")])


@pytest.mark.parametrize("key_id", ["", "a b", "a#b", "é", "%41", "a" * 600])
def test_a_key_id_that_is_no_fragment_is_refused(key_id) -> None:
    with pytest.raises(DidDocumentError, match="key id"):
        build_document(DID, [published(key_id)])


@pytest.mark.parametrize(
    "members", [{"state": "revoked"}, {"state": "active", "revoked": REVOKED}, {"state": "retired", "revoked": REVOKED}]
)
def test_a_time_of_revocation_belongs_to_a_revoked_key(members) -> None:
    with pytest.raises(DidDocumentError, match="revocation"):
        build_document(DID, [published(**members)])


def test_no_document_is_built_that_a_verifier_would_find_too_long() -> None:
    keys = [published(f"k{number}", state="retired") for number in range(MAX_METHODS + 1)]
    with pytest.raises(DocumentLimitError, match="at most 128"):
        build_document(DID, keys)


def test_no_document_is_built_that_a_verifier_would_find_too_large() -> None:
    keys = [published(f"k{number}", "PS256", state="retired") for number in range(MAX_METHODS)]
    with pytest.raises(DocumentLimitError, match=f"at most {MAX_BYTES} bytes"):
        build_document(DID, keys)


def test_the_longest_document_is_read_by_a_verifier() -> None:
    keys = [published(f"key-2026-{number:04}", "ES384", state="retired") for number in range(MAX_METHODS - 2)]
    raw = json.dumps(build_document(DID, [*keys, published("active", "ES384")]), separators=(",", ":")).encode()
    assert len(read_document(raw, DID).verification_methods) == MAX_METHODS


def test_a_document_of_something_that_is_no_did_is_refused() -> None:
    with pytest.raises(InvalidDidError):
        build_document("https://issuer.example", [published()])


def test_a_json_ld_processor_keeps_every_term() -> None:
    pyld = pytest.importorskip("pyld.jsonld")
    files = {
        "https://www.w3.org/ns/did/v1": "did-v1",
        "https://w3id.org/security/suites/jws-2020/v1": "jws-2020-v1",
        "https://w3id.org/security/multikey/v1": "multikey-v1",
    }
    contexts = {url: json.loads(shared(f"vectors/contexts/{name}.jsonld").read_bytes()) for url, name in files.items()}

    def load(url, _options):
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": contexts[url]}

    raw = build_document(DID, [published("new"), published("old", "EdDSA", state="revoked", revoked=REVOKED)])
    expanded = json.dumps(pyld.expand(raw, {"documentLoader": load}))
    for term in (
        "publicKeyJwk",
        "publicKeyMultibase",
        "revoked",
        "controller",
        "assertionMethod",
        "authenticationMethod",
    ):
        assert f"https://w3id.org/security#{term}" in expanded
    assert expanded.count("https://w3id.org/security#revoked") == 1
