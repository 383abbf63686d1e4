"""The command line: verdicts as exit codes, reports as text and JSON, clear words for wrong usage."""

import io
import json
import socket
import subprocess
import sys

import pytest

from tests.fakes.verifier import HOLDER, INDEX, RETRIEVED, World, drop, edited, presentation, put
from tests.vectors import ROOT
from verifier import cli
from verifier.folder import load_folder, save

AT = "2026-11-20T21:00:00Z"


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def good(world):
    return world.credential()


@pytest.fixture
def place(tmp_path, world, good, monkeypatch):
    """A folder with a credential and an evidence folder beside it; no GREEN_VERIFIER_ variables."""
    for name in ("SETTINGS", "POLICY", "DEVELOPMENT", "ALLOW_SIMULATED", "STATE_DIR"):
        monkeypatch.delenv(f"GREEN_VERIFIER_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.chdir(tmp_path)
    save(world.evidence(), tmp_path / "evidence")
    (tmp_path / "credential.json").write_text(json.dumps(good))
    return tmp_path


OFFLINE = ("--offline", "--evidence", "evidence", "--trust-evidence", "--at", AT)


def verify(*arguments):
    return cli.main(["verify", *arguments])


def reported(capsysbinary):
    return json.loads(capsysbinary.readouterr().out)


def test_a_good_credential_exits_with_0(place, capsys):
    assert verify("credential.json", *OFFLINE) == 0
    assert capsys.readouterr().out.startswith("✓ VERIFIED")


def test_a_changed_credential_exits_with_1(place, good, capsys):
    (place / "changed.json").write_text(json.dumps(edited(good, put("credentialSubject.modelId", "other"))))
    assert verify("changed.json", *OFFLINE) == 1
    assert "PROOF_VERIFICATION_ERROR" in capsys.readouterr().out


def test_what_is_missing_exits_with_2(place):
    assert verify("credential.json", "--offline", "--at", AT) == 2


def test_a_folder_that_is_not_trusted_exits_with_2(place, capsys):
    assert verify("credential.json", *OFFLINE[:3], "--at", AT) == 2
    assert "--trust-evidence" in capsys.readouterr().out


def test_the_json_report_is_canonical(place, capsysbinary):
    assert verify("credential.json", "--json", *OFFLINE) == 0
    out = capsysbinary.readouterr().out
    content = json.loads(out)
    assert (content["outcome"], content["at"]) == ("verified", AT)
    assert list(content) == sorted(content)


def test_the_same_arguments_give_the_same_report(place, capsysbinary):
    verify("credential.json", "--json", *OFFLINE)
    first = capsysbinary.readouterr().out
    verify("credential.json", "--json", *OFFLINE)
    assert capsysbinary.readouterr().out == first


def test_a_document_comes_from_standard_input_too(place, good, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(good).encode())))
    assert verify("-", *OFFLINE) == 0


def test_bytes_that_are_no_document_are_refused_not_wrong_usage(place, capsysbinary):
    (place / "broken.json").write_bytes(b'{"a": 1, "a": 2}')
    assert verify("broken.json", "--json", *OFFLINE) == 1
    assert reported(capsysbinary)["problem"] == "PARSING_ERROR"


def test_a_policy_file_is_followed(place, capsysbinary):
    (place / "policy.toml").write_text("require_trusted_issuer = true\n")
    assert verify("credential.json", "--json", "--policy", "policy.toml", *OFFLINE) == 1
    content = reported(capsysbinary)
    assert content["problem"] == "UNTRUSTED_ISSUER"
    assert content["policy"]["require_trusted_issuer"] is True


def test_a_pinned_key_in_the_policy_makes_the_folder_good_enough(place, world):
    pin = world.issuer.key.public_key.thumbprint_uri
    (place / "policy.json").write_text(json.dumps({"pinned_keys": {world.issuer.did: [pin]}}))
    assert verify("credential.json", "--policy", "policy.json", *OFFLINE[:3], "--at", AT) == 0


def test_evidence_is_saved_and_used_again(place):
    assert verify("credential.json", *OFFLINE, "--save-evidence", "kept") == 0
    assert load_folder(place / "kept").did_documents["did:web:oracle.example"].retrieved_at == RETRIEVED
    assert verify("credential.json", "--offline", "--evidence", "kept", "--trust-evidence", "--at", AT) == 0


def test_a_simulated_credential_needs_to_be_allowed(place, world):
    def simulated(document):
        document["type"].append("SimulatedCredential")
        document["credentialSubject"]["assurance"] = "simulated"

    (place / "simulated.json").write_text(json.dumps(world.credential(simulated)))
    assert verify("simulated.json", *OFFLINE) == 1
    assert verify("simulated.json", "--allow-simulated", *OFFLINE) == 0


def test_the_time_of_the_verdict_can_be_given(place):
    assert verify("credential.json", *OFFLINE[:-1], "2026-11-19T00:00:00Z") == 1


def test_a_revoked_credential_exits_with_1(place, capsys):
    world = World(bits={"revocation": {INDEX}})
    save(world.evidence(), place / "later")
    (place / "revoked.json").write_text(json.dumps(world.credential()))
    assert verify("revoked.json", "--offline", "--evidence", "later", "--trust-evidence", "--at", AT) == 1
    assert "REVOKED" in capsys.readouterr().out


@pytest.mark.parametrize(("challenge", "code"), [("c-1", 0), ("c-2", 1)])
def test_a_presentation_is_recognized_and_held_to_its_challenge(place, good, challenge, code):
    (place / "presentation.json").write_text(json.dumps(presentation(good, holder=HOLDER)))
    assert verify("presentation.json", "--challenge", challenge, "--domain", "audit.example", *OFFLINE) == code


# --- usage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere.json"], "nowhere.json"),
        (["."], "cannot be read"),
        (["credential.json", "--evidence", "nowhere"], "nowhere"),
        (["credential.json", "--trust-evidence"], "--evidence DIR"),
        (["credential.json", "--policy", "nowhere.toml"], "nowhere.toml"),
        (["credential.json", "--at", "yesterday"], "--at"),
        (["https://oracle.example/credential"], "--offline"),
        (["credential.json", "--challenge", "x"], "presentations"),
    ],
)
def test_wrong_usage_exits_with_64_and_says_what_is_wrong(place, capsys, arguments, word):
    assert verify(*arguments, "--offline") == 64
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["verify"], ["prove", "x"], ["verify", "a", "b"], ["verify", "a", "--fast"]])
def test_arguments_that_do_not_parse_exit_with_64(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 64


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        (["--help"], "verify credential.json"),
        (["verify", "--help"], "verify credential.json"),
        (["audit-bundle", "--help"], "audit-bundle verify june.zip"),
        (["audit-bundle", "make", "--help"], "audit-bundle make june/"),
        (["audit-bundle", "verify", "--help"], "audit-bundle verify june.zip"),
    ],
)
def test_the_help_shows_examples_and_exit_codes(arguments, example, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert f"  green-verifier {example}" in out
    assert all(len(line) <= 120 for line in out.splitlines())
    assert "0 verified, 1 refused, 2 inconclusive" in out


@pytest.mark.parametrize(("url", "code"), [("http://127.0.0.1:1/x", 64), ("file:///etc/passwd", 64)])
def test_a_url_that_may_not_be_fetched_is_wrong_usage(place, capsys, url, code):
    assert verify(url) == code
    assert "etc" not in capsys.readouterr().out


@pytest.mark.network
def test_a_url_that_does_not_answer_is_inconclusive(place, capsys):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert verify(f"http://127.0.0.1:{port}/x", "--development") == 2
    assert "inconclusive" in capsys.readouterr().err


def test_settings_of_the_environment_are_checked(place, monkeypatch, capsys):
    monkeypatch.setenv("GREEN_VERIFIER_DEVELOPMNT", "1")
    assert verify("credential.json", *OFFLINE) == 64
    assert "developmnt" in capsys.readouterr().err


def test_a_foreign_credential_goes_through_a_worker_and_back(place, world):
    value = world.issuer.sign(
        edited(
            world.unsecured(),
            put("type", ["VerifiableCredential"]),
            put("credentialSubject", {"id": "urn:x:subject"}),
            drop("evidence"),
            drop("credentialSchema"),
        )
    )
    (place / "foreign.json").write_text(json.dumps(value))
    assert verify("foreign.json", *OFFLINE) == 0


def test_the_program_runs_on_its_own(place):
    command = [sys.executable, "-m", "verifier", "verify", "credential.json", "--json", *OFFLINE]
    done = subprocess.run(command, capture_output=True, check=False, cwd=place, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "verified"


def test_a_terminal_without_the_marks_still_gets_the_verdict(place):
    command = [sys.executable, "-m", "verifier", "verify", "credential.json", *OFFLINE]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, check=False, cwd=place, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"VERIFIED" in done.stdout


def test_a_verdict_for_a_time_to_come_is_told_to_be_one(place, capsys):
    assert cli.main(["verify", "credential.json", "--offline", "--at", "2999-01-01T00:00:00Z"]) == 2
    assert "future" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "99999", "-1"])
def test_what_is_no_port_is_said_in_one_line(port, capsys):
    assert cli.main(["serve", "--port", port]) == cli.USAGE
    assert "is no port" in capsys.readouterr().err


def test_a_policy_that_is_missing_is_said_before_the_service_starts(monkeypatch, capsys):
    monkeypatch.setenv("GREEN_VERIFIER_POLICY", "/nowhere/policy.toml")
    assert cli.main(["serve"]) == cli.USAGE
    assert "/nowhere/policy.toml" in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_who_reads_no_further_does_not_change_the_verdict(place, form):
    words = [sys.executable, "-m", "verifier", "verify", str(place / "credential.json"), "--offline", *form]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.close()
        assert (run.wait(30), run.stderr.read()) == (2, b"")


def test_with_json_a_file_that_is_missing_is_a_problem_document_too(place, capsys):
    assert verify("nowhere.json", "--json", *OFFLINE) == 64
    out, err = capsys.readouterr()
    problem = json.loads(out)
    assert problem["type"].endswith("#USAGE_ERROR")
    assert "outcome" not in problem
    assert "nowhere.json cannot be read" in problem["detail"]
    assert "nowhere.json cannot be read" in err


@pytest.mark.network
def test_with_json_a_url_that_does_not_answer_is_an_inconclusive_problem(place, capsys):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert verify(f"http://127.0.0.1:{port}/x", "--development", "--json") == 2
    problem = json.loads(capsys.readouterr().out)
    assert (problem["outcome"], problem["type"].rpartition("#")[2]) == ("inconclusive", "FETCH_FAILED")


def test_without_json_nothing_but_words_is_written(place, capsys):
    assert verify("nowhere.json", *OFFLINE) == 64
    assert capsys.readouterr().out == ""


class Failing:
    """A standard input that cannot be read in a way that nobody expects."""

    def __init__(self, error):
        self._error = error

    @property
    def buffer(self):
        raise self._error


@pytest.mark.parametrize(("arguments", "variable"), [((), "0"), (("--debug",), ""), ((), "1")])
def test_a_fault_of_the_program_is_told_apart_from_a_refusal(place, capsys, monkeypatch, arguments, variable):
    monkeypatch.setenv("GREEN_DEBUG", variable)
    monkeypatch.setattr(sys, "stdin", Failing(RuntimeError("nobody thought of this")))
    assert verify("-", *arguments, *OFFLINE) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert "report it" in err
    assert ("Traceback" in err) is (arguments != () or variable == "1")


def test_an_interrupted_command_ends_as_shells_expect(place, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Failing(KeyboardInterrupt()))
    assert verify("-", *OFFLINE) == 130
