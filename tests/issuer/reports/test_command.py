"""``green-issuer export esrs`` and ``certificates list --kind``, on the database of a service."""

import asyncio
import csv
import io
import json

import pytest

from issuer.command import main
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.window_node import WindowNode, post_window


@pytest.fixture
async def run(site, monkeypatch, capsysbinary):
    """Run a command on the site's database; returns exit code, standard output and error."""
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", PUBLIC_URL)

    async def call(*words):
        def command():
            try:
                return main([*words, "--database-url", site.settings.database_url])
            except SystemExit as exit_:
                return exit_.code

        # What the service beside it has logged.
        capsysbinary.readouterr()
        code = await asyncio.to_thread(command)
        out, err = capsysbinary.readouterr()
        return code, out, err.decode()

    return call


async def test_the_table_is_that_of_the_service(site, run):
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    code, out, _ = await run("export", "esrs", "--tenant", "acme", "--period", "2026-11", "--granularity", "day")
    assert code == 0
    assert out == (await site.get("/api/v1/compliance/esrs", period="2026-11", granularity="day")).content
    (row,) = csv.DictReader(io.StringIO(out.decode(), newline=""))
    assert row["inferences"] == "2"
    code, out, _ = await run(
        "export", "esrs", "--tenant", "acme", "--since", "2026-11-20", "--until", "2026-11-21", "--json"
    )
    report = json.loads(out)
    assert (code, len(report["rows"]), report["granularity"]) == (0, 1, "month")
    assert report["codes"][0]["edition"] == "Delegated Regulation (EU) 2023/2772"


async def test_a_long_one_says_on_standard_error_how_far_it_is_and_a_short_one_nothing(site, run):
    code, out, err = await run("export", "esrs", "--period", "2026-11-20", "--granularity", "hour")
    assert (code, err, out.count(b"\r\n")) == (0, "", 1)
    code, _, err = await run("export", "esrs", "--period", "2026-11", "--granularity", "hour")
    assert code == 0
    assert err.splitlines() == [*(f"slot {number} of 720" for number in range(100, 800, 100)), "slot 720 of 720"]


async def test_a_file_is_written_and_no_other_overwritten(site, run, tmp_path):
    await site.telemetry()
    name = str(tmp_path / "report.csv")
    code, out, _ = await run("export", "esrs", "--period", "2026", "--output", name)
    assert (code, out) == (0, b"")
    assert (tmp_path / "report.csv").read_text().count("\n") == 2
    code, _, err = await run("export", "esrs", "--period", "2026", "--output", name)
    assert code == 1
    assert "is there already" in err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 1, "--period 2026-10"),
        (["--period", "2026", "--since", "2026-01-01"], 1, "--period 2026-10"),
        (["--since", "2026-01-01"], 1, "--until"),
        (["--period", "october"], 64, "2026-10"),
        (["--period", "2026", "--granularity", "minute"], 64, "minute"),
        (["--period", "2026", "--tenant", "nobody"], 1, "tenants list"),
        (["--since", "2000-01-01", "--until", "2026-01-01", "--granularity", "hour"], 1, "shorter period"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_what_to_do(run, words, code, told):
    found, out, err = await run("export", "esrs", *words)
    assert (found, b"period_start" in out) == (code, False)
    assert told in err


async def test_credentials_of_windows_and_of_inferences_are_listed_apart(site, run):
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    await site.telemetry(inference_id="posted")
    for kind, expected in (("window", "GreenComputeWindowCredential"), ("inference", "GreenComputeCredential")):
        code, out, _ = await run("certificates", "list", "--kind", kind, "--json")
        assert code == 0
        assert [item["type"] for item in json.loads(out)["items"]] == [expected]
    _, out, _ = await run("certificates", "list", "--json")
    assert len(json.loads(out)["items"]) == 2
