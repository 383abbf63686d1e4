import json

import msgspec
import pytest

from schemas import status
from schemas.errors import MalformedValueError, SchemaInvalidError
from tests.schemas.documents import changed, example, leaves, without

LIST = example("status-list.vc11")


def refused(document, path, error=SchemaInvalidError):
    with pytest.raises(error) as caught:
        status.decode(document)
    assert caught.value.detail.startswith(path), caught.value.detail


def test_the_reference_list_decodes_and_has_its_one_bit_set():
    subject = status.decode(LIST).credential_subject
    bits = status.decode_list(subject.encoded_list)
    assert subject.status_purpose == "revocation"
    assert [index for index in range(len(bits) * 8) if status.get(bits, index)] == [1234]


def test_the_view_holds_every_member():
    assert json.loads(msgspec.json.encode(status.decode(LIST))) == LIST


def test_the_unsecured_list_decodes_too():
    assert status.decode(without(LIST, ("proof",))).proof is None


def test_a_suspension_list_that_expires_decodes():
    document = changed(LIST, ("credentialSubject", "statusPurpose"), "suspension")
    assert status.decode(changed(document, ("expirationDate",), "2026-11-21T20:00:11Z")).expiration_date


@pytest.mark.parametrize("path", [path for path in leaves(LIST) if path[0] != "type"])
def test_each_member_is_required_and_has_one_form(path):
    refused(without(LIST, path), ".".join(map(str, path)))
    for other in (None, [LIST], {"@value": "x"}, 1, True, ""):
        refused(changed(LIST, path, other), path[0])


@pytest.mark.parametrize("path", [(), ("credentialSubject",), ("proof",)])
@pytest.mark.parametrize("name", ["extra", "@type", "gc:nodeId", "ttl"])
def test_no_object_takes_an_extra_member(path, name):
    refused(changed(LIST, (*path, name), "x"), ".".join((*path, name)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("type",), ["StatusList2021Credential", "VerifiableCredential"]),
        (("type",), ["VerifiableCredential", "BitstringStatusListCredential"]),
        (("type",), "StatusList2021Credential"),
        (("credentialSubject", "type"), "BitstringStatusList"),
        (("credentialSubject", "statusPurpose"), "message"),
        (("credentialSubject", "encodedList"), "not base64!"),
        (("issuer",), {"id": "did:web:oracle.example"}),
        (("credentialSubject",), [LIST["credentialSubject"]]),
    ],
)
def test_another_type_purpose_or_form_is_refused(path, value):
    refused(changed(LIST, path, value), ".".join(path))


def test_a_forbidden_character_is_malformed():
    refused(changed(LIST, ("id",), "https://oracle.example/a b"), "id: ", MalformedValueError)
