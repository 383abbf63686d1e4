from typing import Any

import pytest

from issuer import credential, prepare
from issuer.errors import LintError, PreparationSpentError
from tests.fakes import issuer as fakes
from verifier.rdf.canonicalize import canonical_nquads

MINIMAL = "credential-minimal.vc11.json"


def lint(document: dict[str, Any]) -> prepare.PreparedCredential:
    return prepare.lint(credential.encode(document), fakes.engines())


@pytest.mark.parametrize(
    "name", ["credential-minimal.vc11.json", "credential.vc11.json", "window.vc11.json", "summary.vc11.json"]
)
def test_the_format_s_credentials_pass(name: str) -> None:
    content = lint(fakes.format_document(name)).redeem()
    assert content.value == fakes.format_document(name)
    assert content.canonical == canonical_nquads(fakes.format_document(name))


def test_the_format_s_status_list_passes() -> None:
    lint(fakes.format_document("status-list.vc11.json"))


def test_a_prepared_credential_is_redeemed_once() -> None:
    prepared = lint(fakes.format_document(MINIMAL))
    prepared.redeem()
    with pytest.raises(PreparationSpentError):
        prepared.redeem()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("credentialSubject", "energyKwh"), "0.00073", "energyKwh"),
        (("credentialSubject", "operationalEmissionsGco2e"), "0.1", "operationalEmissionsGco2e"),
        (("credentialSubject", "energyKwh"), "0.0007290", "energyKwh"),
        (("credentialSubject", "energyKwh"), 0.000729, "energyKwh"),
        (("credentialSubject", "assurance"), "software", "SimulatedCredential"),
        (("credentialSubject", "invented"), "x", "invented"),
        (("credentialSubject", "periodEnd"), "2026-11-20T20:01:06Z", "issuanceDate"),
        (("credentialSubject", "pue"), "1.1", "pue"),
        (("issuanceDate",), "2026-11-20T20:01:05.5Z", "issuanceDate"),
        (("credentialStatus", "statusListIndex"), "094568", "statusListIndex"),
        (
            ("credentialSchema", "digestMultibase"),
            "uEiD-Bp0B4h_2x_fyZFF9Sg6yaHy1o8Qb-mioGUYoVuUb_A",
            "UNTRUSTED_SCHEMA",
        ),
        (("credentialSchema", "id"), "https://w3id.org/green-compute/schema/window-v1.json", "UNTRUSTED_SCHEMA"),
        (("@context", 0), "https://www.w3.org/ns/credentials/v2", "UNTRUSTED_CONTEXT"),
        (("@context", 3), "https://attacker.example/v1", "UNTRUSTED_CONTEXT"),
        (("proof",), {}, "signed already"),
        (("type",), ["Other"], "TYPE_MISMATCH"),
    ],
)
def test_what_the_verifier_would_refuse_is_not_signed(path: tuple[Any, ...], value: object, problem: str) -> None:
    document = fakes.format_document(MINIMAL)
    *parents, last = path
    place: Any = document
    for name in parents:
        place = place[name]
    place[last] = value
    with pytest.raises(LintError, match=problem):
        lint(document)


def test_a_missing_claim_is_found() -> None:
    document = fakes.format_document(MINIMAL)
    del document["credentialSubject"]["gridRegion"]
    with pytest.raises(LintError, match="gridRegion"):
        lint(document)


def test_a_status_list_that_is_too_short_is_found() -> None:
    document = fakes.format_document("status-list.vc11.json")
    document["credentialSubject"]["encodedList"] = "H4sIAAAAAAAC_2NgAAAAAP__"
    with pytest.raises(LintError):
        lint(document)


def test_bytes_that_are_no_json_are_found() -> None:
    with pytest.raises(LintError, match="PARSING_ERROR"):
        prepare.lint(b'{"a": 1, "a": 2}', fakes.engines())


def test_an_undefined_term_of_a_foreign_credential_is_found() -> None:
    foreign = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "id": "urn:uuid:3978344f-8596-4c3a-a978-8fcaba3903c5",
        "type": ["VerifiableCredential"],
        "issuer": "did:web:oracle.example",
        "issuanceDate": "2026-11-20T20:01:05Z",
        "credentialSubject": {"id": "did:example:x", "undefined": "lost"},
    }
    with pytest.raises(LintError, match="UNSIGNED_CLAIM"):
        lint(foreign)
