"""Evidence, status, schema and proof: the parts around the claims."""

import pytest

from schemas.credential import decode
from schemas.digests import digest
from schemas.errors import MalformedValueError
from tests.schemas.documents import changed, example, refused, without

FULL = example("credential.vc11")
MINIMAL = example("credential-minimal.vc11")
WINDOW = example("window.vc11")
SUMMARY = example("summary.vc11")
SUBJECT = "credentialSubject"


@pytest.mark.parametrize(
    "member",
    [
        "windowDigest",
        "enrolmentDigest",
        "recordDigest",
        "recordIndex",
        "mediaType",
        "signedBy",
        "digestMultibase",
        "id",
    ],
)
def test_a_quote_in_an_inferences_credential_is_complete(member):
    refused(without(FULL, ("evidence", 0, member)), f"evidence[0].{member}: required member missing")


def test_a_signed_record_names_its_digest_and_a_window_only_with_an_index():
    refused(without(MINIMAL, ("evidence", 0, "recordDigest")), "evidence[0].recordDigest: required")
    in_window = changed(MINIMAL, ("evidence", 0, "windowDigest"), digest(b""))
    refused(in_window, "evidence[0].recordIndex: missing")
    decode(changed(in_window, ("evidence", 0, "recordIndex"), "0"))


def test_the_evidence_of_a_window_names_no_record():
    refused(changed(WINDOW, ("evidence", 0, "recordDigest"), digest(b"")), "evidence[0].recordDigest: no such member")


def test_inline_evidence_is_base64url():
    refused(changed(WINDOW, ("evidence", 0, "inlineEvidence"), "AA=="), "evidence[0].inlineEvidence: ")
    decode(without(WINDOW, ("evidence", 0, "inlineEvidence")))


@pytest.mark.parametrize("types", [["Evidence"], "TpmQuoteEvidence", ["TpmQuoteEvidence", "Evidence"], [], None, [1]])
def test_evidence_has_one_known_type(types):
    refused(changed(FULL, ("evidence", 0, "type"), types), "evidence[0].type: ")


def test_evidence_is_a_non_empty_array_without_repetition():
    refused(changed(FULL, ("evidence",), []), "evidence: ")
    refused(changed(FULL, ("evidence",), FULL["evidence"][0]), "evidence: ")
    refused(changed(FULL, ("evidence",), FULL["evidence"] * 2), "evidence: an item stands twice")


def test_a_summary_has_no_evidence():
    refused(changed(SUMMARY, ("evidence",), FULL["evidence"]), "evidence: no such member")


def test_two_objects_never_share_an_id():
    halves = [without(WINDOW["evidence"][0], ("inlineEvidence",)), WINDOW["evidence"][0]]
    refused(changed(WINDOW, ("evidence",), halves), "id: two objects")
    refused(changed(FULL, (SUBJECT, "id"), FULL["id"]), "id: two objects")
    refused(changed(FULL, ("evidence", 0, "id"), FULL["credentialSchema"]["id"]), "id: two objects")


def test_accelerators_are_a_set():
    uuids = WINDOW[SUBJECT]["acceleratorId"]
    refused(
        changed(WINDOW, (SUBJECT, "acceleratorId"), uuids[:1] * 2), f"{SUBJECT}.acceleratorId: an item stands twice"
    )
    refused(changed(WINDOW, (SUBJECT, "acceleratorId"), []), f"{SUBJECT}.acceleratorId: an array")
    refused(changed(WINDOW, (SUBJECT, "acceleratorId"), uuids[0]), f"{SUBJECT}.acceleratorId: an array")


def test_the_status_entry_is_one_object_whose_id_is_list_and_index():
    refused(changed(FULL, ("credentialStatus",), [FULL["credentialStatus"]]), "credentialStatus: a JSON object")
    refused(changed(FULL, ("credentialStatus", "statusListIndex"), "94568"), "credentialStatus.id: ")
    refused(changed(FULL, ("credentialStatus", "statusPurpose"), "suspension"), "credentialStatus.statusPurpose: ")
    same = FULL["credentialStatus"]["statusListCredential"]
    refused(changed(FULL, ("credentialStatus", "suspensionListCredential"), same), "credentialStatus.suspension")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("proof", "type"), "Ed25519Signature2020"),
        (("proof", "proofPurpose"), "authentication"),
        (("proof", "jws"), "a.b.c"),
        (("proof", "created"), "2026-11-20T20:00:12.5Z"),
        (("credentialSchema", "type"), "JsonSchema"),
        (("credentialStatus", "type"), "BitstringStatusListEntry"),
        (("issuer",), {"id": "did:web:oracle.example"}),
        (("issuer",), "https://oracle.example"),
    ],
)
def test_the_envelope_is_that_of_vc_1_1(path, value):
    refused(changed(FULL, path, value), ".".join(path))


@pytest.mark.parametrize("value", ["https://a b", "https://a<b", "https://a\\b", "https://\u00e9", "https://a\nb"])
@pytest.mark.parametrize("path", [("id",), (SUBJECT, "id"), (SUBJECT, "windowCredential"), ("evidence", 0, "signedBy")])
def test_an_iri_with_a_forbidden_character_is_malformed(path, value):
    refused(changed(FULL, path, value), str(path[0]), MalformedValueError)


@pytest.mark.parametrize("value", ["relative", "_:b0", "", "//x", "gc:x", "xsd:x"])
def test_an_iri_that_is_relative_or_abbreviated_is_refused(value):
    refused(changed(FULL, ("id",), value), "id: ")
