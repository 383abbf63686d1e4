"""``green-agent enroll --key tpm:…`` as a user calls it: a real TPM emulator, a real issuer, and what goes wrong."""

import json
import tomllib

import pytest

from agent.windows.spool import measuring
from tests.fakes.issuer_server import Server
from tests.whole_way.parties import NODE_ID, OWN, Issuer, Node


@pytest.fixture(scope="module")
def issuer(tmp_path_factory, manufactured):
    """An issuer that trusts the emulator's maker."""
    running = Issuer(tmp_path_factory.mktemp("issuer") / "of", manufactured.parent / "ca")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An issuer that trusts no emulator."""
    server = Server(tmp_path_factory.mktemp("stranger"))
    server.run("init", "--public-url", server.url, "--development")
    server.run("tenants", "add", OWN, "--name", "Acme")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def node(tmp_path, swtpm):
    return Node(tmp_path / "home", swtpm.uri, 1.0)


def test_a_node_is_enrolled_with_its_tpm_and_told_what_is_next(issuer, node):
    done = node.enrol(issuer.url, issuer.invite())

    assert done.returncode == 0, done.stderr
    said = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert NODE_ID in said["node"]
    assert OWN in said["node"]
    assert "tpm-emulated" in said["TPM"]
    assert "SIMULATED" in said["meter"]
    assert said["next"].endswith("green-agent daemon")
    kept = tomllib.loads((node.folder / "agent.toml").read_text())
    assert kept == {
        "issuer": issuer.url,
        "node_id": NODE_ID,
        "window_signer": "tpm",
        "tpm": node.tpm,
        "development": True,
        "meter": "simulator",
    }


def test_the_same_tpm_enrols_again_and_a_program_reads_the_answer(issuer, node):
    done = node.run(
        "enroll", "--issuer", issuer.url, "--development", "--token", issuer.invite(), "--key", node.tpm, "--json"
    )
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert (first["node_id"], first["attestation"], first["next_sequence"]) == (NODE_ID, "tpm-emulated", 0)
    assert len(first["nonces"]) > 0


def test_enrolling_again_with_the_same_token_and_key_is_safe(issuer, node):
    token = issuer.invite()
    assert node.enrol(issuer.url, token).returncode == 0
    before = (node.folder / "ak.json").read_bytes()
    again = node.enrol(issuer.url, token)

    assert again.returncode == 0, again.stderr
    assert (node.folder / "ak.json").read_bytes() == before


def test_a_token_opens_once_for_another_key(issuer, node, tmp_path):
    token = issuer.invite()
    assert node.enrol(issuer.url, token).returncode == 0
    other = Node(tmp_path / "other", node.tpm, 1.0)
    again = other.enrol(issuer.url, token)

    assert again.returncode == 1
    assert "the invite token is unknown, used or expired; ask for a new one" in again.stderr
    assert not list(other.folder.glob("ak.json*"))


@pytest.mark.parametrize("token", ["gci_" + "A" * 43, "nonsense", ""])
def test_a_wrong_token_is_refused_and_nothing_is_left(issuer, node, token):
    done = node.enrol(issuer.url, token)

    assert done.returncode == 1
    assert "invite token" in done.stderr
    assert not (node.folder / "agent.toml").exists()
    assert not list(node.folder.glob("ak.json*"))


@pytest.mark.parametrize("place", ["tpm:unix:/nowhere/tpm", "tpm:/dev/no-tpm"])
def test_without_a_tpm_the_message_names_what_was_looked_for(issuer, node, place):
    node.tpm = place
    done = node.enrol(issuer.url, "gci_" + "A" * 43)

    assert done.returncode == 1
    assert place.removeprefix("tpm:").removeprefix("unix:") in done.stderr
    assert not (node.folder / "agent.toml").exists()


def test_an_address_that_means_nothing_is_wrong_usage(issuer, node):
    node.tpm = "tpm:tcp:example.com:2321"
    done = node.enrol(issuer.url, "gci_" + "A" * 43)

    assert done.returncode == 64
    assert "loopback" in done.stderr


def test_a_maker_that_is_not_trusted_is_refused_with_the_operators_command(stranger, node):
    invited = stranger.run("nodes", "invite", NODE_ID, "--tenant", OWN, "--region", "DEU", "--tdp-w", "700")
    done = node.enrol(stranger.url, invited["token"])

    assert done.returncode == 1
    assert "green-issuer trust tpm" in done.stderr
    assert not (node.folder / "agent.toml").exists()
    # The token was not used up: once the operator has added the maker, it opens.
    shown = stranger.run("nodes", "invitations", "list")
    assert [one["node_id"] for one in shown] == [NODE_ID]


def test_an_issuer_that_is_away_is_told(node):
    done = node.enrol("http://localhost:9", "gci_" + "A" * 43)

    assert done.returncode == 1
    assert "localhost:9" in done.stderr
    assert not list(node.folder.glob("ak.json*"))


def test_a_node_is_not_enrolled_again_while_its_daemon_runs(issuer, node):
    assert node.enrol(issuer.url, issuer.invite()).returncode == 0
    head = (node.folder / "windows" / "head").read_bytes()
    with measuring(node.folder / "windows"):
        done = node.enrol(issuer.url, issuer.invite())

    assert done.returncode == 64
    assert "stop it, enroll, start it again" in done.stderr
    assert (node.folder / "windows" / "head").read_bytes() == head
