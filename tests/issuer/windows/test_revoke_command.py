"""``green-issuer revoke`` and its like, where a window is behind the credential or the inference."""

import asyncio
import csv
import json
from datetime import timedelta

import pytest

from issuer.command import main
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.window_node import WindowNode, post_window

_YEARS = timedelta(days=365 * 3)
"""Commands have a real clock, so what they issue must have ended before it."""


@pytest.fixture
def command(monkeypatch, capsys):
    """Run green-issuer beside a running site, as its operator does; returns exit code, standard output and error."""
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", PUBLIC_URL)

    async def call(site, *words):
        given = [*words, "--database-url", site.settings.database_url]
        capsys.readouterr()
        code = await asyncio.to_thread(main, given)
        out, err = capsys.readouterr()
        return code, out, err

    return call


async def windowed(site):
    """Post a window of three inferences and return its credential's URL."""
    site.clock.advance(-_YEARS)
    node = WindowNode()
    node.chain.wall_us -= _YEARS // timedelta(microseconds=1)
    answer = await post_window(site, node.zipped(node.records(3)))
    assert answer.status_code == 201, answer.text
    return answer.json()["credential"]


async def said(site):
    """Return the status of each inference as the export has it."""
    table = csv.DictReader((await site.get("/api/v1/compliance/export")).text.splitlines())
    return [row["status"] for row in table]


@pytest.mark.parametrize(("action", "status"), [("revoke", "revoked"), ("suspend", "suspended")])
async def test_an_inference_without_a_credential_gets_one_that_bears_the_decision(any_site, command, action, status):
    window = await windowed(any_site)
    words = (action, "inference-1", "--tenant", "acme", "--reason", "wired wrong")
    code, out, err = await command(any_site, *words, "--json")
    assert code == 0, err
    first = json.loads(out[out.index("{") :])
    assert (first["changed"], first["made"], first["window_credential"]) == (True, True, window)
    assert await said(any_site) == ["valid", status, "valid"]
    assert (await any_site.get("/api/v1/certificate/inference-1/vc")).json()["id"] == first["id"]
    code, out, _ = await command(any_site, *words, "--json")
    again = json.loads(out[out.index("{") :])
    assert (again["id"], again["changed"], again["made"]) == (first["id"], False, False)


async def test_the_command_says_that_receipts_handed_out_before_still_verify_and_how_to_end_that(any_site, command):
    window = await windowed(any_site)
    code, out, _ = await command(any_site, "revoke", "inference-1", "--tenant", "acme")
    assert code == 0
    for part in ("made for it", "handed out", f"green-issuer revoke {window}"):
        assert part in out
    code, out, _ = await command(any_site, "revoke", window)
    assert code == 0
    assert "credentials made for its inferences" in out
    assert await said(any_site) == ["revoked"] * 3


async def test_an_inference_of_a_revoked_window_is_said_to_be_revoked_with_it(any_site, command):
    window = await windowed(any_site)
    assert (await command(any_site, "revoke", window))[0] == 0
    code, _, err = await command(any_site, "revoke", "inference-1", "--tenant", "acme")
    assert code == 1
    assert f"{window}, was revoked" in err


async def test_nothing_is_made_to_be_reinstated_and_the_place_of_the_inference_is_said(any_site, command):
    window = await windowed(any_site)
    code, _, err = await command(any_site, "reinstate", "inference-2", "--tenant", "acme")
    assert code == 1
    assert f"record 2 of the window of {window}" in err
    assert len((await any_site.get("/api/v1/certificates")).json()["items"]) == 1


async def test_a_posted_inference_is_revoked_without_a_word_of_windows(site, command):
    assert (await site.telemetry()).status_code == 201
    listed = (await site.get("/api/v1/certificates")).json()["items"]
    code, out, _ = await command(site, "revoke", listed[0]["inference_id"], "--tenant", "acme")
    assert (code, "window" in out) == (0, False)
