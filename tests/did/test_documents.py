import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from did import base58, documents, multikey
from did.documents import PublishedKey, build_document, parse_document, read_document
from did.errors import (
    DeactivatedError,
    DidDocumentError,
    DidError,
    DocumentIdError,
    DocumentLimitError,
    InvalidDidError,
    InvalidKeyError,
    KeyExpiredError,
    KeyRevokedError,
    PrivateKeyPublishedError,
    RelationshipError,
    UnsupportedDidMethodError,
    UnsupportedKeyError,
    VerificationMethodError,
)
from schemas.errors import FormatError, ParsingError, ResourceLimitError
from tests.fakes.did import public_key

DID = "did:web:issuer.example"
KEY = f"{DID}#k1"
SIGNED_AT = datetime(2026, 11, 20, 20, tzinfo=UTC)


def method(method_id: object = KEY, algorithm="ES256", **members) -> dict:
    base = {"id": method_id, "type": "JsonWebKey2020", "controller": DID, "publicKeyJwk": {**public_key(algorithm).jwk}}
    return {**base, **members}


def document(*methods: dict, **members) -> dict:
    return {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": DID,
        "verificationMethod": list(methods or [method()]),
        "assertionMethod": [KEY],
        **members,
    }


def test_a_key_in_assertion_method_is_found() -> None:
    found = parse_document(document(), DID).key_for(KEY, "assertionMethod")
    assert (found.id, found.type, found.controller, found.key) == (KEY, "JsonWebKey2020", DID, public_key("ES256"))


def test_a_document_of_another_did_is_refused() -> None:
    with pytest.raises(DocumentIdError) as caught:
        parse_document(document(id="did:web:evil.example"), DID)
    assert caught.value.name == "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID"


@pytest.mark.parametrize("missing", [None, 1, "", DID.upper(), f"{DID}/", [DID]])
def test_an_id_that_is_not_exactly_the_did_is_refused(missing) -> None:
    with pytest.raises(DocumentIdError):
        parse_document(document(id=missing), DID)


def test_the_document_of_the_host_does_not_serve_a_tenants_did() -> None:
    with pytest.raises(DocumentIdError):
        parse_document(document(), f"{DID}:tenant-a")


@pytest.mark.parametrize(
    ("did", "error"), [("issuer.example", InvalidDidError), ("did:example:1", UnsupportedDidMethodError)]
)
def test_the_did_asked_for_is_checked_too(did, error) -> None:
    with pytest.raises(error):
        parse_document(document(id=did), did)


@pytest.mark.parametrize("deactivated", [True, "true", 1, None, {}])
def test_a_deactivated_did_is_refused(deactivated) -> None:
    with pytest.raises(DeactivatedError) as caught:
        parse_document(document(deactivated=deactivated), DID)
    assert caught.value.name == "DID_DEACTIVATED"


@pytest.mark.parametrize("base", [[], [{"@base": DID}], [{"@base": "did:web:evil.example"}]])
def test_a_relative_id_is_one_of_this_document(base) -> None:
    raw = document(method("#k1"), assertionMethod=["#k1"])
    raw["@context"] = [*raw["@context"], *base]
    assert parse_document(raw, DID).key_for(KEY, "assertionMethod").id == KEY


@pytest.mark.parametrize(
    "method_id",
    ["did:web:evil.example#k1", "k1", DID, f"{DID}#", "#", "", f"{DID}?a#k1", f"{DID}#a b", "#a\nb", None, 1, ["#k1"]],
)
def test_a_method_with_an_id_outside_the_document_is_refused(method_id) -> None:
    with pytest.raises(VerificationMethodError) as caught:
        parse_document(document(method(method_id)), DID)
    assert caught.value.name == "INVALID_VERIFICATION_METHOD"


@pytest.mark.parametrize("controller", ["did:web:evil.example", None, [DID], ""])
def test_a_method_controlled_by_another_is_refused(controller) -> None:
    with pytest.raises(VerificationMethodError) as caught:
        parse_document(document(method(controller=controller)), DID)
    assert caught.value.name == "INVALID_VERIFICATION_METHOD"


@pytest.mark.parametrize("entry", [None, "text", 1, ["x"]])
def test_a_method_that_is_no_object_is_refused(entry) -> None:
    with pytest.raises(VerificationMethodError):
        parse_document(document(entry), DID)


@pytest.mark.parametrize(
    "second", [method(), method("#k1"), method(algorithm="EdDSA"), method(type="X25519KeyAgreementKey2020")]
)
def test_an_id_that_stands_twice_is_refused(second) -> None:
    with pytest.raises(VerificationMethodError, match="twice"):
        parse_document(document(method(), second), DID)


def test_an_embedded_method_with_the_id_of_another_is_refused() -> None:
    with pytest.raises(VerificationMethodError, match="twice"):
        parse_document(document(assertionMethod=[method(algorithm="EdDSA")]), DID)


def test_a_method_embedded_in_a_relationship_is_found_there_alone() -> None:
    parsed = parse_document(document(authentication=[method("#k2", "EdDSA")]), DID)
    assert parsed.key_for(f"{DID}#k2", "authentication").key == public_key("EdDSA")
    with pytest.raises(RelationshipError):
        parsed.key_for(f"{DID}#k2", "assertionMethod")


@pytest.mark.parametrize("private", ["d", "p", "q"])
def test_a_published_private_key_is_refused(private) -> None:
    raw = document(method(publicKeyJwk={**public_key("ES256").jwk, private: "AA"}))
    with pytest.raises(PrivateKeyPublishedError) as caught:
        parse_document(raw, DID)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


def test_a_private_key_in_a_method_that_is_never_used_is_refused() -> None:
    other = {"id": "#k2", "type": "Unknown2030", "controller": DID, "privateKeyMultibase": "z3u2"}
    with pytest.raises(PrivateKeyPublishedError):
        parse_document(document(method(), other), DID)


def test_a_symmetric_key_is_refused() -> None:
    with pytest.raises(InvalidKeyError) as caught:
        parse_document(document(method(publicKeyJwk={"kty": "oct", "k": "AAAA"})), DID)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


@pytest.mark.parametrize("name", ["x = y", "x = y = 0", "y changed", "x short", "x of 33 bytes"])
def test_an_invalid_point_is_refused(name) -> None:
    jwk = public_key("ES256").jwk
    zero = "A" * 43
    changes = {
        "x = y": {"x": jwk["y"]},
        "x = y = 0": {"x": zero, "y": zero},
        "y changed": {"y": zero[:-1] + "E"},
        "x short": {"x": jwk["x"][:-2]},
        "x of 33 bytes": {"x": "AA" + "A" * 42},
    }
    with pytest.raises(InvalidKeyError) as caught:
        parse_document(document(method(publicKeyJwk={**jwk, **changes[name]})), DID)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


def test_two_kinds_of_key_material_are_ambiguous() -> None:
    with pytest.raises(VerificationMethodError):
        parse_document(document(method(publicKeyMultibase=multikey.encode(public_key("ES256")))), DID)


def test_p_256_bytes_in_an_ed25519_method_are_refused() -> None:
    raw = {
        "id": "#k1",
        "type": "Ed25519VerificationKey2018",
        "controller": DID,
        "publicKeyBase58": base58.encode(public_key("ES256").encoded_point()),
    }
    with pytest.raises(VerificationMethodError):
        parse_document(document(raw), DID)


def test_a_method_of_a_kind_that_is_not_used_does_not_spoil_the_others() -> None:
    other = method("#k2", publicKeyJwk={**public_key("ES256").jwk, "crv": "secp256k1"})
    parsed = parse_document(document(method(), other), DID)
    assert parsed.key_for(KEY, "assertionMethod").key == public_key("ES256")


def test_asking_for_a_method_of_a_kind_that_is_not_used_names_the_kind() -> None:
    other = method(publicKeyJwk={**public_key("ES256").jwk, "crv": "secp256k1"})
    with pytest.raises(UnsupportedKeyError, match="secp256k1"):
        parse_document(document(other), DID).key_for(KEY, "assertionMethod")


@pytest.mark.parametrize("method_id", [f"{DID}#k2", "#k1", "k1", "did:web:evil.example#k1", f"{DID}#K1", ""])
def test_a_method_is_found_by_its_exact_id_alone(method_id) -> None:
    with pytest.raises(VerificationMethodError) as caught:
        parse_document(document(), DID).key_for(method_id, "assertionMethod")
    assert caught.value.name == "INVALID_VERIFICATION_METHOD"


@pytest.mark.parametrize("relationship", ["authentication", "keyAgreement", "verificationMethod", "assertionmethod"])
def test_a_method_is_not_used_for_what_it_is_not_listed_for(relationship) -> None:
    with pytest.raises(RelationshipError) as caught:
        parse_document(document(), DID).key_for(KEY, relationship)
    assert caught.value.name == "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"


def test_references_into_other_documents_are_ignored() -> None:
    raw = document(assertionMethod=[KEY, "did:web:evil.example#k1", "https://evil.example/#k1"])
    assert parse_document(raw, DID).relationships["assertionMethod"] == {KEY}


def test_a_relationship_of_one_may_stand_without_a_list() -> None:
    raw = document(assertionMethod="#k1", verificationMethod=method())
    assert parse_document(raw, DID).key_for(KEY, "assertionMethod").id == KEY


@pytest.mark.parametrize("entry", [1, None, ["#k1"], True])
def test_a_relationship_of_another_shape_is_refused(entry) -> None:
    with pytest.raises(DidDocumentError):
        parse_document(document(assertionMethod=[entry]), DID)


def test_other_controllers_and_names_are_ignored() -> None:
    raw = document(controller="did:web:evil.example", alsoKnownAs=["did:web:evil.example"], service=[{"id": "#s"}])
    assert set(parse_document(raw, DID).verification_methods) == {KEY}


def test_a_document_without_methods_is_empty() -> None:
    parsed = parse_document({"id": DID}, DID)
    assert not parsed.verification_methods
    assert not parsed.relationships


def test_a_thousand_methods_exceed_a_limit() -> None:
    with pytest.raises(DocumentLimitError) as caught:
        parse_document(document(*(method(f"#k{number}") for number in range(1000))), DID)
    assert caught.value.name == "RESOURCE_LIMIT"


def test_a_relationship_with_thousands_of_entries_exceeds_a_limit() -> None:
    with pytest.raises(DocumentLimitError):
        parse_document(document(assertionMethod=[KEY] * 5000), DID)


def test_two_megabytes_exceed_a_limit() -> None:
    with pytest.raises(DocumentLimitError) as caught:
        read_document(json.dumps(document(padding="x" * 2**21)).encode(), DID)
    assert isinstance(caught.value, ResourceLimitError)


def test_a_deeply_nested_document_exceeds_a_limit() -> None:
    raw = json.dumps(document())[:-1] + ',"a":' + "[" * 5000 + "]" * 5000 + "}"
    with pytest.raises(DocumentLimitError):
        read_document(raw.encode(), DID)


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b"\xff", b'{"id":"a","id":"b"}', b'{"id":NaN}'])
def test_bytes_that_are_not_strict_json_are_refused(raw) -> None:
    with pytest.raises(ParsingError):
        read_document(raw, DID)


def test_the_bytes_of_a_document_are_read() -> None:
    assert read_document(json.dumps(document()).encode(), DID) == parse_document(document(), DID)


def test_a_key_without_dates_counts_at_any_time() -> None:
    parse_document(document(), DID).key_for(KEY, "assertionMethod").check_current(SIGNED_AT)


def test_a_signature_before_the_expiry_counts() -> None:
    parsed = parse_document(document(method(expires="2026-11-20T20:00:01Z")), DID)
    parsed.key_for(KEY, "assertionMethod").check_current(SIGNED_AT)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_a_signature_from_the_expiry_on_does_not_count(late) -> None:
    found = parse_document(document(method(expires="2026-11-20T20:00:00Z")), DID).key_for(KEY, "assertionMethod")
    with pytest.raises(KeyExpiredError) as caught:
        found.check_current(SIGNED_AT + late)
    assert caught.value.name == "KEY_EXPIRED"


@pytest.mark.parametrize("created", [timedelta(days=-400), timedelta(0), timedelta(days=400)])
def test_a_revoked_key_counts_at_no_time(created) -> None:
    parsed = parse_document(document(method(revoked="2026-11-20T20:00:00Z")), DID)
    with pytest.raises(KeyRevokedError) as caught:
        parsed.verification_methods[KEY].check_current(SIGNED_AT + created)
    assert caught.value.name == "KEY_REVOKED"


@pytest.mark.parametrize("listed", [[KEY], []])
def test_a_revoked_key_is_refused_as_revoked_whether_or_not_it_is_listed(listed) -> None:
    raw = document(method(revoked="2026-11-20T20:00:00Z"), assertionMethod=listed)
    with pytest.raises(KeyRevokedError):
        parse_document(raw, DID).key_for(KEY, "assertionMethod")


def test_a_revoked_key_is_revoked_under_every_id_it_has() -> None:
    multi = {"id": f"{DID}#multi", "type": "Multikey", "controller": DID}
    multi["publicKeyMultibase"] = multikey.encode(public_key("ES256"))
    revoked = {"revoked": "2026-11-20T20:00:00Z"}
    for raw in (
        document(method(), {**multi, **revoked}),
        document(method(**revoked), multi, assertionMethod=[multi["id"]]),
    ):
        with pytest.raises(KeyRevokedError):
            parse_document(raw, DID).key_for(raw["assertionMethod"][0], "assertionMethod")
    other = method(f"{DID}#other", "ES384", **revoked)
    assert parse_document(document(method(), other), DID).key_for(KEY, "assertionMethod").id == KEY


def test_a_did_that_states_not_to_be_deactivated_is_read() -> None:
    assert parse_document(document(deactivated=False), DID).id == DID


def test_a_revocation_that_cannot_be_read_is_not_ignored() -> None:
    with pytest.raises(VerificationMethodError):
        parse_document(document(method(revoked="yesterday")), DID)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([DID, KEY, "#k1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "controller", "publicKeyJwk", "kty", "crv", "x", "y"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["id", "verificationMethod", "assertionMethod", "authentication", "deactivated"]),
        JSON,
        max_size=5,
    )
)
def test_any_json_is_a_document_or_an_error_of_ours(raw) -> None:
    with suppress(DidError, FormatError):
        assert parse_document({**raw, "id": DID}, DID).id == DID


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_changed_member_of_a_method_never_yields_another_key(data) -> None:
    raw = build_document(DID, [PublishedKey("k1", public_key("ES256"))])
    entry = data.draw(st.sampled_from(raw["verificationMethod"]))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(st.text(max_size=20))
    with suppress(DidError):
        found = documents.parse_document(raw, DID).verification_methods.values()
        assert {method.key for method in found} == {public_key("ES256")}
