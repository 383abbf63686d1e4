"""``green-issuer carbon reissue`` and ``credentials show`` on an issuer whose slots have settled."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from issuer.command import main
from issuer.store import Store
from schemas import times
from tests.fakes.issuer import PUBLIC_URL, FixedClock
from tests.fakes.reissuing import Reissuing

GRID = """
[sources.em]
provider = "electricity-maps"
base_url = "http://127.0.0.1:9"
token_file = "{folder}/token"

[regions.CAMX]
average = ["em:DE"]
"""


@pytest.fixture
def run(site_url, tmp_path, monkeypatch, capsys):
    (tmp_path / "token").write_text("none")
    (tmp_path / "grid.toml").write_text(GRID.format(folder=tmp_path))
    monkeypatch.delenv("GREEN_ISSUER_CONFIG", raising=False)
    for name, value in (("PUBLIC_URL", PUBLIC_URL), ("DATABASE_URL", site_url), ("GRID_FILE", tmp_path / "grid.toml")):
        monkeypatch.setenv(f"GREEN_ISSUER_{name}", str(value))
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = main(list(words))
        return code, *capsys.readouterr()

    return call


def issue(site_url, count=2):
    """Issue provisional credentials of yesterday's records, whose slots have settled since."""

    async def work():
        store = Store.open(site_url)
        clock = FixedClock(datetime.now(UTC).replace(microsecond=0) - timedelta(days=1))
        place = Reissuing.over(store, clock)
        await place.estimate()
        ended = times.render_claim(clock.now() - timedelta(seconds=1))
        made = [await place.record(f"inference-{number}", timestamp=ended) for number in range(count)]
        await place.settle()
        await store.close()
        return [f"{PUBLIC_URL}/credentials/{one.id}" for one in made]

    return asyncio.run(work())


def test_a_dry_run_lists_what_would_be_superseded_and_a_run_supersedes_it(site_url, run):
    made = issue(site_url)
    code, out, _ = run("carbon", "reissue", "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["settled"], told["reissued"]) == (0, 2, 0)
    assert sorted(one["credential"] for one in told["items"]) == sorted(made)
    code, out, _ = run("carbon", "reissue")
    assert code == 0
    assert "2 reissued" in out
    assert all(url in out for url in made)
    assert json.loads(run("carbon", "reissue", "--json")[1])["reissued"] == 0


def test_no_more_are_superseded_than_asked_for(site_url, run):
    issue(site_url, 3)
    assert json.loads(run("carbon", "reissue", "--limit", "1", "--json")[1])["reissued"] == 1
    assert json.loads(run("carbon", "reissue", "--json")[1])["reissued"] == 2


def test_without_sources_it_says_what_to_do(run, monkeypatch):
    monkeypatch.delenv("GREEN_ISSUER_GRID_FILE")
    code, _, err = run("carbon", "reissue")
    assert code == 1
    assert "grid_file" in err


def test_a_credential_is_shown_with_what_it_supersedes_and_is_superseded_by(site_url, run):
    (old,) = issue(site_url, 1)
    shown = json.loads(run("credentials", "show", old, "--json")[1])
    assert (shown["status"], shown["claim_status"], shown["superseded_by"]) == ("valid", "provisional", None)
    run("carbon", "reissue")
    new = json.loads(run("credentials", "show", "inference-0", "--tenant", "acme", "--json")[1])
    assert (new["status"], new["claim_status"], new["supersedes"]) == ("valid", "final", old)
    shown = json.loads(run("credentials", "show", old, "--json")[1])
    assert (shown["status"], shown["superseded_by"]) == ("superseded", new["id"])
    assert "status: superseded" in run("credentials", "show", old)[1]


def test_who_revokes_the_old_one_by_hand_is_told_which_one_is_meant(site_url, run):
    (old,) = issue(site_url, 1)
    run("carbon", "reissue")
    new = json.loads(run("credentials", "show", old, "--json")[1])["superseded_by"]
    code, _, err = run("revoke", old)
    assert code == 1
    assert new.rpartition("/")[2] in err
    assert run("revoke", "inference-0", "--tenant", "acme")[0] == 0
    assert json.loads(run("credentials", "show", new, "--json")[1])["status"] == "revoked"
