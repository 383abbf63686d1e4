import io
import json
import os

import pytest

from schemas import strict_json
from tests.fakes.verifier import World, edited, put
from wallet.cli import main


@pytest.fixture
def wallet(tmp_path):
    assert main(["init", "--wallet", str(tmp_path / "wallet")]) == 0
    return str(tmp_path / "wallet")


@pytest.fixture
def credential(tmp_path):
    path = tmp_path / "credential.json"
    path.write_text(json.dumps(World().credential()))
    return path


def test_init_says_who_the_holder_is(tmp_path, capsys) -> None:
    assert main(["init", "--wallet", str(tmp_path / "w"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["did"]
    assert main(["did", "--wallet", str(tmp_path / "w")]) == 0
    assert capsys.readouterr().out.strip() == made
    assert made.startswith("did:key:zDn")


def test_init_twice_is_refused(wallet, capsys) -> None:
    assert main(["init", "--wallet", wallet]) == 1
    assert "exists" in capsys.readouterr().err


def test_a_command_without_a_wallet_says_what_to_do(tmp_path, capsys, credential) -> None:
    assert main(["import", str(credential), "--offline", "--wallet", str(tmp_path / "none")]) == 1
    assert "green-wallet init" in capsys.readouterr().err


def test_what_is_imported_is_listed(wallet, credential, capsys) -> None:
    assert main(["import", str(credential), "--offline", "--wallet", wallet]) == 0
    capsys.readouterr()
    assert main(["list", "--json", "--wallet", wallet]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["credentials"]
    assert listed["energyKwh"] == "0.000729"
    assert main(["list", "--wallet", wallet]) == 0
    assert "0.000729" in capsys.readouterr().out


def test_one_that_was_superseded_is_told_and_is_not_presented_with_all(wallet, tmp_path, capsys) -> None:
    def later(document):
        document["id"] = "https://oracle.example/credentials/2"
        document["credentialSubject"]["supersedes"] = first["id"]

    first = World().credential(put("credentialSubject.claimStatus", "provisional"))
    second = World().credential(later)
    for name, value in (("first", first), ("second", second)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(value))
        assert main(["import", str(path), "--offline", "--wallet", wallet]) == 0
        capsys.readouterr()
        assert main(["list", "--json", "--wallet", wallet]) == 0
        held = {one["id"]: one["standing"] for one in json.loads(capsys.readouterr().out)["credentials"]}
        assert held[value["id"]] == {"first": "provisional", "second": "final"}[name]
    assert held[first["id"]] == "superseded"
    out = tmp_path / "presentation.json"
    assert main(["present", "--all", "--challenge", "c-1", "--out", str(out), "--wallet", wallet]) == 0
    presented = json.loads(out.read_text())["verifiableCredential"]
    assert [one["id"] for one in presented] == [second["id"]]


def test_an_import_names_what_is_warned_of_with_the_outcome(wallet, tmp_path, capsys) -> None:
    def simulated(document):
        document["type"].append("SimulatedCredential")
        document["credentialSubject"]["assurance"] = "simulated"

    path = tmp_path / "simulated.json"
    path.write_text(json.dumps(World().credential(simulated)))
    assert main(["import", str(path), "--offline", "--wallet", wallet]) == 0
    assert "(inconclusive, with warnings: " in (first := capsys.readouterr().out)
    assert "SIMULATED" in first
    assert main(["import", str(path), "--offline", "--json", "--wallet", wallet]) == 0
    assert "SIMULATED" in json.loads(capsys.readouterr().out)["imported"][0]["warned_of"]


def test_a_folder_is_imported_file_by_file_and_a_bad_one_stops_nothing(wallet, credential, tmp_path, capsys) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    forged = edited(World().credential(), put("credentialSubject.assurance", "tpm-hardware"))
    (folder / "a.json").write_text(json.dumps(forged))
    (folder / "b.json").write_text(credential.read_text())
    assert main(["import", str(folder), "--offline", "--json", "--wallet", wallet]) == 1
    results = json.loads(capsys.readouterr().out)["imported"]
    assert [result["kept"] for result in results] == [False, True]


def test_show_writes_the_bytes_as_received(wallet, credential, capsysbinary) -> None:
    main(["import", str(credential), "--offline", "--wallet", wallet])
    capsysbinary.readouterr()
    name = json.loads(credential.read_text())["credentialSubject"]["inferenceId"]
    assert main(["show", name, "--wallet", wallet]) == 0
    assert capsysbinary.readouterr().out == credential.read_bytes()


def test_a_missing_file_is_named(wallet, capsys) -> None:
    assert main(["import", "nowhere.json", "--offline", "--wallet", wallet]) == 1
    assert "nowhere.json" in capsys.readouterr().err


def test_an_address_cannot_be_read_offline(wallet, capsys) -> None:
    assert main(["import", "https://oracle.example/x", "--offline", "--wallet", wallet]) == 1
    assert "--offline" in capsys.readouterr().err


def test_present_writes_a_presentation_for_the_challenge(wallet, credential, tmp_path, capsys) -> None:
    main(["import", str(credential), "--offline", "--wallet", wallet])
    out = tmp_path / "presentation.json"
    words = ["present", "--all", "--challenge", "c-1", "--domain", "audit.example", "--out", str(out)]
    assert main([*words, "--wallet", wallet]) == 0
    proof = json.loads(out.read_bytes())["proof"]
    assert (proof["challenge"], proof["domain"], proof["proofPurpose"]) == ("c-1", "audit.example", "authentication")


@pytest.mark.parametrize("words", [["present"], ["present", "x", "--all"]])
def test_present_wants_names_or_all(wallet, words, capsys) -> None:
    assert main([*words, "--wallet", wallet]) == 1
    assert "--all" in capsys.readouterr().err


def test_an_unknown_name_is_said(wallet, capsys) -> None:
    assert main(["show", "nothing", "--wallet", wallet]) == 1
    assert "nothing" in capsys.readouterr().err


def test_wrong_usage_is_64() -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["frobnicate"])
    assert exit_.value.code == 64


@pytest.mark.parametrize("command", ["init", "import", "list", "show", "present", "did"])
def test_every_command_explains_itself(command, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert "--wallet" in capsys.readouterr().out


def test_the_wallet_is_where_the_environment_says(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GREEN_WALLET_HOME", str(tmp_path / "here"))
    assert main(["init"]) == 0
    assert (tmp_path / "here" / "holder-key.pem").exists()


def test_a_pipe_in_a_folder_is_not_waited_for(wallet, credential, tmp_path, capsys) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "a.json")
    (folder / "b.json").write_text(credential.read_text())
    assert main(["import", str(folder), "--offline", "--json", "--wallet", wallet]) == 0
    assert len(json.loads(capsys.readouterr().out)["imported"]) == 1


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_no_more_is_read_than_a_credential_may_have(wallet, tmp_path, capsys, monkeypatch, source) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (4 * strict_json.MAX_BYTES))
    with large.open("rb") as opened:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(opened))
        assert main(["import", str(large) if source == "file" else "-", "--offline", "--wallet", wallet]) == 1
    assert f"has {strict_json.MAX_BYTES + 1} bytes" in capsys.readouterr().err
