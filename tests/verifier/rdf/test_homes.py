"""Each node that is read is described in one place: the one where it is looked for."""

import pytest

from verifier.errors import UnsignedClaimError
from verifier.rdf.canonicalize import InProcess
from verifier.rdf.quads import quads_of

CREDENTIAL = {
    "@context": "https://www.w3.org/2018/credentials/v1",
    "id": "urn:x:credential",
    "type": "VerifiableCredential",
    "issuer": "did:web:oracle.example",
    "credentialSubject": {"id": "urn:x:subject", "urn:x:p": "about the subject"},
    "credentialStatus": {"id": "urn:x:status", "type": "urn:x:Status"},
}
ENGINE = InProcess()


def quads(**changes):
    return quads_of(ENGINE.expand({**CREDENTIAL, **changes}))


def test_what_is_described_where_it_is_read_is_accepted():
    mentioned = {"id": "did:web:oracle.example", "urn:x:p": [{"id": "urn:x:subject"}, {"id": "urn:x:credential"}]}
    assert len(quads(issuer=mentioned)) == len(quads()) + 2


@pytest.mark.parametrize("node", ["urn:x:credential", "urn:x:subject", "urn:x:status"])
def test_what_is_read_is_described_nowhere_else(node):
    with pytest.raises(UnsignedClaimError, match="second place"):
        quads(evidence={"id": node, "urn:x:q": "beside the mention"})


def test_a_description_that_was_moved_whole_is_refused_too():
    moved = {"id": "urn:x:subject", "urn:x:p": "about the subject"}
    with pytest.raises(UnsignedClaimError, match="second place"):
        quads(credentialSubject={"id": "urn:x:subject"}, evidence=moved)


def test_a_label_for_a_blank_node_hides_nothing():
    with pytest.raises(UnsignedClaimError, match="second place"):
        quads(id="_:x", evidence={"id": "_:x", "urn:x:q": "moved"})


@pytest.mark.parametrize("name", ["credentialSubject", "credentialStatus"])
def test_one_node_cannot_be_two_of_those_that_are_read(name):
    with pytest.raises(UnsignedClaimError, match="only one"):
        quads(credentialSubject=[CREDENTIAL["credentialSubject"], {"id": CREDENTIAL[name]["id"], "urn:x:q": "more"}])


def test_a_node_within_a_graph_of_its_own_may_have_the_same_name():
    inner = {
        "id": "urn:x:inner",
        "type": "VerifiableCredential",
        "credentialSubject": {"id": "urn:x:subject", "urn:x:p": "x"},
    }
    assert quads(evidence={"https://www.w3.org/2018/credentials#verifiableCredential": {"@graph": inner}})


def test_a_second_credential_in_the_same_graph_could_be_put_on_top_and_is_refused():
    other = {"id": "urn:x:other", "type": "VerifiableCredential", "credentialSubject": {"id": "urn:x:another"}}
    with pytest.raises(UnsignedClaimError, match="second document"):
        quads(evidence=other)


def test_a_document_that_is_no_credential_is_not_held_to_this():
    document = {
        "@id": "urn:x:a",
        "urn:x:p": [
            {"@id": "urn:x:b", "urn:x:q": "1"},
            {"@id": "urn:x:c", "urn:x:r": {"@id": "urn:x:b", "urn:x:s": "2"}},
        ],
    }
    assert len(quads_of(ENGINE.expand(document))) == 5
