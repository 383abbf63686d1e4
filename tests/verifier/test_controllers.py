"""Whose document says which keys, and how far it can be believed."""

import json

import pytest
from msgspec import structs

from did.errors import InvalidDidError, UnsupportedDidMethodError
from schemas.errors import ParsingError, ResourceLimitError
from tests.fakes.verifier import Signatory, World, fetched, problems, signer
from verifier.controllers import body_of, resolve
from verifier.errors import FetchBlockedError, FetchFailedError, MalformedTermError
from verifier.evidence import NOTHING, Evidence, absent
from verifier.policy import Policy
from verifier.report import Result

DID = "did:web:oracle.example"
URL = "https://oracle.example/.well-known/did.json"


def test_a_did_key_is_its_own_document():
    did = Signatory(signer(1)).did
    controller = resolve(did, NOTHING, Policy())
    assert controller.document.id == did
    assert controller.provenance.result is Result.PASSED


def test_a_did_web_comes_from_the_evidence():
    assert resolve(DID, World().evidence(), Policy()).document.id == DID


def test_without_the_document_nothing_is_known():
    with pytest.raises(FetchFailedError):
        resolve(DID, NOTHING, Policy())


def test_another_method_is_refused_by_name():
    with pytest.raises(UnsupportedDidMethodError):
        resolve("did:example:123", NOTHING, Policy())


@pytest.mark.parametrize("did", ["did:web:oracle.example:..", "did:web:Oracle.example", "did:web:oracle.example:a%2Fb"])
def test_what_has_no_url_is_no_did_though_a_folder_has_a_document_for_it(did):
    evidence = Evidence(did_documents={did: fetched(URL, {"id": did}, origin="folder")})
    with pytest.raises(InvalidDidError):
        resolve(did, evidence, Policy())


def test_bytes_that_are_no_json_are_no_document():
    with pytest.raises(ParsingError):
        resolve(DID, Evidence(did_documents={DID: fetched(URL, b"<html>")}), Policy())


def test_a_document_with_a_thousand_methods_is_too_large():
    document = Signatory(signer(1), DID).document()
    document["verificationMethod"] *= 500
    with pytest.raises(ResourceLimitError):
        resolve(DID, Evidence(did_documents={DID: fetched(URL, json.dumps(document).encode())}), Policy())


@pytest.mark.parametrize(
    "error", [FetchBlockedError, FetchFailedError, MalformedTermError, ParsingError, ResourceLimitError]
)
def test_a_failed_fetch_is_raised_as_what_it_was(error):
    with pytest.raises(error, match=URL):
        body_of(absent(URL, error("why"), origin="network"))


def test_a_failure_of_another_kind_is_a_failed_fetch():
    with pytest.raises(FetchFailedError):
        body_of(absent(URL, UnsupportedDidMethodError("why"), origin="network"))


def test_a_document_that_came_by_http_from_this_machine_is_said_to_have():
    world = World(issuer=Signatory(signer(1), "did:web:localhost%3A8080"), base="http://localhost:8080")
    report = world.report()
    assert ("issuer-key", "warning", "DEVELOPMENT") in problems(report)


@pytest.mark.parametrize(
    "policy", [Policy(trust_evidence=True), Policy(pinned_keys={DID: ()})], ids=["trusted", "pinned"]
)
def test_a_document_that_stands_in_for_one_that_could_not_be_fetched_is_a_warning(policy):
    stand_in = structs.replace(
        fetched(URL, World().issuer.document(), origin="folder"), problem="FETCH_FAILED", detail="status 500"
    )
    found = resolve(DID, Evidence(did_documents={DID: stand_in}), policy).provenance
    assert (found.result, found.problem) == (Result.WARNING, "EVIDENCE_FROM_FOLDER")
    assert "status 500" in found.detail
