"""``nodes update`` and the options by which an operator states what a node claims."""

import json

import pytest

from issuer.command import main
from tests.fakes.issuer import node_signer

ADDRESS = "http://localhost:8080"
EMBODIED = ("--embodied-gco2e", "1500000", "--embodied-lifetime-hours", "35064", "--embodied-source", "PCF 2025")
MARKET = (
    "--market-intensity",
    "24.6",
    "--market-instrument",
    "https://registry.example/eac/8841",
    "--market-from",
    "2026-11-01T00:00:00Z",
    "--market-until",
    "2026-12-01T00:00:00Z",
)
CALIBRATION = (
    "--calibration-percent",
    "0.7",
    "--calibration-date",
    "2026-03-31",
    "--calibration-reference",
    "PDU 4711",
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command on an issuer that has the node node-7; returns exit code, standard output and error."""
    for variable in ("GREEN_ISSUER_CONFIG", "GREEN_ISSUER_PUBLIC_URL", "GREEN_ISSUER_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GREEN_ISSUER_DATA_DIR", str(tmp_path / "data"))
    key = tmp_path / "node.jwk.json"
    key.write_text(json.dumps(node_signer().public_key.jwk))

    def call(*words):
        try:
            code = main(list(words))
        except SystemExit as exit_:
            code = exit_.code
        out, err = capsys.readouterr()
        return code, out, err

    assert call("init", "--public-url", ADDRESS, "--development")[0] == 0
    assert call("tenants", "add", "acme", "--name", "Acme")[0] == 0
    added = call("nodes", "add", "node-7", "--tenant", "acme", "--region", "DEU", "--tdp-w", "700", "--key", str(key))
    assert added[0] == 0, added
    return call


def updated(run, *words):
    code, out, err = run("nodes", "update", "node-7", *words, "--json")
    assert code == 0, err
    return json.loads(out)


def refused(run, *words):
    code, _, err = run("nodes", "update", "node-7", *words)
    assert code != 0
    return err


def test_what_is_stated_of_a_node_is_shown_with_it(run):
    shown = updated(run, *EMBODIED, *MARKET, *CALIBRATION, "--pue", "1.2", "--pue-uncertainty", "1.5")
    assert shown["claims"] == {
        "embodied": {"total_gco2e": "1500000", "lifetime_hours": 35064, "source": "PCF 2025"},
        "market_based": {
            "gco2e_per_kwh": "24.6",
            "instrument": "https://registry.example/eac/8841",
            "valid_from": "2026-11-01T00:00:00Z",
            "valid_until": "2026-12-01T00:00:00Z",
        },
        "calibration": {"standard_percent": "0.7", "date": "2026-03-31", "reference": "PDU 4711"},
        "pue_standard_percent": "1.5",
    }


def test_one_part_changes_and_the_others_stay(run):
    updated(run, *EMBODIED, *MARKET, "--pue", "1.2", "--pue-kind", "metered", "--pue-source", "operator")
    shown = updated(run, "--tdp-w", "800", *CALIBRATION)
    assert (shown["tdp_w"], shown["pue_kind"], shown["grid_region"]) == (800, "metered", "DEU")
    assert set(shown["claims"]) == {"embodied", "market_based", "calibration"}


def test_each_part_can_be_taken_away(run):
    updated(run, *EMBODIED, *MARKET, *CALIBRATION, "--pue", "1.2", "--pue-uncertainty", "1.5")
    assert set(updated(run, "--no-market")["claims"]) == {"embodied", "calibration", "pue_standard_percent"}
    shown = updated(run, "--no-pue", "--no-embodied", "--no-calibration")
    assert (shown["claims"], shown["pue"]) == (None, None)


def test_a_new_pue_leaves_no_source_of_the_old_one(run):
    updated(run, "--pue", "1.2", "--pue-kind", "metered", "--pue-source", "operator, 2025")
    shown = updated(run, "--pue", "1.1")
    assert (shown["pue"], shown["pue_kind"], shown["pue_source"]) == ("1.1", None, None)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (EMBODIED[:2], "--embodied-lifetime-hours, --embodied-source: missing"),
        (MARKET[:6], "--market-until: missing"),
        (CALIBRATION[2:], "--calibration-percent: missing"),
        ((*EMBODIED, "--no-embodied"), "--no-embodied"),
        (("--pue", "1.2", "--no-pue"), "--no-pue"),
        (("--pue-kind", "metered"), "--pue: missing"),
        (("--pue-uncertainty", "2"), "pue: missing"),
        (("--pue", "0.9"), "pue: 0.9"),
        (("--region", "Atlantis"), "Atlantis"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(run, words, named):
    before = run("nodes", "show", "node-7", "--json")[1]
    assert named in refused(run, *words)
    assert run("nodes", "show", "node-7", "--json")[1] == before


def test_an_unknown_node_is_said_to_be_so(run):
    code, _, err = run("nodes", "update", "node-8", "--pue", "1.2")
    assert code != 0
    assert "node-8" in err


def test_an_invitation_settles_it_too(run):
    words = ("--tenant", "acme", "--region", "DEU", "--tdp-w", "700", *EMBODIED)
    assert run("nodes", "invite", "node-9", *words)[0] == 0
    code, _, err = run("nodes", "invite", "node-10", *words[:-1], "")
    assert code != 0
    assert "embodied.source" in err


def test_help_has_an_example(run):
    code, out, _ = run("nodes", "update", "--help")
    assert code == 0
    assert "green-issuer nodes update node-7 --pue" in out
    assert "--embodied-gco2e" in out
