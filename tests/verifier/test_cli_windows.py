"""The command line on receipts, on windows beside their neighbours, and on audit bundles."""

import json

import pytest

from tests.fakes.verifier import World
from tests.fakes.windows import EK_ROOT, WindowWorld
from tests.verifier.bundles import AUDITOR, files_of, folder_of, node_of
from verifier import cli
from verifier.evidence import Evidence
from verifier.folder import load_folder, save

AT = "2026-11-20T21:00:00Z"
TRUSTED = ("--trust-evidence", "--policy", "audit.toml", "--at", AT)
OFFLINE = ("--offline", "--evidence", "evidence", "--trust-evidence", "--no-state", "--at", AT)


@pytest.fixture(scope="module")
def windows():
    place = node_of(3)
    return place, [place.credential(made) for made in place.made]


@pytest.fixture
def place(tmp_path, windows, monkeypatch):
    """A folder with three windows, a receipt of the first, an inference, and their evidence."""
    for name in ("SETTINGS", "POLICY", "DEVELOPMENT", "ALLOW_SIMULATED", "STATE_DIR"):
        monkeypatch.delenv(f"GREEN_VERIFIER_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    found, credentials = windows
    for number, value in enumerate(credentials):
        (tmp_path / f"window-{number}.json").write_text(json.dumps(value))
    (tmp_path / "receipt.json").write_text(json.dumps(found.receipt(found.made[0])))
    (tmp_path / "inference.json").write_text(json.dumps(found.inference(found.made[0])))
    save(found.evidence(), tmp_path / "evidence")
    return tmp_path


def verify(*arguments):
    return cli.main(["verify", *arguments])


def test_a_receipt_with_the_file_of_its_window_exits_with_0(place, capsys):
    assert verify("receipt.json", "--window", "window-0.json", *OFFLINE) == 0
    out = capsys.readouterr().out
    assert out.startswith("✓ VERIFIED")
    assert "The window's credential that this rests on" in out
    assert "inference-0" in out


def test_a_receipt_finds_its_window_in_the_evidence_folder(place):
    (place / "evidence" / "anything").write_bytes((place / "window-0.json").read_bytes())
    assert verify("receipt.json", *OFFLINE) == 0


def test_a_receipt_without_its_window_exits_with_2_and_with_another_with_1(place, capsys):
    assert verify("receipt.json", *OFFLINE) == 2
    assert verify("receipt.json", "--window", "window-1.json", *OFFLINE) == 1
    assert "EVIDENCE_MISMATCH" in capsys.readouterr().out


def test_a_saved_verdict_on_a_receipt_is_made_again(place, capsysbinary):
    assert verify("receipt.json", "--window", "window-0.json", *OFFLINE, "--save-evidence", "kept") == 0
    assert len(load_folder(place / "kept").credentials) == 1
    again = ("--offline", "--evidence", "kept", "--trust-evidence", "--no-state", "--at", AT)
    capsysbinary.readouterr()
    assert verify("receipt.json", *again, "--json") == 0
    report = json.loads(capsysbinary.readouterr().out)
    assert (report["kind"], report["outcome"], report["credentials"][0]["outcome"]) == ("receipt", *["verified"] * 2)


def test_an_inference_of_a_window_is_verified_with_the_receipt_in_the_folder(place):
    (place / "evidence" / "mine").write_bytes((place / "receipt.json").read_bytes())
    assert verify("inference.json", *OFFLINE) == 0


def test_a_window_that_follows_from_the_one_before_says_so(place, capsys):
    assert verify("window-1.json", "--previous", "window-0.json", *OFFLINE) == 0
    assert "follows from the one before" in capsys.readouterr().out


def test_missing_windows_in_between_are_a_warning(place, capsysbinary):
    assert verify("window-2.json", "--previous", "window-0.json", "--json", *OFFLINE) == 0
    checks = {check["step"]: check for check in json.loads(capsysbinary.readouterr().out)["checks"]}
    assert (checks["sequence"]["result"], checks["sequence"]["problem"]) == ("warning", "WINDOWS_MISSING")


def test_windows_in_the_wrong_order_are_refused(place, capsys):
    assert verify("window-0.json", "--previous", "window-1.json", *OFFLINE) == 1
    assert "WINDOW_SEQUENCE_REUSED" in capsys.readouterr().out


def test_a_window_after_one_that_does_not_verify_is_inconclusive(place, windows, capsys):
    changed = json.loads((place / "window-0.json").read_text())
    changed["credentialSubject"]["gridRegion"] = "DE"
    (place / "window-0.json").write_text(json.dumps(changed))
    assert verify("window-1.json", "--previous", "window-0.json", *OFFLINE) == 2
    assert "is refused itself" in capsys.readouterr().out


def test_a_window_whose_enrolment_is_missing_has_no_place_yet(place):
    bare = WindowWorld(World(policy=AUDITOR)).evidence(without=list(windows_attachments(place)))
    save(bare, place / "bare")
    arguments = ("--offline", "--evidence", "bare", "--trust-evidence", "--no-state", "--at", AT)
    assert verify("window-1.json", "--previous", "window-0.json", *arguments) == 2


def windows_attachments(place):
    return load_folder(place / "evidence").attachments


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["window-0.json", "--window", "window-0.json"], "--window is for receipts"),
        (["receipt.json", "--previous", "window-0.json"], "--previous is for a window"),
        (["inference.json", "--previous", "window-0.json"], "--previous is for a window"),
        (["receipt.json", "--challenge", "x"], "this is a receipt"),
        (["receipt.json", "--window", "nowhere.json"], "nowhere.json"),
    ],
)
def test_options_about_another_kind_of_document_are_wrong_usage(place, capsys, arguments, word):
    assert verify(*arguments, *OFFLINE) == 64
    assert word in capsys.readouterr().err


# --- bundles -------------------------------------------------------------------------------------------------


def bundle(*arguments):
    return cli.main(["audit-bundle", *arguments])


@pytest.fixture
def june(place, windows):
    folder_of(place / "june" / "deeper", files_of(windows[0]))
    (place / "june" / "notes.txt").write_text("not for the bundle")
    (place / "audit.toml").write_text(f'[tpm_roots]\n"{EK_ROOT.fingerprint}" = "hardware"\n')
    assert bundle("make", "june", "--offline", "--out", "june.zip") == 0
    return place


def test_a_bundle_is_made_of_a_folder_and_verified_without_a_network(june, capsys):
    assert bundle("make", "june", "--offline", "--out", "again.zip") == 0
    assert "notes.txt is left out" in capsys.readouterr().err
    assert bundle("verify", "june.zip", *TRUSTED) == 0
    out = capsys.readouterr().out
    assert out.startswith("✓ VERIFIED")
    assert "3: 0 to 2, none missing" in out
    assert "energyKwh" in out


def test_a_bundle_without_trust_is_inconclusive(june, capsys):
    assert bundle("verify", "june.zip", "--at", AT) == 2
    assert "inconclusive" in capsys.readouterr().out


def test_the_report_of_a_bundle_is_canonical_json(june, capsysbinary):
    capsysbinary.readouterr()
    assert bundle("verify", "june.zip", *TRUSTED, "--json") == 0
    out = capsysbinary.readouterr().out
    report = json.loads(out)
    assert (report["outcome"], report["at"], report["windows"]["verified"]) == ("verified", AT, 3)
    assert list(report) == sorted(report)
    assert bundle("verify", "june.zip", *TRUSTED, "--json") == 0
    assert capsysbinary.readouterr().out == out


def test_a_bundle_that_is_none_exits_with_64_and_a_problem_document(june, capsys):
    (june / "broken.zip").write_bytes((june / "june.zip").read_bytes()[:-100])
    assert bundle("verify", "broken.zip", "--json") == 64
    out, err = capsys.readouterr()
    assert json.loads(out)["type"].endswith("#BUNDLE_INVALID")
    assert "cut off" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["make", "nowhere", "--out", "x.zip"], "nowhere is no folder"),
        (["make", "receipt.json", "--out", "x.zip"], "receipt.json is no folder"),
        (["make", "evidence", "--out", "x.zip"], "there is no window"),
        (["verify", "receipt.json"], "green-verifier verify"),
        (["make", "june", "--out", "june.zip"], "exists already"),
        (["make", "june", "--out", "nowhere/x.zip"], "cannot be written"),
        (["verify", "nowhere.zip"], "cannot be read"),
        (["verify", "june.zip", "--at", "someday"], "--at"),
    ],
)
def test_what_cannot_be_made_or_read_is_wrong_usage(june, capsys, arguments, word):
    assert bundle(*arguments, *(["--offline"] if arguments[0] == "make" else [])) == 64
    assert word in capsys.readouterr().err


OF_ISSUER = ["make", "--out", "x.zip", "--from-issuer", "https://issuer.example"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["make", "--out", "x.zip"], "a folder, or --from-issuer"),
        (["make", "june", "--out", "x.zip", "--node", "node-7"], "--node is for --from-issuer"),
        (["make", "june", "--out", "x.zip", "--from", "2026-06-01"], "--from is for --from-issuer"),
        ([*OF_ISSUER, "june"], "no folder"),
        ([*OF_ISSUER, "--offline"], "cannot be --offline"),
        (OF_ISSUER, "needs --api-key-file"),
        ([*OF_ISSUER, "--api-key-file", "key"], "needs --node"),
        ([*OF_ISSUER, "--api-key-file", "key", "--node", "../x"], "no node id"),
        ([*OF_ISSUER, "--api-key-file", "nowhere", "--node", "node-7"], "nowhere cannot be read"),
        ([*OF_ISSUER, "--api-key-file", "june/notes.txt", "--node", "node-7"], "an API key is expected"),
        ([*OF_ISSUER, "--api-key-file", "key", "--node", "node-7", "--from", "June"], "--from: a date such as"),
        ([*OF_ISSUER, "--api-key-file", "key", "--node", "node-7", "--to", "2026-06-01T00:00:00"], "--to: a date"),
        (["make", "--out", "june.zip", *OF_ISSUER[3:], "--api-key-file", "key", "--node", "node-7"], "exists already"),
    ],
)
def test_what_makes_no_sense_about_an_issuer_is_wrong_usage(june, capsys, arguments, word):
    (june / "key").write_text("gck_" + "A" * 43 + "\n")
    assert bundle(*arguments) == 64
    assert word in capsys.readouterr().err


def test_the_help_of_bundles_shows_examples(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["audit-bundle", "--help"])
    assert exit_.value.code == 0
    assert "green-verifier audit-bundle verify june.zip" in capsys.readouterr().out


def test_a_folder_of_evidence_tells_receipts_records_and_windows_apart(tmp_path, windows):
    folder_of(tmp_path / "x", files_of(windows[0]))
    found = load_folder(tmp_path / "x")
    assert isinstance(found, Evidence)
    assert len(found.credentials) == 3
    assert sum(name.endswith("#records") for name in found.attachments) == 3
