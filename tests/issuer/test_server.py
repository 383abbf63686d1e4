"""The real thing: green-issuer serve in a process of its own, spoken to over loopback."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from did.documents import parse_document
from issuer.enrolment import enrolment_input
from schemas import base64url, strict_json
from schemas import status as status_format
from tests.fakes.eventually import eventually
from tests.fakes.issuer import node_signer
from tests.fakes.issuer_server import START_TIMEOUT_S, Server, fresh_record, furnished, post
from verifier.http.server import why_not_free
from verifier.rdf.canonicalize import InProcess
from verifier.suites import json_web_signature_2020

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = furnished(Server(tmp_path_factory.mktemp("server")))
    made.start()
    yield made
    if made.process.poll() is None:
        made.stop()


def test_a_record_becomes_a_credential_whose_proof_the_published_key_verifies(server):
    answer = post(server, fresh_record("served-1"))
    assert answer.status_code == 201, answer.text
    document = strict_json.parse_object(answer.content)
    published = httpx.get(f"{server.url}/.well-known/did.json").json()
    did = parse_document(published, document["issuer"])
    key = did.key_for(document["proof"]["verificationMethod"], "assertionMethod").key
    json_web_signature_2020.verify_proof(document, document["proof"], key, InProcess())


def test_the_same_record_from_many_at_once_gets_one_credential(server):
    record = fresh_record("served-many")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(server, record), range(16)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.content for answer in answers}) == 1


def test_the_command_line_revokes_while_the_service_runs(server):
    credential = post(server, fresh_record("served-revoked")).json()
    entry = credential["credentialStatus"]

    def revoked():
        document = httpx.get(entry["statusListCredential"]).json()
        bits = status_format.decode_list(document["credentialSubject"]["encodedList"])
        return status_format.get(bits, int(entry["statusListIndex"]))

    assert not revoked()
    assert server.run("revoke", "served-revoked", "--tenant", "acme", "--reason", "test")["changed"] is True
    assert revoked()
    assert server.run("revoke", credential["id"])["changed"] is False


def test_the_command_line_suspends_and_reinstates(server):
    credential = post(server, fresh_record("served-suspended")).json()
    assert server.run("suspend", credential["id"])["changed"] is True
    listed = server.run("certificates", "list", "--tenant", "acme")["items"]
    assert {item["inference_id"]: item["status"] for item in listed}["served-suspended"] == "suspended"
    assert server.run("reinstate", "served-suspended", "--tenant", "acme")["changed"] is True


def test_an_api_key_made_meanwhile_works_at_once(server):
    post(server, fresh_record("served-read"))
    made = server.run("api-keys", "add", "--tenant", "acme", "--scope", "read")
    headers = {"authorization": f"Bearer {made['key']}"}
    page = httpx.get(f"{server.url}/api/v1/certificates", headers=headers).json()
    assert "served-read" in {item["inference_id"] for item in page["items"]}
    export = httpx.get(f"{server.url}/api/v1/compliance/export", headers=headers)
    assert "served-read" in export.text
    server.run("api-keys", "revoke", made["id"])
    assert httpx.get(f"{server.url}/api/v1/certificates", headers=headers).status_code == 401
    assert made["key"] not in server.log()


def test_a_rotated_key_signs_at_once_and_the_old_one_stays_published(server):
    before = post(server, fresh_record("served-before")).json()
    rotated = server.run("keys", "rotate")
    after = post(server, fresh_record("served-after")).json()
    assert after["proof"]["verificationMethod"] == rotated["verification_method"]
    published = httpx.get(f"{server.url}/.well-known/did.json").json()
    did = parse_document(published, after["issuer"])
    for credential in (before, after):
        key = did.key_for(credential["proof"]["verificationMethod"], "assertionMethod").key
        json_web_signature_2020.verify_proof(credential, credential["proof"], key, InProcess())


def test_a_node_enrols_by_an_invitation_of_the_command_line(server):
    invited = server.run("nodes", "invite", "node-30", "--tenant", "acme", "--region", "CAMX", "--tdp-w", "700")
    signer = node_signer(30)
    jwk = {**signer.public_key.jwk}
    signature = base64url.encode(signer.sign(enrolment_input(invited["token"], jwk), "ES256"))
    answer = httpx.post(
        f"{server.url}/api/v1/nodes/enrol", json={"token": invited["token"], "jwk": jwk, "signature": signature}
    )
    assert answer.status_code == 201
    assert invited["token"] not in server.log()


def test_a_chunked_body_past_the_cap_is_cut(server):
    def endless():
        for _ in range(3000):
            yield b" " * 4096

    with contextlib.suppress(httpx.WriteError, httpx.RemoteProtocolError):
        answer = httpx.post(
            f"{server.url}/api/v1/telemetry", content=endless(), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_a_connection_that_ends_with_a_body_too_large_says_so(server):
    head = f"POST /api/v1/telemetry HTTP/1.1\r\nhost: localhost:{server.port}\r\ncontent-type: application/json\r\n"
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = server.raw(head.encode() + b"transfer-encoding: chunked\r\n\r\n" + chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_gzip_bomb_is_refused_unread(server):
    bomb = gzip.compress(b"0" * 10_000_000)
    answer = post(server, bomb, **{"content-encoding": "gzip"})
    assert answer.status_code == 415


def _request(server, *lines, method="GET", path="/healthz", host=True):
    hosts = [f"Host: localhost:{server.port}"] if host else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", *hosts, *lines, "Connection: close", "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("lines", "statuses"),
    [
        (["Host: evil.example"], {400}),
        ([f"X-{n}: y" for n in range(200)], {431, 400}),
        (["X-Large: " + "y" * 60_000], {431, 400}),
        (["X-Large: " + "y" * 200_000], {431, 400}),
    ],
    ids=["two hosts", "200 headers", "60 KB of header", "200 KB of header"],
)
def test_a_malformed_request_is_refused(server, lines, statuses):
    answer = server.raw(_request(server, *lines))
    assert int(answer.split()[1]) in statuses


def test_a_request_without_a_host_is_refused(server):
    assert int(server.raw(_request(server, host=False)).split()[1]) == 400


def test_a_length_beside_chunks_is_not_seen_and_what_follows_is_not_answered(server):
    # What the proxy has to refuse: the length is gone before our code sees the request.
    lines = ["Content-Type: application/json", "Content-Length: 5", "Transfer-Encoding: chunked"]
    first = _request(server, *lines, method="POST", path="/api/v1/telemetry").replace(b"Connection: close\r\n", b"")
    answer = server.raw(first + b"2\r\n{}\r\n0\r\n\r\n" + _request(server), timeout_s=2.0)
    assert int(answer.split()[1]) == 400
    assert b"SCHEMA_INVALID" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_head_is_answered_without_a_body(server):
    whole = httpx.get(f"{server.url}/.well-known/did.json")
    answer = server.raw(_request(server, method="HEAD", path="/.well-known/did.json"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert f"content-length: {len(whole.content)}".encode() in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


def test_a_slow_body_is_given_up(server):
    head = _request(
        server, "Content-Type: application/json", "Content-Length: 100", method="POST", path="/api/v1/telemetry"
    )
    answer = server.raw(head + b"{", timeout_s=5.0)
    assert int(answer.split()[1]) == 408
    assert b"BODY_TIMEOUT" in answer


def test_a_percent_encoded_slash_or_dot_leads_nowhere(server):
    for path in (
        "/issuers/%2e%2e/did.json",
        "/issuers/a%2Fb/did.json",
        "/evidence/..%2f..%2fetc%2fpasswd",
        "/%00",
        "/%ff",
    ):
        assert int(server.raw(_request(server, path=path)).split()[1]) in {400, 404}, path


def test_another_http_method_is_refused(server):
    for method in ("TRACE", "PUT", "OPTIONS", "BREW"):
        assert int(server.raw(_request(server, method=method)).split()[1]) in {400, 405}, method


def test_what_was_issued_is_there_after_a_restart(server):
    record = fresh_record("served-restart")
    first = post(server, record)
    assert server.stop() == 0
    server.start()
    again = post(server, record)
    assert again.status_code == 200
    assert again.content == first.content


def test_a_port_that_is_taken_is_named(server, tmp_path):
    command = [sys.executable, "-m", "issuer.cli", "serve", "--port", str(server.port)]
    done = subprocess.run(
        command, env=server.environment, cwd=tmp_path, capture_output=True, check=False, timeout=START_TIMEOUT_S
    )
    assert done.returncode == 1
    assert f"port {server.port}" in done.stderr.decode()


def test_a_key_that_others_can_read_keeps_the_service_from_starting(tmp_path):
    broken = Server(tmp_path)
    broken.run("init", "--public-url", broken.url, "--development")
    for key in (tmp_path / "data" / "keys").glob("*.pem"):
        key.chmod(0o644)
    command = [sys.executable, "-m", "issuer.cli", "serve", "--port", str(broken.port)]
    done = subprocess.run(command, env=broken.environment, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert b"chmod 600" in done.stderr


@pytest.mark.postgres
def test_several_workers_on_postgresql_give_one_credential(site_postgres, tmp_path):
    several = Server(tmp_path, workers="2", database_url=site_postgres.create("several_workers"))
    furnished(several).start()
    try:
        record = fresh_record("served-by-two")
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: post(several, record), range(24)))
        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len({answer.content for answer in answers}) == 1
    finally:
        assert several.stop() == 0
    assert several.log().count('"issuer started"') == 2


def test_a_worker_does_not_outlive_the_first_process_that_was_killed(tmp_path):
    killed = furnished(Server(tmp_path))
    killed.start()
    killed.process.kill()
    killed.process.wait(timeout=10)

    assert eventually(lambda: why_not_free("127.0.0.1", killed.port) is None, within_s=10)
