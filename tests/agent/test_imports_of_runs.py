"""Runs into the spool: each once, whatever happens in between; and the command."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from agent.codecarbon import read_runs
from agent.errors import SpoolBusyError, SpoolFullError
from agent.files import held
from agent.imports import import_runs
from agent.spool import Spool
from schemas.telemetry import decode_telemetry
from tests.agent.codecarbon_files import NOW, file_of, line
from tests.fakes.agent import HandClock, loopback_issuer, new_signer
from tests.fakes.agent_programs import AgentHome

SIGNER = new_signer()


def runs_of(*lines, **options):
    return read_runs(file_of(*lines), now=NOW, zone=lambda local: local.replace(tzinfo=UTC), **options).runs


class Place:
    def __init__(self, folder, max_bytes=10**9):
        self.folder = folder / "imports"
        self.spool = Spool(folder / "spool", HandClock(), max_bytes=max_bytes)

    def take(self, runs, **options):
        return import_runs(runs, folder=self.folder, node_id="node-7", signer=SIGNER, spool=self.spool, **options)

    def records(self):
        return [decode_telemetry(self.spool.load(name)) for name in self.spool.pending()]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_run_becomes_a_signed_record_of_the_node(place):
    place.take(runs_of(line()))
    (record,) = place.records()

    assert record.node_id == "node-7"
    assert record.inference_id == "codecarbon:00000000-0000-4000-8000-000000000001"
    assert (record.energy_mj, record.method, record.simulated) == (194_400_000, "integrated", False)
    assert record.timestamp == datetime(2026, 11, 20, 19, 0, 4, tzinfo=UTC)


def test_the_same_file_twice_sends_nothing_new(place):
    first = place.take(runs_of(line(), line(run_id="b")))
    for name in place.spool.pending():
        place.spool.acknowledge(name)
    second = place.take(runs_of(line(), line(run_id="b"), line(run_id="c")))

    assert [len(first.new), len(first.known)] == [2, 0]
    assert ([run.run_id for run in second.new], len(second.known)) == (["c"], 2)
    assert [record.inference_id for record in place.records()] == ["codecarbon:c"]


def test_another_figure_for_an_imported_run_is_refused(place):
    place.take(runs_of(line()))
    again = place.take(runs_of(line(gpu_energy="0.06")))

    assert again.new == []
    assert "imported before, and it said something else" in again.refused[0].reason
    assert len(place.records()) == 1


def test_a_run_that_was_kept_and_not_noted_is_kept_again_under_the_same_name(place):
    place.take(runs_of(line()))
    before = place.spool.pending()
    (place.folder / "codecarbon.jsonl").write_bytes(b'{"inference_id":"codecarb')
    place.take(runs_of(line()))
    again = place.take(runs_of(line()))

    assert place.spool.pending() == before
    assert len(again.known) == 1


def test_a_dry_run_keeps_nothing(place):
    done = place.take(runs_of(line()), dry_run=True)

    assert len(done.new) == 1
    assert place.records() == []
    assert not place.folder.exists()


def test_a_full_spool_stops_the_import_and_the_next_one_goes_on(tmp_path):
    full = Place(tmp_path, max_bytes=4096)
    with pytest.raises(SpoolFullError):
        full.take(runs_of(line(), line(run_id="b")))
    done = Place(tmp_path).take(runs_of(line(), line(run_id="b")))

    assert ([run.run_id for run in done.new], len(done.known)) == (["b"], 1)


def test_two_imports_at_once_do_not_mix(place):
    place.take([])
    with held(place.folder / "importing", ""), pytest.raises(SpoolBusyError):
        place.take(runs_of(line()))


def recent(**changes):
    moment = datetime.now(UTC) - timedelta(hours=1)
    return line(timestamp=moment.strftime("%Y-%m-%dT%H:%M:%S"), **changes)


def test_the_command_imports_and_submit_sends(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_bytes(file_of(recent(), recent(run_id="no-gpu", gpu_energy="0")))
    with loopback_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        words = ("import", "codecarbon", str(path), "--timezone", "UTC")
        tried = home.run(*words, "--dry-run")
        nothing = home.records()
        ran = home.run(*words, "--json")
        again = home.run(*words)
        sent = home.run("submit")

    assert tried.returncode == ran.returncode == again.returncode == 1
    assert "1 would be imported, 0 imported before, 1 refused" in tried.stdout
    assert nothing == []
    told = json.loads(ran.stdout)
    assert [run["energy_mj"] for run in told["imported"]] == [194_400_000]
    assert [refusal["line"] for refusal in told["refused"]] == [3]
    assert "line 3: refused: no gpu_energy" in again.stdout
    assert "0 imported, 1 imported before, 1 refused" in again.stdout
    assert sent.returncode == 0, sent.stdout
    assert issuer.accepted == ["codecarbon:00000000-0000-4000-8000-000000000001"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["codecarbon", "nowhere.csv"], "No such file"),
        (["codecarbon", "/dev/zero"], "is no file"),
        (["codecarbon", "FILE", "--timezone", "Mars/Base"], "is no zone"),
        (["codecarbon", "FILE", "--timezone", "../../etc/passwd"], "is no zone"),
        (["kepler", "FILE"], "invalid choice"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, words, said):
    path = tmp_path / "emissions.csv"
    path.write_bytes(file_of(recent()))
    ran = AgentHome(tmp_path / "home").run("import", *(str(path) if word == "FILE" else word for word in words))

    assert ran.returncode == 64
    assert said in ran.stderr
