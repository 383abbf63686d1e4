"""``green-verifier audit-bundle make --from-issuer`` against a service in a process of its own."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from schemas import times
from tests.fakes.issuer_server import Server, furnished
from tests.fakes.window_node import HEADERS, WindowNode
from verifier import cli

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service with three windows of node-7 that ended in the last minutes, and keys in files."""
    made = furnished(Server(tmp_path_factory.mktemp("server")))
    for name, whose in (("operator", ["--all-tenants"]), ("acme", ["--tenant", "acme"])):
        key = made.run("api-keys", "add", *whose, "--scope", "read")["key"]
        (made.folder / f"{name}.key").write_text(f"{key}\n")
    made.run("tenants", "add", "umbra", "--name", "Umbra")
    made.run("nodes", "tenants", "allow", "node-7", "umbra")
    made.start()
    node, nonces = WindowNode(), ()
    node.chain.wall_us = times.to_microseconds(datetime.now(UTC) - timedelta(minutes=5))
    for number in range(3):
        records = node.records(2)
        if number == 2:
            records[0] |= {"tenant_id": "umbra"}
        fresh = {"freshness": "nonce", "nonce": nonces[0]} if nonces else {}
        sent = httpx.post(f"{made.url}/api/v1/windows", content=node.zipped(records, **fresh), headers=HEADERS)
        assert sent.status_code == 201, sent.text
        nonces = sent.json()["nonces"]
    made.last_end_us = node.chain.wall_us
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.fixture
def make(server, tmp_path, monkeypatch):
    for name in ("SETTINGS", "POLICY", "DEVELOPMENT"):
        monkeypatch.delenv(f"GREEN_VERIFIER_{name}", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words, key="operator", node="node-7"):
        asked = ["--from-issuer", server.url, "--api-key-file", str(server.folder / f"{key}.key"), "--node", node]
        return cli.main(["audit-bundle", "make", *asked, "--development", "-o", "b.zip", *words])

    return run


def test_a_bundle_of_an_issuer_verifies_after_the_issuer_is_gone(server, make, capsys):
    assert make("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["windows"], told["left_out"], told["not_in_it"]) == (3, [], [])
    server.stop()
    try:
        verified = cli.main(["audit-bundle", "verify", "b.zip", "--trust-evidence", "--json"])
        report = json.loads(capsys.readouterr().out)
    finally:
        server.start()
    assert (verified, report["outcome"], report["windows"]["verified"]) == (0, "verified", 3), report
    assert report["nodes"][0]["records"] == 6


def test_receipts_and_credentials_are_packed_besides_the_issuers_windows(server, make, tmp_path, capsys):
    inside = {"Authorization": f"Bearer {(server.folder / 'operator.key').read_text().strip()}"}
    asked = {"params": {"tenant": "acme"}, "headers": inside}
    (tmp_path / "mine").mkdir()
    for name, path in (("receipt", "receipt/inference-0"), ("credential", "certificate/inference-1/vc")):
        answer = httpx.get(f"{server.url}/api/v1/{path}", **asked)
        assert answer.status_code == 200, answer.text
        (tmp_path / "mine" / f"{name}.json").write_bytes(answer.content)
    words = ("--include", "mine/receipt.json", "--include", "mine/credential.json")
    assert make(*words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["windows"], told["left_out"]) == (3, [])
    assert cli.main(["audit-bundle", "verify", "b.zip", "--trust-evidence", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["receipts"]["verified"], report["credentials"]["verified"]) == (2, 1), report


def test_a_period_is_taken_in_dates_and_times(server, make, capsys):
    end = times.from_microseconds(server.last_end_us)
    since = (end - timedelta(seconds=15)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert make("--from", since, "--to", (end + timedelta(days=2)).strftime("%Y-%m-%d")) == 0
    assert "2 of them windows" in capsys.readouterr().out


def test_a_tenants_key_is_told_whom_to_ask(make, tmp_path, capsys):
    assert make(key="acme") == 1
    told = capsys.readouterr().err
    assert "403" in told
    assert "ask the operator" in told
    assert not (tmp_path / "b.zip").exists()


def test_what_the_issuer_does_not_know_is_told_in_its_words(make, capsys):
    assert make(node="node-9") == 1
    assert "no node 'node-9'" in capsys.readouterr().err
    assert make("--from", "2031-01-01") == 64
    assert "no window of node-7" in capsys.readouterr().err


def test_an_unknown_key_is_refused_and_never_shown(server, make, capsys):
    secret = "gck_" + "A" * 43
    (server.folder / "wrong.key").write_text(secret)
    assert make("--json", key="wrong") == 1
    out, err = capsys.readouterr()
    assert "401" in err
    assert secret not in out + err


def test_this_machine_is_asked_only_in_development(server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = ["--from-issuer", server.url, "--api-key-file", str(server.folder / "operator.key"), "--node", "node-7"]
    assert cli.main(["audit-bundle", "make", *asked, "--out", "b.zip"]) == 64
    assert "https" in capsys.readouterr().err
