"""The command line, from an empty folder."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shlex
import sqlite3
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from did.signers import generate_file_key
from issuer.cli.key_files import new_key
from issuer.cli.output import Answer, table
from issuer.cli.program import parser
from issuer.command import main
from schemas import times
from tests.fakes.issuer import node_signer
from tests.fakes.ports import free_port

ADDRESS = "http://localhost:8080"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command on the test's own data folder; returns exit code, standard output and error."""
    for variable in ("GREEN_ISSUER_CONFIG", "GREEN_ISSUER_PUBLIC_URL", "GREEN_ISSUER_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GREEN_ISSUER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*words):
        try:
            code = main(list(words))
        except SystemExit as exit_:
            code = exit_.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def issuer(run):
    """The same, on a folder in which there is an issuer with the tenant acme."""
    assert run("init", "--public-url", ADDRESS, "--development", "--name", "Test")[0] == 0
    assert run("tenants", "add", "acme", "--name", "Acme")[0] == 0
    return run


def _json(result):
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_init_makes_an_issuer_and_says_what_comes_next(run, tmp_path):
    code, out, _ = run("init", "--public-url", ADDRESS, "--development")
    assert code == 0
    assert "did:web:localhost%3A8080" in out
    assert "green-issuer serve" in out
    data = tmp_path / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for private in (data / "issuer.db", data / "issuer.toml", *(data / "keys").glob("*.pem")):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert len(list((data / "keys").glob("*.pem"))) == 1


def test_init_again_changes_nothing(issuer):
    first = _json(issuer("keys", "list", "--json"))
    assert issuer("init")[0] == 0
    assert _json(issuer("keys", "list", "--json")) == first


def test_init_refuses_to_change_an_identity(issuer):
    code, _, err = issuer("init", "--public-url", "http://localhost:9999", "--development")
    assert code == 1
    assert "did:web:localhost%3A8080" in err


@pytest.mark.parametrize(
    "words",
    [
        ["init"],
        ["init", "--public-url", ADDRESS],
        ["init", "--public-url", "https://10.0.0.1"],
        ["init", "--public-url", "issuer.example"],
    ],
)
def test_init_without_a_public_url_of_its_own_says_what_to_do(run, words):
    code, out, err = run(*words)
    assert code == 1
    assert out == ""
    assert "public_url" in err


def test_init_refuses_a_folder_that_others_may_enter(run, tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    code, _, err = run("init", "--public-url", ADDRESS, "--development")
    assert code == 1
    assert "chmod 700" in err


@pytest.mark.parametrize(
    "words", [["keys", "list"], ["tenants", "list"], ["serve"], ["db", "upgrade"], ["revoke", "x"]]
)
def test_without_an_issuer_every_command_says_to_run_init(run, monkeypatch, words):
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", "https://issuer.example")
    code, _, err = run(*words)
    assert code == 1
    assert "green-issuer init" in err


def test_a_folder_without_an_issuer_is_named_and_not_its_missing_public_url(run, tmp_path):
    for words in (["serve"], ["tenants", "list"]):
        code, _, err = run(*words, "--data-dir", str(tmp_path / "nope"))
        assert code == 1
        assert f"there is no issuer in {tmp_path / 'nope'}; run green-issuer init" in err
        assert "public_url" not in err


def test_an_upgrade_may_be_run_again(issuer):
    assert _json(issuer("db", "upgrade", "--json")) == {"upgraded": True}
    assert issuer("db", "upgrade")[0] == 0


def test_rotating_retires_the_key_before_and_keeps_it(issuer):
    [first] = _json(issuer("keys", "list", "--json"))
    rotated = _json(issuer("keys", "rotate", "--algorithm", "EdDSA", "--json"))
    keys = {key["key_id"]: key["state"] for key in _json(issuer("keys", "list", "--json"))}
    assert keys[first["key_id"]] == "retired"
    assert keys[rotated["verification_method"].rpartition("#")[2]] == "active"
    assert rotated["algorithm"] == "EdDSA"


def test_a_key_of_ones_own_can_be_brought(issuer, tmp_path):
    signer = generate_file_key(tmp_path / "own.pem", "ES384")
    rotated = _json(issuer("keys", "rotate", "--key-uri", f"file:{tmp_path / 'own.pem'}", "--json"))
    assert rotated["algorithm"] == "ES384"
    assert rotated["verification_method"].endswith(signer.public_key.thumbprint_uri.rpartition(":")[2])


def test_a_key_named_by_a_relative_path_opens_from_every_folder(issuer, tmp_path, monkeypatch):
    generate_file_key(tmp_path / "own.pem", "ES384")
    rotated = _json(issuer("keys", "rotate", "--key-uri", "file:own.pem", "--json"))
    assert rotated["uri"] == f"file:{tmp_path / 'own.pem'}"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert issuer("init")[0] == 0


def test_an_rsa_key_is_asked_for_by_the_algorithm_that_signs_credentials(issuer, capsys):
    assert _json(issuer("keys", "rotate", "--algorithm", "PS256", "--json"))["algorithm"] == "PS256"
    for words in (("init",), ("keys", "rotate"), ("issuers", "add", "x", "--name", "x")):
        assert issuer(*words, "--algorithm", "RS256")[0] == 64
        assert "compact certificates with RS256" in " ".join(issuer(*words, "--help")[1].split())


def test_a_key_that_others_can_read_is_refused(issuer, tmp_path):
    generate_file_key(tmp_path / "own.pem", "ES256")
    (tmp_path / "own.pem").chmod(0o644)
    code, _, err = issuer("keys", "rotate", "--key-uri", f"file:{tmp_path / 'own.pem'}")
    assert code == 1
    assert "chmod 600" in err
    assert len(_json(issuer("keys", "list", "--json"))) == 1


def test_a_revoked_key_signs_no_more_and_stays_listed(issuer):
    [key] = _json(issuer("keys", "list", "--json"))
    code, out, _ = issuer("keys", "revoke", key["key_id"])
    assert code == 0
    assert "green-issuer keys rotate" in out
    assert _json(issuer("keys", "list", "--json"))[0]["state"] == "revoked"
    assert _json(issuer("keys", "revoke", key["key_id"], "--json"))["changed"] is False


@pytest.mark.parametrize("start", ["-", "--", "-_", "_"])
def test_a_key_id_that_looks_like_an_option_is_a_key_id(issuer, start):
    known = start + "A" * (43 - len(start))
    code, _, err = issuer("keys", "revoke", known)
    assert code == 1
    assert f"{known!r}" in err


def test_a_word_that_is_no_key_id_is_still_an_option(issuer):
    assert issuer("keys", "revoke", "--colour")[0] == 64
    assert issuer("keys", "revoke", "-" + "A" * 41)[0] == 64


def test_no_new_keys_id_begins_like_an_option(tmp_path):
    # One thumbprint in 32 would.
    keys = [new_key(tmp_path, "root", "EdDSA", None) for _ in range(150)]
    assert not [key.key_id for key in keys if key.key_id[0] in "-_"]
    assert len({*tmp_path.iterdir()}) == 150


def test_an_unknown_key_cannot_be_revoked(issuer):
    code, _, err = issuer("keys", "revoke", "nothing")
    assert code == 1
    assert "nothing" in err


def test_a_second_issuer_has_a_did_and_a_key_of_its_own(issuer):
    added = _json(issuer("issuers", "add", "berlin", "--name", "Berlin", "--json"))
    assert added["did"] == "did:web:localhost%3A8080:issuers:berlin"
    assert len(_json(issuer("keys", "list", "--issuer", "berlin", "--json"))) == 1
    assert [item["slug"] for item in _json(issuer("issuers", "list", "--json"))] == ["berlin", "root"]


def test_a_tenant_may_be_named_by_a_did(issuer):
    added = _json(issuer("tenants", "add", "umbra", "--name", "Umbra", "--subject", "did:web:umbra.example", "--json"))
    assert added == {"id": "umbra", "name": "Umbra", "subject": "did:web:umbra.example", "issuer": "root"}
    assert [item["id"] for item in _json(issuer("tenants", "list", "--json"))] == ["acme", "umbra"]


def test_a_tenant_gets_another_subject_and_keeps_its_name(issuer):
    did = "did:key:zDnaeVfMTW2FXNunxZaGLTQqg8q28KdNX31teQHFicGGwnQWS"
    changed = _json(issuer("tenants", "set", "acme", "--subject", did, "--json"))
    assert changed == {"id": "acme", "name": "Acme", "subject": did, "issuer": "root"}
    assert _json(issuer("tenants", "set", "acme", "--name", "Acme GmbH", "--json"))["subject"] == did
    assert _json(issuer("tenants", "list", "--json")) == [changed | {"name": "Acme GmbH"}]


@pytest.mark.parametrize(("words", "said"), [(["acme"], "--subject"), (["nobody", "--name", "x"], "nobody")])
def test_a_tenant_change_that_cannot_be_says_why(issuer, words, said):
    code, _, err = issuer("tenants", "set", *words)
    assert code == 1
    assert said in err


def test_the_tenant_of_the_examples_is_one_that_a_wallet_can_hold():
    for words in ("tenants add", "tenants set"):
        assert "--subject did:key:" in LEAVES[words].epilog


def test_closing_the_status_lists_after_a_restore_closes_each_issuers_and_may_be_repeated(issuer, tmp_path):
    _json(issuer("issuers", "add", "berlin", "--name", "Berlin", "--json"))
    _open_list(tmp_path / "data" / "issuer.db", "root")
    closed = _json(issuer("status", "close-lists", "--json"))
    assert closed == [{"issuer": "berlin", "closed": 0}, {"issuer": "root", "closed": 1}]
    again = _json(issuer("status", "close-lists", "--issuer", "root", "--json"))
    assert again == [{"issuer": "root", "closed": 0}]
    code, _, err = issuer("status", "close-lists", "--issuer", "nobody")
    assert code == 1
    assert "nobody" in err


def _open_list(database, issuer_slug):
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO status_list (id, issuer_slug, number, size, capacity, allocated, version, created_us, changed_us)"
            " VALUES ('a', ?, 1, 131072, 65536, 1, 0, 1, 1)",
            (issuer_slug,),
        )


DETAILS = ("--region", "DEU", "--tdp-w", "700")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tenants", "add", "acme", "--name", "x"), "there is a tenant 'acme' already; see green-issuer tenants list"),
        (("issuers", "add", "root", "--name", "x"), "there is an issuer 'root' already; see green-issuer issuers list"),
        (("tenants", "add", "x", "--name", "x", "--issuer", "no"), "no issuer 'no'; see green-issuer issuers list"),
        (("tenants", "set", "no", "--name", "x"), "no tenant 'no'; see green-issuer tenants list"),
        (("nodes", "invite", "n", "--tenant", "no", *DETAILS), "no tenant 'no'; see green-issuer tenants list"),
        (("api-keys", "add", "--tenant", "no"), "no tenant 'no'; see green-issuer tenants list"),
    ],
)
def test_what_is_missing_or_there_already_is_named_with_the_command_that_lists_it(issuer, words, said):
    code, _, err = issuer(*words)
    assert code == 1
    assert said in err


def test_a_node_or_a_key_that_is_registered_already_is_named(issuer, tmp_path):
    _json(_add_node(issuer, tmp_path))
    assert "there is a node 'node-7' already" in _add_node(issuer, tmp_path)[2]
    assert "there is a node 'node-7' already" in issuer("nodes", "invite", "node-7", "--tenant", "acme", *DETAILS)[2]
    again = issuer("nodes", "add", "n", "--tenant", "acme", *DETAILS, "--key", str(tmp_path / "node.key"))
    assert f"another node has the key {node_signer(7).public_key.thumbprint_uri} already" in again[2]


def test_a_node_is_shown_in_words_and_json_alone(issuer, tmp_path):
    node = _json(_add_node(issuer, tmp_path))
    lines = issuer("nodes", "show", "node-7")[1].splitlines()
    shown = dict(line.split(": ", 1) for line in lines[: lines.index("chain:")])
    assert (shown["simulated"], shown["pue"], shown["tdp_w"]) == ("no", "-", "5600")
    assert json.loads(shown["jwk"]) == node["jwk"]


def _add_node(issuer, tmp_path, *, tenant="acme"):
    key = node_signer(7).public_key
    path = tmp_path / "node.key"
    path.write_text(json.dumps({**key.jwk}))
    return issuer(
        "nodes", "add", "node-7", "--tenant", tenant, "--region", "de", "--tdp-w", "5600", "--key", str(path), "--json"
    )


def test_a_node_is_registered_with_its_public_key(issuer, tmp_path):
    node = _json(_add_node(issuer, tmp_path))
    assert node["grid_region"] == "DEU"
    assert node["key_uri"] == node_signer(7).public_key.thumbprint_uri
    shown = _json(issuer("nodes", "show", "node-7", "--json"))
    assert (shown.pop("other_tenants"), shown.pop("chain")["next_sequence"]) == ([], 0)
    assert shown == node
    assert _json(issuer("nodes", "list", "--tenant", "acme", "--json")) == [node]


def test_a_public_key_may_be_pem(issuer, tmp_path):
    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "node.pem").write_bytes(pem)
    words = [
        "nodes",
        "add",
        "n",
        "--tenant",
        "acme",
        "--region",
        "WORLD",
        "--tdp-w",
        "700",
        "--key",
        str(tmp_path / "node.pem"),
    ]
    assert issuer(*words)[0] == 0


def test_a_private_key_is_refused(issuer, tmp_path):
    generate_file_key(tmp_path / "node.pem", "ES256")
    words = [
        "nodes",
        "add",
        "n",
        "--tenant",
        "acme",
        "--region",
        "WORLD",
        "--tdp-w",
        "700",
        "--key",
        str(tmp_path / "node.pem"),
    ]
    code, _, err = issuer(*words)
    assert code == 1
    assert "stays on the node" in err


def test_a_node_of_an_unknown_region_or_tenant_is_refused(issuer, tmp_path):
    assert issuer("nodes", "invite", "n", "--tenant", "acme", "--region", "Atlantis", "--tdp-w", "700")[0] == 1
    assert _add_node(issuer, tmp_path, tenant="nobody")[0] == 1


def test_an_invitation_is_a_token_with_an_end(issuer):
    invited = _json(issuer("nodes", "invite", "n", "--tenant", "acme", "--region", "CAMX", "--tdp-w", "700", "--json"))
    assert invited["token"]
    assert times.parse_seconds(invited["expires"])
    code, out, _ = issuer(
        "nodes", "invite", "n", "--tenant", "acme", "--region", "CAMX", "--tdp-w", "700", "--valid-hours", "1"
    )
    assert code == 0
    [line] = [line for line in out.splitlines() if "green-agent enroll" in line]
    assert f"green-agent enroll --issuer {ADDRESS} --token gci_" in line
    assert line.endswith(" --development")


def test_an_invitation_of_a_public_issuer_needs_no_development(run):
    assert run("init", "--public-url", "https://issuer.example")[0] == 0
    assert run("tenants", "add", "acme", "--name", "Acme")[0] == 0
    _, out, _ = run("nodes", "invite", "n", "--tenant", "acme", "--region", "CAMX", "--tdp-w", "700")
    assert "green-agent enroll --issuer https://issuer.example" in out
    assert "--development" not in out


def test_open_invitations_are_listed_without_their_tokens_and_can_be_cancelled(issuer):
    invited = _json(issuer("nodes", "invite", "n", "--tenant", "acme", *DETAILS, "--json"))
    _, out, _ = issuer("nodes", "invitations", "list", "--json")
    [listed] = json.loads(out)
    assert (listed["node_id"], listed["tenant_id"], listed["expires"]) == ("n", "acme", invited["expires"])
    assert invited["token"] not in out
    assert _json(issuer("nodes", "invitations", "cancel", "n", "--json")) == {"node_id": "n", "cancelled": 1}
    assert _json(issuer("nodes", "invitations", "list", "--json")) == []
    assert "no open invitation of 'n'" in issuer("nodes", "invitations", "cancel", "n")[2]


def test_a_revoked_node_stays_listed(issuer, tmp_path):
    _add_node(issuer, tmp_path)
    assert issuer("nodes", "revoke", "node-7")[0] == 0
    assert _json(issuer("nodes", "show", "node-7", "--json"))["state"] == "revoked"
    assert issuer("nodes", "revoke", "node-8")[0] == 1


def test_an_api_key_is_shown_once(issuer):
    made = _json(issuer("api-keys", "add", "--tenant", "acme", "--scope", "status", "--scope", "read", "--json"))
    assert made["key"].startswith("gck_")
    assert made["scopes"] == ["read", "status"]
    code, out, _ = issuer("api-keys", "list", "--json")
    assert code == 0
    assert made["key"] not in out
    assert json.loads(out)[0]["id"] == made["id"]


def test_an_api_key_is_written_into_a_new_file_of_its_owner_and_not_shown(issuer, tmp_path):
    path = tmp_path / "audit.key"
    code, out, err = issuer("api-keys", "add", "--all-tenants", "--scope", "read", "--out", str(path))
    assert (code, err) == (0, "")
    assert str(path) in out
    key = path.read_text()
    assert re.fullmatch(r"gck_[A-Za-z0-9_-]{43}\n", key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.strip() not in out
    made = _json(issuer("api-keys", "add", "--all-tenants", "--out", str(tmp_path / "other"), "--json"))
    assert ("key" in made, made["file"]) == (False, str(tmp_path / "other"))


def test_no_api_key_is_made_that_cannot_be_written_and_no_file_stays_of_one_that_is_not_made(issuer, tmp_path):
    path = tmp_path / "there"
    path.write_text("mine")
    for out in (path, tmp_path / "away" / "key"):
        code, _, err = issuer("api-keys", "add", "--all-tenants", "--out", str(out))
        assert code != 0
        assert f"--out: {out}" in err
    assert path.read_text() == "mine"
    assert issuer("api-keys", "add", "--tenant", "no", "--out", str(tmp_path / "new"))[0] != 0
    assert not (tmp_path / "new").exists()
    assert _json(issuer("api-keys", "list", "--json")) == []


def test_a_revoked_api_key_is_marked(issuer):
    made = _json(issuer("api-keys", "add", "--all-tenants", "--scope", "admin", "--json"))
    assert _json(issuer("api-keys", "revoke", made["id"], "--json"))["changed"] is True
    assert _json(issuer("api-keys", "list", "--json"))[0]["revoked"] is True


def test_a_grid_region_is_looked_up_with_its_source(run):
    found = _json(run("carbon", "lookup", "DE", "--json"))
    assert found["region"] == "DEU"
    assert found["source"]
    assert found["licence"]
    code, _, err = run("carbon", "lookup", "Atlantis")
    assert code == 1
    assert "Atlantis" in err


def _leaves(current, words=()):
    for action in current._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from _leaves(child, (*words, name))
            return
    yield words, current


def _groups(current):
    [action] = [each for each in current._actions if isinstance(each, argparse._SubParsersAction)]
    return {name: child for name, child in action.choices.items() if child._subparsers is not None}


@pytest.mark.parametrize("name", sorted(_groups(parser())))
def test_every_group_of_commands_has_help_with_an_example_of_its_own_that_parses(name):
    example = _groups(parser())[name].epilog.partition("green-issuer ")[2]
    assert example.startswith(f"{name} ")
    assert parser().parse_args(shlex.split(example)).run


LEAVES = {" ".join(words): leaf for words, leaf in _leaves(parser())}


def test_the_commands_are_those_that_are_promised():
    assert set(LEAVES) == {
        "init",
        "serve",
        "db upgrade",
        "keys list",
        "keys rotate",
        "keys revoke",
        "issuers add",
        "issuers list",
        "tenants add",
        "tenants list",
        "tenants set",
        "nodes add",
        "nodes invite",
        "nodes invitations list",
        "nodes invitations cancel",
        "nodes list",
        "nodes show",
        "nodes revoke",
        "nodes accept-gap",
        "nodes update",
        "nodes tenants allow",
        "nodes tenants disallow",
        "trust tpm add",
        "trust tpm import",
        "trust tpm list",
        "trust tpm remove",
        "api-keys add",
        "api-keys list",
        "api-keys revoke",
        "revoke",
        "suspend",
        "reinstate",
        "credentials show",
        "certificates list",
        "export esrs",
        "status close-lists",
        "carbon lookup",
        "carbon sources",
        "carbon backfill",
        "carbon reissue",
    }


@pytest.mark.parametrize("words", sorted(LEAVES))
def test_every_command_has_help_with_an_example_that_parses(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*words.split(), "--help"])
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "example: green-issuer" in text
    example = LEAVES[words].epilog.partition("green-issuer ")[2]
    assert parser().parse_args(shlex.split(example)).run
    assert "--json" in text


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["keys"],
        ["keys", "rotate", "--algorithm", "HS256"],
        ["tenants", "add", "ACME", "--name", "x"],
        ["tenants", "add", "../x", "--name", "x"],
        ["tenants", "add", "x", "--name", "a\nb"],
        ["tenants", "add", "x", "--name", "x", "--subject", "no iri"],
        ["nodes", "invite", "n", "--tenant", "acme", "--region", "DE", "--tdp-w", "0"],
        ["nodes", "invite", "n", "--tenant", "acme", "--region", "DE", "--tdp-w", "7", "--valid-hours", "721"],
        ["keys", "rotate", "--algorithm", "RS256"],
        ["api-keys", "add", "--scope", "read"],
        ["api-keys", "add", "--tenant", "a", "--all-tenants"],
        ["api-keys", "add", "--tenant", "a", "--scope", "root"],
        ["serve", "--port", "0"],
        ["serve", "--port", "99999"],
    ],
)
def test_wrong_usage_ends_with_64(run, words):
    code, out, err = run(*words)
    assert code == 64
    assert out == ""
    assert "--help" in err


@pytest.mark.parametrize("command", ["revoke", "suspend", "reinstate"])
def test_the_status_of_what_is_not_there_cannot_change(issuer, command):
    for words in (["inference-1"], ["inference-1", "--tenant", "acme"], ["019aa2c4-6d00-7a10-8f00-000000000004"]):
        code, _, err = issuer(command, *words)
        assert code == 1
        assert err


def test_a_table_shows_rows_under_headings():
    rows = [{"key_id": "a", "state": None}, {"key_id": "long", "state": True}]
    assert table(rows, ["key_id", "state"]) == "KEY ID  STATE\na       -\nlong    yes"


def test_a_table_of_nothing_says_so():
    assert table([], ["a"]) == "(none)"


def test_nothing_in_a_table_moves_the_cursor():
    assert "\x1b" not in table([{"name": "\x1b[2J\u202e"}], ["name"])


def test_an_answer_is_text_or_the_same_as_json():
    answer = Answer(value={"a": "é"}, heading="done", advice=("next",))
    assert answer.render(as_json=False) == "done\nnext"
    assert json.loads(answer.render(as_json=True)) == {"a": "é"}


@pytest.mark.parametrize(
    "words",
    [
        "keys list",
        "tenants add umbra --name Umbra",
        "nodes list",
        "db upgrade",
        "serve",
        f"init --public-url {ADDRESS} --development",
    ],
)
def test_no_command_works_on_a_database_of_a_newer_version(issuer, tmp_path, words):
    words += f" --port {free_port()}" if words == "serve" else ""
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "issuer.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    code, out, err = issuer(*shlex.split(words))
    assert (code, out) == (1, "")
    assert "made by a newer version of this program" in err
    assert "Traceback" not in err
