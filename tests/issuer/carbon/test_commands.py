"""``green-issuer carbon …`` beside a fake provider."""

from __future__ import annotations

import json
import re
import time

import pytest

from issuer.command import main
from schemas import times
from tests.fakes.grid import traps
from tests.fakes.grid.electricity_maps import TOKEN, FakeElectricityMaps

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def _text(moment_us):
    return times.render_claim(times.from_microseconds(moment_us))


@pytest.fixture
def now_us():
    return time.time_ns() // 1000


@pytest.fixture
def midnight_us(now_us):
    """The beginning of the day before yesterday."""
    return now_us // DAY_US * DAY_US - 2 * DAY_US


@pytest.fixture
def provider(now_us):
    with FakeElectricityMaps(now_us, zones=("DE",)) as server:
        yield server


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, provider):
    """Run a command on an issuer with one source and a cascade for Germany."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "grid.toml").write_text(
        f'[sources.em]\nprovider = "electricity-maps"\nbase_url = "{provider.url}"\n'
        f'token_file = "{tmp_path}/token"\nsettles_after_h = 1\n'
        '[regions.DE]\naverage = ["em:DE"]\n'
    )
    for variable in ("GREEN_ISSUER_CONFIG", "GREEN_ISSUER_PUBLIC_URL", "GREEN_ISSUER_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GREEN_ISSUER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GREEN_ISSUER_GRID_FILE", str(tmp_path / "grid.toml"))
    monkeypatch.chdir(tmp_path)

    def call(*words):
        try:
            code = main(list(words))
        except SystemExit as exit_:
            code = exit_.code
        out, err = capsys.readouterr()
        return code, out, err

    assert call("init", "--public-url", "http://localhost:8080", "--development")[0] == 0
    return call


def _json(result):
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_a_backfill_fetches_and_fetches_nothing_twice(run, provider, midnight_us):
    words = ("carbon", "backfill", "DEU", "--from", _text(midnight_us)[:10], "--to", _text(midnight_us + DAY_US))
    code, out, err = run(*words)
    assert code == 0, err
    assert "em:DE: day 1 of 1, 24 slots new or changed" in err
    assert "SOURCE" in out
    asked = len(provider.asked)
    assert asked
    (again,) = _json(run(*words, "--json"))
    assert (again["requests"], again["changed"]) == (0, 0)
    assert len(provider.asked) == asked


def test_a_lookup_with_a_time_says_what_would_be_claimed_and_by_which_slots(run, midnight_us):
    noon_us = midnight_us + 12 * HOUR_US
    assert run("carbon", "backfill", "DE", "--from", _text(noon_us), "--to", _text(noon_us + 2 * HOUR_US))[0] == 0
    found = _json(run("carbon", "lookup", "de", _text(noon_us), "--end", _text(noon_us + 2 * HOUR_US), "--json"))
    assert (found["region"], found["grid_region"], found["source"]) == ("DEU", "DE", "em")
    assert (found["tier"], found["granularity"], found["claim_status"]) == ("history", "PT1H", "final")
    assert [slot["start"] for slot in found["items"]] == [_text(noon_us), _text(noon_us + HOUR_US)]
    assert all(slot["reply_digest"] and slot["retrieved"] and slot["endpoint"] for slot in found["items"])
    code, out, _ = run("carbon", "lookup", "DEU", _text(noon_us))
    assert code == 0
    assert "final" in out
    assert "Source: Electricity Maps" in out


def test_a_lookup_says_why_a_source_was_passed_over(run, midnight_us):
    found = _json(run("carbon", "lookup", "DEU", _text(midnight_us), "--json"))
    assert found["passed_over"] == [{"source": "em", "zone": "DE", "reason": "it has no slot of the period"}]
    assert (found["tier"], found["claim_status"], found["source"]) == ("country-annual", "provisional", None)
    code, out, _ = run("carbon", "lookup", "DEU", _text(midnight_us))
    assert code == 0
    assert "Passed over: em:DE: it has no slot of the period" in out


def test_a_lookup_of_a_region_without_a_cascade_is_its_table(run, midnight_us):
    found = _json(run("carbon", "lookup", "FRA", _text(midnight_us), "--json"))
    assert (found["tier"], found["claim_status"], found["passed_over"]) == ("country-annual", "final", [])


def test_sources_are_shown_with_what_they_gave(run, midnight_us):
    (before,) = _json(run("carbon", "sources", "--json"))
    assert (before["source"], before["zone"], before["regions"], before["slots"]) == ("em", "DE", ["DEU"], 0)
    assert before["last_success"] is None
    run("carbon", "backfill", "DE", "--from", _text(midnight_us), "--to", _text(midnight_us + HOUR_US))
    (after,) = _json(run("carbon", "sources", "--json"))
    assert (after["slots"], after["settled"], after["settles_after_h"]) == (1, 1, 1)


def test_a_check_asks_each_source_and_says_what_it_said(run, provider):
    (row,) = _json(run("carbon", "sources", "--check", "--json"))
    assert row["check_ok"] is True
    assert re.match(r"([0-9]+) of \1 slots, newest [0-9.]+ g/kWh at ", row["check"])
    provider.always(traps.status(401))
    (row,) = _json(run("carbon", "sources", "--check", "--json"))
    assert row["check_ok"] is False
    assert row["check"].startswith("GRID_PROVIDER_UNAUTHORIZED")
    assert "token_file" in row["check_advice"]
    assert TOKEN not in json.dumps(row)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backfill", "FRA", "--from", "2026-01-01", "--to", "2026-01-02"), "grid_file has no region 'FRA'"),
        (("backfill", "DE", "--from", "2026-01-02", "--to", "2026-01-01"), "--to is not after --from"),
        (
            ("backfill", "DE", "--from", "2026-01-01", "--to", "2026-01-02", "--source", "en"),
            "the cascade of DE has no source 'en'",
        ),
        (("lookup", "DE", "2026-01-02", "--end", "2026-01-01"), "--end is not after"),
    ],
)
def test_what_cannot_be_done_is_refused(run, words, said):
    code, _, err = run("carbon", *words)
    assert code == 1
    assert said in err


def test_a_time_that_is_none_is_wrong_usage(run):
    code, _, err = run("carbon", "lookup", "DE", "yesterday")
    assert code == 64
    assert "2026-11-20T12:00:00Z" in err


def test_without_a_file_of_sources_its_commands_say_what_to_set(run, monkeypatch):
    monkeypatch.delenv("GREEN_ISSUER_GRID_FILE")
    code, _, err = run("carbon", "sources")
    assert code == 1
    assert "GREEN_ISSUER_GRID_FILE" in err


def test_a_lookup_without_a_time_needs_no_issuer(run, monkeypatch, tmp_path):
    monkeypatch.setenv("GREEN_ISSUER_DATA_DIR", str(tmp_path / "nowhere"))
    assert _json(run("carbon", "lookup", "DE", "--json"))["tier"] == "country-annual"
