import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contexts import green_compute, pinned
from issuer import generic
from issuer.errors import CredentialRefusedError
from issuer.store.errors import NotFoundError
from schemas.strict_json import JsonObject
from tests.fakes import issuer as fakes
from tests.fakes.did import signer
from tests.fakes.issuer import Works
from verifier.rdf.canonicalize import InProcess
from verifier.suites.json_web_signature_2020 import verify_proof


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


def asked(**changes: Any) -> JsonObject:
    """A credential that says of somebody that he is an auditor, in terms of pinned contexts alone."""
    plain: dict[str, Any] = {
        "@context": [pinned.CREDENTIALS_V1],
        "type": ["VerifiableCredential"],
        "credentialSubject": {"id": "did:web:auditor.example"},
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


async def refused(works: Works, match: str, **changes: Any) -> None:
    with pytest.raises(CredentialRefusedError, match=match):
        await works.issuance.issue_generic("acme", asked(**changes))
    assert await works.store.credentials.pending() == ()
    assert await works.store.status.lists("root") == ()


async def test_a_credential_of_another_type_is_signed_with_name_date_id_and_status(works: Works) -> None:
    issued = await works.issuance.issue_generic("acme", asked())
    document = json.loads(issued.document)
    verify_proof(document, document["proof"], signer("ES256").public_key, InProcess())
    assert (document["issuer"], document["issuanceDate"]) == (fakes.DID, "2026-11-20T20:01:05Z")
    assert document["id"] == works.addresses.credential(issued.id)
    assert document["credentialStatus"]["type"] == "StatusList2021Entry"
    assert "suspensionListCredential" not in document["credentialStatus"]
    assert document["@context"] == [pinned.CREDENTIALS_V1, pinned.JWS_2020, pinned.STATUS_LIST_2021]


async def test_each_call_makes_a_credential_of_its_own(works: Works) -> None:
    first = await works.issuance.issue_generic("acme", asked())
    second = await works.issuance.issue_generic("acme", asked())
    assert first.id != second.id


async def test_an_id_and_a_past_date_that_are_given_are_kept(works: Works) -> None:
    given = asked(id="urn:uuid:3978344f-8596-4c3a-a978-8fcaba3903c5", issuanceDate="2026-11-01T00:00:00Z")
    document = json.loads((await works.issuance.issue_generic("acme", given)).document)
    assert (document["id"], document["issuanceDate"]) == (given["id"], given["issuanceDate"])


@pytest.mark.parametrize("issuer", [fakes.DID, {"id": fakes.DID}])
async def test_the_issuer_may_be_named_if_it_is_this_one(works: Works, issuer: object) -> None:
    document = json.loads((await works.issuance.issue_generic("acme", asked(issuer=issuer))).document)
    assert document["issuer"] == issuer


@pytest.mark.parametrize("issuer", ["did:web:other.example", {"id": "did:web:other.example"}, 5, {}])
async def test_another_issuer_s_name_is_refused(works: Works, issuer: object) -> None:
    await refused(works, "issuer", issuer=issuer)


@pytest.mark.parametrize(
    "kind",
    [
        "GreenComputeCredential",
        "GreenComputeWindowCredential",
        "GreenComputeSummaryCredential",
        "https://w3id.org/green-compute#GreenComputeCredential",
        "gc:GreenComputeCredential",
    ],
)
async def test_a_green_compute_type_is_never_issued_on_request(works: Works, kind: str) -> None:
    await refused(works, "telemetry", type=["VerifiableCredential", kind])


@pytest.mark.parametrize(
    "kind", ["StatusList2021Credential", "BitstringStatusListCredential", "VerifiablePresentation"]
)
async def test_a_status_list_or_presentation_is_never_issued_on_request(works: Works, kind: str) -> None:
    await refused(works, kind, type=["VerifiableCredential", kind])


@pytest.mark.parametrize(
    "iri",
    [
        "https://w3id.org/vc/status-list#StatusList2021Credential",
        "https://www.w3.org/ns/credentials/status#BitstringStatusListCredential",
        "https://www.w3.org/2018/credentials#VerifiablePresentation",
    ],
)
async def test_a_status_list_or_presentation_is_refused_as_a_full_iri_too(works: Works, iri: str) -> None:
    kind = iri.rpartition("#")[2]
    await refused(works, kind, type=["VerifiableCredential", iri])
    await refused(works, kind, **{"@type": iri})
    await refused(works, kind, credentialSubject={"id": "did:web:a.example", "type": iri})


@pytest.mark.parametrize(
    "url",
    [
        "https://oracle.example/status/revocation/1",
        "HTTPS://Oracle.example/status/revocation/1",
        "https://oracle.example:443/status/revocation/1",
        "https://someone@oracle.example/status/revocation/1",
        "https://oracle.example",
    ],
)
async def test_nothing_is_said_of_what_stands_below_the_issuer_s_own_url(works: Works, url: str) -> None:
    await refused(works, "issuer's own URL", id=url)
    await refused(works, "issuer's own URL", credentialSubject={"id": url, "type": "StatusList2021"})


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("https://www.w3.org/2018/credentials#issuer", {"id": "did:web:other.example"}),
        ("cred:issuer", {"id": "did:web:other.example"}),
        ("https://www.w3.org/2018/credentials#issuanceDate", "2099-01-01T00:00:00Z"),
        ("https://www.w3.org/2018/credentials#credentialStatus", {"id": "urn:x:1"}),
        ("https://w3id.org/security#proof", {"id": "urn:x:1"}),
    ],
)
async def test_what_the_issuer_adds_may_not_be_given_as_an_iri_either(works: Works, term: str, value: Any) -> None:
    await refused(works, term.rpartition("#")[2].rpartition(":")[2], **{term: value})


async def test_a_line_separator_in_a_text_is_signed_as_any_other_character(works: Works) -> None:
    subject = {"id": "did:web:a.example", "https://schema.org/name": "a\u2028b\u0085c"}
    issued = await works.issuance.issue_generic("acme", asked(credentialSubject=subject))
    assert json.loads(issued.document)["credentialSubject"] == subject


@pytest.mark.parametrize("subject", [None, "did:web:a.example", 5])
async def test_a_credential_of_nobody_is_refused(works: Works, subject: Any) -> None:
    await refused(works, "credentialSubject", credentialSubject=subject)


async def test_a_blank_node_is_no_id(works: Works) -> None:
    await refused(works, "blank", id="_:a")


async def test_our_vocabulary_is_refused_as_a_full_iri_too(works: Works) -> None:
    types = ["VerifiableCredential", "https://w3id.org/green-compute#SimulatedCredential"]
    await refused(works, "telemetry", type=types)
    iri = "https://w3id.org/green-compute#energyKwh"
    await refused(works, "telemetry", credentialSubject={"id": "did:web:a.example", iri: "0"})


@pytest.mark.parametrize("ours", [green_compute.URL, green_compute.CONTEXT])
async def test_our_context_is_refused_by_url_and_inline(works: Works, ours: Any) -> None:
    await refused(works, "vocabulary", **{"@context": [pinned.CREDENTIALS_V1, ours]})


@pytest.mark.parametrize(
    "context",
    [
        None,
        pinned.CREDENTIALS_V1,
        [],
        [pinned.CREDENTIALS_V2],
        [pinned.JWS_2020, pinned.CREDENTIALS_V1],
        [pinned.CREDENTIALS_V1, "https://attacker.example/v1"],
        [pinned.CREDENTIALS_V1, {"energy": "https://attacker.example/energy"}],
        [pinned.CREDENTIALS_V1, None],
        [pinned.CREDENTIALS_V1, pinned.JWS_2020, pinned.CREDENTIALS_V1],
    ],
)
async def test_a_context_that_is_not_pinned_or_stands_twice_is_refused(works: Works, context: Any) -> None:
    await refused(works, "@context", **{"@context": context})


@pytest.mark.parametrize("member", ["proof", "credentialStatus"])
async def test_what_the_issuer_adds_may_not_be_given(works: Works, member: str) -> None:
    await refused(works, member, **{member: {}})


async def test_an_undefined_term_is_refused_as_it_would_not_be_signed(works: Works) -> None:
    await refused(works, "UNSIGNED_CLAIM", credentialSubject={"id": "did:web:a.example", "role": "auditor"})


async def test_a_relative_identifier_is_refused(works: Works) -> None:
    await refused(works, "cannot be signed", credentialSubject={"id": "auditor"})


async def test_a_fraction_as_a_json_number_is_refused(works: Works) -> None:
    subject = {"id": "did:web:a.example", "https://schema.org/price": [{"@value": 0.1}]}
    await refused(works, "fraction", credentialSubject=subject)


async def test_an_id_below_the_issuer_s_own_url_is_refused(works: Works) -> None:
    await refused(works, "id:", id="https://oracle.example/credentials/019aa2c5-9410-7c00-9a00-0000000000c3")


@pytest.mark.parametrize(
    ("member", "date"),
    [
        ("issuanceDate", "2026-11-20T20:01:06Z"),
        ("issuanceDate", "2026-11-20"),
        ("issuanceDate", 5),
        ("expirationDate", "2026-11-20T20:01:05Z"),
        ("expirationDate", "tomorrow"),
    ],
)
async def test_a_date_that_cannot_be_is_refused(works: Works, member: str, date: object) -> None:
    await refused(works, member, **{member: date})


@pytest.mark.parametrize("types", [None, ["Other"], [], 5])
async def test_a_credential_says_that_it_is_one(works: Works, types: Any) -> None:
    await refused(works, "type", type=types)


async def test_an_unknown_tenant_gets_nothing(works: Works) -> None:
    with pytest.raises(NotFoundError):
        await works.issuance.issue_generic("nobody", asked())


def test_the_store_lists_it_by_its_own_type() -> None:
    assert generic.type_of({"type": ["VerifiableCredential", "AuditorCredential"]}) == "AuditorCredential"
    assert generic.type_of({"type": ["VerifiableCredential"]}) == "VerifiableCredential"


def test_a_vocabulary_that_only_resembles_ours_is_let_through() -> None:
    generic.check_vocabulary(b"<urn:a> <https://w3id.org/green-computer#x> <urn:b> .\n")
