"""The same header signed by a software key, which never passes for a TPM's."""

import pytest

from did import jws
from schemas.errors import ParsingError
from schemas.tpm.attest import parse_attest
from schemas.tpm.errors import TpmStructureError
from schemas.window_header import SOFTWARE_TYP
from tests.fakes.did import signer
from tests.fakes.soft_tpm import Node, canonical, decode_records, lines
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.errors import RecordsMismatchError, SoftwareSignatureError, WindowSignerError
from verifier.attestation.software import check_software_window

KEY = signer("ES256")
URI = KEY.public_key.thumbprint_uri


def header(key=KEY, own_records=(), /, **changes):
    own = {"ak": ..., "boot": {"start": 12}, "key": key.public_key.thumbprint_uri}
    return canonical(Node().header(own_records, **(own | changes)))


def token(payload, key=KEY, algorithm="ES256", **members):
    protected = {"typ": SOFTWARE_TYP, "kid": key.public_key.thumbprint_uri} | members
    return jws.sign_compact(
        payload, {name: value for name, value in protected.items() if value is not ...}, key, algorithm
    )


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256"])
def test_a_window_under_a_software_key_holds(algorithm):
    key = signer(algorithm)
    window = check_software_window(token(header(key), key, algorithm), key.public_key)
    assert (window.header.boot_epoch, window.quote, window.chain_value) == ("12", None, None)


def test_records_are_held_against_the_header():
    own = Node().own_records()
    signed = token(header(KEY, own))
    assert len(check_software_window(signed, KEY.public_key, decode_records(lines(*own))).records) == 2
    with pytest.raises(RecordsMismatchError):
        check_software_window(signed, KEY.public_key, decode_records(lines(own[0])))


@pytest.mark.parametrize("typ", [..., "JWT", "vc+jwt", "openid4vci-proof+jwt"])
def test_another_kind_of_token_is_no_window(typ):
    with pytest.raises(SoftwareSignatureError):
        check_software_window(token(header(), typ=typ), KEY.public_key)


def test_a_token_with_further_members_is_no_window():
    with pytest.raises(SoftwareSignatureError):
        check_software_window(token(header(), cty="application/json"), KEY.public_key)


def test_a_signature_by_another_key_is_refused():
    other = signer("ES256", 1)
    with pytest.raises(SoftwareSignatureError) as caught:
        check_software_window(token(header(), other, kid=URI), KEY.public_key)
    assert caught.value.status == 401


def test_an_algorithm_that_is_not_a_nodes_is_refused():
    key = signer("RS256")
    with pytest.raises(SoftwareSignatureError):
        check_software_window(token(header(key), key, "RS256"), key.public_key)


@pytest.mark.parametrize("kid", [..., "key-1"])
def test_a_key_id_that_is_not_the_keys_is_refused(kid):
    with pytest.raises(WindowSignerError):
        check_software_window(token(header(), kid=kid), KEY.public_key)


def test_a_header_that_names_another_key_is_refused():
    with pytest.raises(WindowSignerError):
        check_software_window(token(header(signer("ES256", 1))), KEY.public_key)


def test_software_evidence_labelled_tpm_is_refused():
    node = Node()
    labelled = header(ak=node.tpm.ak, boot={"reset": 1, "restart": 0})
    with pytest.raises(WindowSignerError):
        check_software_window(token(labelled), KEY.public_key)


def test_a_payload_that_is_not_canonical_is_refused():
    with pytest.raises(ParsingError):
        check_software_window(token(header() + b" "), KEY.public_key)


def test_a_changed_payload_breaks_the_signature():
    first, second = token(header()), token(header(sequence=1, previous=Node().tpm.ak))
    mixed = ".".join((first.split(".")[0], second.split(".")[1], first.split(".")[2]))
    with pytest.raises(SoftwareSignatureError):
        check_software_window(mixed, KEY.public_key)


def test_a_token_is_no_structure_of_a_tpm():
    for read in (parse_attest, check_attestation_key):
        with pytest.raises(TpmStructureError):
            read(token(header()).encode())


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "..", "é.é.é"])
def test_a_text_that_is_no_token_is_refused(text):
    with pytest.raises(SoftwareSignatureError):
        check_software_window(text, KEY.public_key)
