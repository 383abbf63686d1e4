"""What the command line remembers from one run to the next: the newest status lists, and where they lie."""

import json
import os

import pytest

from tests.fakes.verifier import INDEX, LISTS, World, fetched, put
from verifier import cli
from verifier.folder import load_folder, save

LATER = "2026-11-20T20:30:00Z"
AT = ("--at", "2026-11-20T21:00:00Z")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a credential, the evidence of two days, of which the later revokes it, and a pinned key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GREEN_VERIFIER_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    old, new = World(), World(bits={"revocation": {INDEX}})
    later = new.status_list("revocation", put("issuanceDate", LATER), created=LATER)
    new.overrides[LISTS["revocation"]] = fetched(LISTS["revocation"], later)
    save(old.evidence(), tmp_path / "old")
    save(new.evidence(), tmp_path / "new")
    (tmp_path / "credential.json").write_text(json.dumps(old.credential()))
    pin = {"pinned_keys": {old.issuer.did: [old.issuer.key.public_key.thumbprint_uri]}}
    (tmp_path / "policy.json").write_text(json.dumps(pin))
    return tmp_path


def verify(day, *options, pinned=True):
    known = ("--policy", "policy.json") if pinned else ("--trust-evidence",)
    return cli.main(["verify", "credential.json", "--json", "--offline", "--evidence", day, *known, *AT, *options])


def reported(capsysbinary):
    return json.loads(capsysbinary.readouterr().out.splitlines()[-1])


def test_an_older_list_does_not_hide_what_an_earlier_run_has_seen(place, capsysbinary):
    assert (verify("old"), verify("new"), verify("old")) == (0, 1, 1)
    report = reported(capsysbinary)
    assert report["problem"] == "REVOKED"
    status = next(check for check in report["checks"] if check["step"] == "status")
    assert "STATUS_ROLLED_BACK" in {finding.get("problem") for finding in status["findings"]}
    assert (place / "home" / "green-verifier" / "status-lists").is_dir()


def test_the_folder_can_be_named_and_memory_can_be_left_out(place):
    assert verify("new", "--state", "mine") == 1
    assert verify("old", "--state", "mine") == 1
    assert verify("old", "--state", "other") == 0
    assert verify("old", "--no-state") == 0
    assert not (place / "home").exists()


def test_the_folder_of_the_settings_is_used(place, monkeypatch):
    monkeypatch.setenv("GREEN_VERIFIER_STATE_DIR", str(place / "set"))
    assert (verify("new"), verify("old")) == (1, 1)
    assert (place / "set" / "status-lists").is_dir()


def test_without_memory_nothing_is_written(place):
    verify("new", "--no-state")
    assert not (place / "home").exists()


def test_both_at_once_are_wrong_usage(place, capsys):
    assert verify("old", "--state", "mine", "--no-state") == cli.USAGE
    assert "--no-state" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_stops_no_verification(place, capsys):
    (place / "file").write_text("")
    assert verify("old", "--state", "file") == 0
    assert "note: status lists cannot be remembered in file" in capsys.readouterr().err


def test_a_damaged_memory_stops_no_verification(place, capsys):
    verify("new")
    for file in (place / "home" / "green-verifier" / "status-lists").glob("*.known-list"):
        file.write_bytes(b"{")
    capsys.readouterr()
    assert verify("old") == 0
    assert "is damaged" in capsys.readouterr().err


def test_what_a_trusted_folder_says_is_not_remembered(place):
    assert verify("new", pinned=False) == 1
    assert verify("old") == 0


def test_a_user_without_a_home_is_told(place, monkeypatch, capsys):
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert verify("old") == 0
    assert "--state DIR" in capsys.readouterr().err


def test_saved_evidence_holds_what_was_remembered_so_that_the_verdict_can_be_made_again(place, capsysbinary):
    verify("new")
    assert verify("old", "--save-evidence", "kept") == 1
    first = reported(capsysbinary)
    assert load_folder(place / "kept").remembered
    assert verify("kept", "--no-state") == 1
    assert reported(capsysbinary)["checks"] == first["checks"]


def test_a_later_memory_does_not_change_a_verdict_for_an_earlier_time(place):
    assert verify("new") == 1
    assert verify("old", "--at", "2026-11-20T20:10:00Z") == 0


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_the_ends_of_the_calendar_get_a_verdict(place, at):
    assert verify("old", "--at", at) in {0, 1, 2}
