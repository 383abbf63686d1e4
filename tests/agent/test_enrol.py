import json
import stat

import pytest

from agent import config
from agent.enrol import (
    EnrolledNode,
    enrol,
    enrolment_input,
    open_or_make_key,
    read_answer,
    request_body,
    save_enrolment,
)
from agent.errors import EnrolmentError, NoAnswerError, SettingsError
from agent.home import home
from agent.retry import Answer
from agent.tenants import TenantNames
from did.errors import SignerError
from did.jwk import parse_jwk
from did.signers import generate_file_key
from schemas import base64url
from tests.fakes.agent import ScriptedTransport, new_signer, problem

TOKEN = "vGk0Jm1mYvXw2cQ4Zr8hWq3n6Ls9Tt5Bb7Dd1Ff3Hh4"
SIGNER = new_signer()
NODE = {
    "node_id": "node-7",
    "tenant_id": "acme",
    "grid_region": "DEU",
    "key_uri": SIGNER.public_key.thumbprint_uri,
    "state": "active",
    "jwk": SIGNER.public_key.jwk,
}


@pytest.fixture
def place(tmp_path):
    return home({"GREEN_AGENT_HOME": str(tmp_path / "agent")})


def answer(body, status=201):
    return Answer(status, {}, json.dumps(body).encode())


def test_what_is_signed_is_the_prefix_and_the_canonical_token_and_key():
    jwk = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB"}

    assert enrolment_input("T", jwk) == (
        b'gc/1 enrolment\0{"jwk":{"crv":"P-256","kty":"EC","x":"AA","y":"BB"},"token":"T"}'
    )


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_the_request_proves_the_possession_of_the_key_that_it_brings(algorithm):
    body = json.loads(request_body(TOKEN, new_signer(algorithm)))
    key = parse_jwk(body["jwk"])

    assert body.keys() == {"token", "jwk", "signature"}
    key.verify(enrolment_input(TOKEN, body["jwk"]), base64url.decode(body["signature"]), algorithm)


def test_a_key_that_is_there_is_kept_by_its_absolute_path(place, tmp_path, monkeypatch):
    generate_file_key(tmp_path / "own.pem", "ES256")
    monkeypatch.chdir(tmp_path)

    assert open_or_make_key("file:own.pem", place)[0] == f"file:{tmp_path / 'own.pem'}"


def test_the_request_never_holds_the_private_key():
    assert "d" not in json.loads(request_body(TOKEN, SIGNER))["jwk"]


def test_whom_the_node_may_name_is_kept_and_forgotten_where_the_issuer_does_not_tell(place):
    names = ["acme", "did:web:acme.example"]
    for told, known in (({"tenants": names}, frozenset(names)), ({}, None)):
        node = enrol(ScriptedTransport(answer(NODE | told)), TOKEN, SIGNER)
        save_enrolment(place, node, issuer="https://issuer.example", key="file:/k")
        assert TenantNames(place.tenants_file, "node-7").known == known


def test_an_enrolled_node_comes_back():
    transport = ScriptedTransport(answer(NODE))
    node = enrol(transport, TOKEN, SIGNER)

    assert (node.node_id, node.tenant_id, node.grid_region) == ("node-7", "acme", "DEU")
    assert transport.posts[0][0] == "/api/v1/nodes/enrol"


def test_a_refusal_brings_the_issuers_reason():
    with pytest.raises(EnrolmentError, match="401: the invite token is unknown"):
        enrol(ScriptedTransport(problem(401, "Unauthorized", "the invite token is unknown")), TOKEN, SIGNER)


def test_a_reason_cannot_write_on_the_terminal():
    with pytest.raises(EnrolmentError, match=r"401: \?31mx\?$"):
        enrol(ScriptedTransport(problem(401, "Unauthorized", "\u009b31mx\u202e")), TOKEN, SIGNER)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"node": 1}', b'{"node_id": 7}', b'{"node_id": ""}', b'{"node_id": "\xc2\x9b2J"}']
)
def test_an_answer_of_something_else_is_no_enrolment(body):
    with pytest.raises(EnrolmentError, match="no enrolment"):
        read_answer(Answer(200, {}, body), SIGNER)


def test_a_node_registered_with_another_key_is_refused():
    with pytest.raises(EnrolmentError, match="another key"):
        read_answer(answer(NODE | {"key_uri": new_signer().public_key.thumbprint_uri}), SIGNER)


def test_an_issuer_that_is_not_there_says_so():
    with pytest.raises(NoAnswerError):
        enrol(ScriptedTransport(NoAnswerError("ConnectError")), TOKEN, SIGNER)


def test_a_missing_key_is_made_for_its_owner_alone(place):
    uri, signer = open_or_make_key(None, place)

    assert uri == f"file:{place.key_file}"
    assert signer.public_key.algorithms[0] == "ES256"
    assert stat.S_IMODE(place.key_file.stat().st_mode) == 0o600


def test_a_key_that_is_there_is_used_again(place):
    _, first = open_or_make_key(None, place)
    _, second = open_or_make_key(None, place)

    assert first.public_key == second.public_key


def test_a_key_can_be_named_and_is_made_where_it_is_missing(place, tmp_path):
    uri, signer = open_or_make_key(f"file:{tmp_path}/keys/n.pem", place, "EdDSA")

    assert uri == f"file:{tmp_path}/keys/n.pem"
    assert signer.public_key.algorithms == ("EdDSA",)
    assert not place.key_file.exists()


def test_a_key_behind_a_password_file_must_exist(place, tmp_path):
    with pytest.raises(SignerError):
        open_or_make_key(f"file:{tmp_path}/n.pem?password-file={tmp_path}/p", place)


def test_the_enrolment_is_kept_and_other_settings_with_it(place):
    config.save(place, {"slice_s": 60.0, "node_id": "old"})
    save_enrolment(place, EnrolledNode(node_id="node-7"), issuer="http://127.0.0.1:1", key="file:/k", development=True)
    settings = config.load({"GREEN_AGENT_HOME": str(place.folder)})

    assert (settings.node_id, settings.issuer, settings.key) == ("node-7", "http://127.0.0.1:1", "file:/k")
    assert (settings.slice_s, settings.development, settings.meter) == (60.0, True, "auto")


def test_a_home_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    place = home({"GREEN_AGENT_HOME": str(tmp_path / "file" / "agent")})

    with pytest.raises(SettingsError, match="file"):
        save_enrolment(place, EnrolledNode(node_id="n"), issuer="https://x.example", key="file:/k")
