"""The verifier's programs against real sockets on loopback: an issuer's host, the command line, the service."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from did.documents import PublishedKey
from tests.fakes.ports import free_port
from tests.fakes.verifier import NOW, Signatory, World, presentation, signer
from tests.fakes.verifier_program import VerifierProgram, exchange, request
from tests.vectors import ROOT
from verifier import cli, folder

pytestmark = pytest.mark.network
PRESENTATIONS = "/presentations/verify"


@pytest.fixture
def world():
    """A world whose issuer is served on loopback, as ``did:web:localhost%3A{port}``."""
    port = free_port()
    built = World(issuer=Signatory(signer(1), f"did:web:localhost%3A{port}"), base=f"http://localhost:{port}")
    served = {url.removeprefix(built.base): body for url, body in built.served().items()}

    class Host(BaseHTTPRequestHandler):
        def do_GET(self):
            body = served.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    built.served_bytes = served
    yield built
    server.shutdown()
    server.server_close()


def test_the_command_line_fetches_verifies_saves_and_replays(world, tmp_path, capsysbinary):
    file, kept = tmp_path / "credential.json", tmp_path / "kept"
    file.write_text(json.dumps(world.credential()))
    at = ["--at", "2026-11-20T21:00:00Z", "--json"]
    assert cli.main(["verify", str(file), "--development", "--save-evidence", str(kept), *at]) == 0
    online = json.loads(capsysbinary.readouterr().out)
    assert {used["origin"] for used in online["evidence"]} == {"network"}
    assert len(online["evidence"]) == 5
    offline = ["verify", str(file), "--offline", "--evidence", str(kept), "--trust-evidence", *at]
    assert cli.main(offline) == 0
    replayed = json.loads(capsysbinary.readouterr().out)
    assert [used["digest"] for used in replayed["evidence"] if used["url"].startswith("http")][:1]
    assert replayed["subject"] == online["subject"]


def test_without_the_development_setting_this_machine_is_out_of_reach(world, tmp_path, capsysbinary):
    file = tmp_path / "credential.json"
    file.write_text(json.dumps(world.credential()))
    assert cli.main(["verify", str(file), "--json"]) == 1
    assert json.loads(capsysbinary.readouterr().out)["problem"] == "FETCH_BLOCKED"


def test_a_credential_is_read_from_a_url(world, capsys):
    world.served_bytes["/credential"] = json.dumps(world.credential()).encode()
    assert cli.main(["verify", f"{world.base}/credential", "--development", "--at", "2026-11-20T21:00:00Z"]) == 0


@pytest.fixture
def service(tmp_path):
    """A running ``green-verifier serve`` in development; its base URL."""
    port = free_port()
    environment = {**os.environ, "GREEN_VERIFIER_DEVELOPMENT": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "verifier", "serve", "--port", str(port)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as run,
    ):
        try:
            yield _ready(f"http://127.0.0.1:{port}", run, tmp_path / "log")
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(timeout=20)


def _ready(url, run, log):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if run.poll() is not None:
            pytest.fail(log.read_text())
        try:
            httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return url
    pytest.fail("the service did not start")


def test_the_service_verifies_over_a_real_socket_and_survives_what_it_is_sent(service, world):
    # The fixed world lies in the past of the machine's clock or in its future: the check of time says so.
    with httpx.Client(base_url=service, trust_env=False) as client:
        answer = client.post("/credentials/verify", json={"verifiableCredential": world.credential()})
        report = answer.json()["report"]
        results = {check["step"]: check["result"] for check in report["checks"]}
        assert results["proof"] == "passed"
        assert results["status"] in {"passed", "failed"}
        assert client.get("/").headers["content-type"].startswith("text/html")
        assert client.get("/page.js").status_code == 200
        deep = client.post("/credentials/verify", content=b"[" * 200_000, headers={"content-type": "application/json"})
        assert deep.status_code == 413
        assert client.get("/healthz", headers={"x-large": "x" * 50_000}).status_code == 431
        assert client.get("/credentials%2Fverify").status_code in {404, 405}
        assert client.get("/healthz").json() == {"status": "ok"}


def test_online_an_old_status_list_of_a_folder_does_not_count(world, tmp_path, capsysbinary):
    revoked = World(issuer=world.issuer, base=world.base, record=world.record, bits={"revocation": {94568}})
    folder.save(world.evidence(), tmp_path / "old")
    world.served_bytes |= {url.removeprefix(world.base): body for url, body in revoked.served().items()}
    (tmp_path / "credential.json").write_text(json.dumps(world.credential()))
    arguments = [str(tmp_path / "credential.json"), "--evidence", str(tmp_path / "old"), "--json"]
    assert cli.main(["verify", *arguments, "--development"]) == 1
    report = json.loads(capsysbinary.readouterr().out)
    assert report["problem"] in {"REVOKED", "NOT_YET_VALID"}
    assert {used["origin"] for used in report["evidence"] if "status" in used["url"]} == {"network"}


def pinned(world, tmp_path, *options):
    """Verify the credential online, with the issuer's old DID document in a folder and its key pinned."""
    did_document = json.dumps(world.issuer.document())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "did.json").write_text(did_document)
    (tmp_path / "credential.json").write_text(json.dumps(world.credential()))
    pin = {"pinned_keys": {world.issuer.did: [world.issuer.key.public_key.thumbprint_uri]}}
    (tmp_path / "policy.json").write_text(json.dumps(pin))
    arguments = [str(tmp_path / "credential.json"), "--evidence", str(tmp_path / "old"), "--json", "--no-state"]
    at = ["--at", "2026-11-20T21:00:00Z"]
    return cli.main(["verify", *arguments, "--policy", str(tmp_path / "policy.json"), "--development", *at, *options])


def test_online_a_pinned_document_of_a_folder_does_not_hide_that_its_key_was_revoked(world, tmp_path, capsysbinary):
    key = PublishedKey("key-1", world.issuer.key.public_key, "revoked", revoked=NOW)
    world.served_bytes["/.well-known/did.json"] = json.dumps(world.issuer.document(key)).encode()
    assert pinned(world, tmp_path) == 1
    assert json.loads(capsysbinary.readouterr().out)["problem"] == "KEY_REVOKED"


def test_a_pinned_document_of_a_folder_stands_in_where_the_hosts_cannot_be_had(world, tmp_path, capsysbinary):
    del world.served_bytes["/.well-known/did.json"]
    assert pinned(world, tmp_path) == 0
    report = json.loads(capsysbinary.readouterr().out)
    (check,) = [check for check in report["checks"] if check["step"] == "issuer-key"]
    assert (check["result"], check["problem"]) == ("warning", "EVIDENCE_FROM_FOLDER")


@pytest.fixture
def two_processes(monkeypatch):
    monkeypatch.setenv("GREEN_VERIFIER_PROCESSES", "2")


def test_the_processes_of_a_service_share_its_challenges(two_processes, service, world):
    # By the fixed world's dates the rest may be refused: the step challenge says what it has found all the same.
    found = []
    for _ in range(4):
        given = httpx.post(f"{service}/challenges", trust_env=False).json()["challenge"]
        shown = presentation(world.credential(), challenge=given)
        body = {"verifiablePresentation": shown, "options": {"challenge": given}}
        for _ in range(4):
            answer = httpx.post(f"{service}/presentations/verify", json=body, timeout=30, trust_env=False).json()
            (check,) = [check for check in answer["report"]["checks"] if check["step"] == "challenge"]
            found.append(check.get("problem", check["result"]))
    assert found == ["passed", "REPLAY", "REPLAY", "REPLAY"] * 4


def test_a_second_service_on_the_same_port_does_not_start(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--port", str(port)]) == cli.USAGE
    assert f"port {port}" in capsys.readouterr().err


def test_a_policy_that_the_settings_file_names_is_in_force_in_the_service(tmp_path, world):
    (tmp_path / "policy.toml").write_text("require_trusted_issuer = true\n")
    (tmp_path / "verifier.toml").write_text(f'policy = "{tmp_path}/policy.toml"\ndevelopment = true\n')
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "verifier",
        "serve",
        "--port",
        str(port),
        "--settings",
        str(tmp_path / "verifier.toml"),
    ]
    run = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _ready(f"http://127.0.0.1:{port}", run, tmp_path / "none")
        answer = httpx.post(
            f"http://127.0.0.1:{port}/credentials/verify",
            json={"verifiableCredential": world.credential()},
            timeout=30,
            trust_env=False,
        )
    finally:
        run.terminate()
        run.wait(15)
    assert answer.status_code == 400
    checks = {check["step"]: check["result"] for check in answer.json()["report"]["checks"]}
    assert checks["trusted-issuer"] == "failed"


def resident_peak_mb(process):
    """Return the most memory that the service's process has had, in MB."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    status = [Path(f"/proc/{child}/status").read_text() for child in children]
    return max(int(text.partition("VmHWM:")[2].split()[0]) for text in status if "VmHWM:" in text) / 1000


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_a_flood_of_large_documents_is_shed_and_takes_no_more_memory_than_is_set(tmp_path):
    # Wide characters: each of the 16 MB becomes four bytes of text and four of a value.
    strings = b",".join([b'"' + "\U0001f600".encode() + b"a" * 500_000 + b'"'] * 33)
    body = b'{"verifiablePresentation":{"type":"VerifiablePresentation","a":[' + strings + b"]}}"
    head = request(
        "Content-Type: application/json", f"Content-Length: {len(body)}", method="POST", target=PRESENTATIONS
    )
    program = VerifierProgram(tmp_path)
    try:
        with ThreadPoolExecutor(16) as pool:
            answers = [*pool.map(lambda _: exchange(program.port, head, body, timeout_s=60.0), range(16))]
            health = exchange(program.port, request())
        peak_mb = resident_peak_mb(program.process)
    finally:
        program.stop()
    statuses = [status for answer in answers for status in answer.statuses]
    assert set(statuses) <= {400, 503}
    assert 400 in statuses
    assert health.statuses == [200]
    assert peak_mb < 400
    assert "Traceback" not in program.log()
