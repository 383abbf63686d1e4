import json

import pytest

from agent.config import Settings
from agent.errors import MeasurementError, SettingsError
from agent.home import home
from agent.session import Session, open_session
from agent.spool import Spool
from did.errors import SignerError
from did.signers import generate_file_key
from schemas.telemetry import decode_telemetry
from tests.fakes.agent import FakeMeter, HandClock, new_signer
from tests.fakes.eventually import eventually

SIGNER = new_signer()


class Bench:
    """A session over one fake counter, in time that is moved by hand."""

    def __init__(self, tmp_path, signer=SIGNER, **options):
        self.clock = HandClock()
        self.meter = FakeMeter(self.clock, period_s=60.0, **options.pop("meter", {}))
        self.spool = Spool(tmp_path, self.clock)
        self.session = Session((self.meter,), "node-7", signer, self.spool, self.clock, **options)
        self.open = True

    def work(self, seconds, energy_mj):
        self.clock.advance(seconds)
        self.meter.energy_mj += energy_mj

    def records(self):
        if self.open:
            assert self.session.close()
        self.open = False
        return [decode_telemetry(self.spool.load(name)) for name in self.spool.pending()]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.records()


def test_what_was_measured_is_in_the_spool_signed(bench):
    running = bench.session.start("model-a", "i-1")
    bench.work(2, 7_200_000)
    result = bench.session.stop(running)
    (record,) = bench.records()

    assert result.energy_mj == record.energy_mj == 7_200_000
    assert (record.node_id, record.model_id, record.inference_id) == ("node-7", "model-a", "i-1")
    assert (record.method, record.simulated) == ("counter", False)


def test_without_an_id_each_gets_a_new_one(bench):
    first, second = bench.session.start("m"), bench.session.start("m")

    assert first.inference_id != second.inference_id
    assert first.inference_id[14] == "7"


def test_nested_measurements_do_not_count_twice(bench):
    outer = bench.session.start("m", "outer")
    bench.work(1, 100)
    inner = bench.session.start("m", "inner", outer)
    bench.work(1, 1000)
    bench.session.stop(inner)
    bench.session.stop(outer)

    assert {record.inference_id: record.energy_mj for record in bench.records()} == {"outer": 100, "inner": 1000}


def test_long_work_becomes_several_records_that_add_up(tmp_path):
    bench = Bench(tmp_path, slice_s=10)
    running = bench.session.start("m", "job")
    bench.work(4, 400)
    bench.session.tick()
    bench.work(7, 700)
    bench.session.tick()
    bench.work(10, 1000)
    bench.session.tick()
    bench.work(1, 50)
    bench.session.stop(running)
    records = sorted(bench.records(), key=lambda record: record.inference_id)

    assert [record.inference_id for record in records] == ["job~1", "job~2", "job~3"]
    assert [record.energy_mj for record in records] == [1100, 1000, 50]
    assert [record.timestamp for record in records[:-1]] == [record.period_start for record in records[1:]]


def test_short_work_keeps_its_id_as_it_is(bench):
    bench.work(1, 1)
    running = bench.session.start("m", "job")
    bench.session.tick()
    bench.work(1, 1)
    bench.session.stop(running)

    assert [record.inference_id for record in bench.records()] == ["job"]


@pytest.mark.parametrize(
    ("model_id", "inference_id"), [("<m>", "i"), ("", "i"), ("m", "a b"), ("m", ""), ("m", "i" * 121)]
)
def test_labels_that_no_record_can_carry_are_refused_before_the_work_starts(bench, model_id, inference_id):
    with pytest.raises(SettingsError, match="_id"):
        bench.session.start(model_id, inference_id)
    assert bench.meter.reads == 0


def test_a_figure_that_cannot_be_given_leaves_no_record(bench):
    bench.meter.broken = True
    running = bench.session.start("m", "i")
    bench.work(1, 1)
    with pytest.raises(MeasurementError):
        bench.session.stop(running)

    assert bench.records() == []


def test_what_was_discarded_leaves_no_record(bench):
    running = bench.session.start("m", "i")
    bench.session.discard(running)

    assert bench.records() == []


def test_a_simulated_meter_makes_every_record_say_so(tmp_path):
    bench = Bench(tmp_path, meter={"simulated": True, "method": "modelled"})
    running = bench.session.start("m", "i")
    bench.work(1, 5)
    bench.session.stop(running)
    (record,) = bench.records()

    assert bench.session.simulated
    assert (record.simulated, record.method) == (True, "modelled")


def test_a_flag_is_told_once(bench, caplog):
    for number in range(3):
        running = bench.session.start("m", f"i-{number}")
        bench.work(0.01, 1)
        bench.session.stop(running)

    told = [entry for entry in caplog.records if getattr(entry, "flag", "") == "shorter-than-tick"]
    assert len(told) == 1


def test_a_key_that_signs_no_telemetry_is_refused_at_the_start(tmp_path):
    with pytest.raises(SettingsError, match="P-256"):
        Bench(tmp_path, signer=new_signer("ES384"))


def test_the_meters_are_sampled_while_something_runs(tmp_path):
    clock = HandClock()
    meter = FakeMeter(clock, period_s=0.005)
    session = Session((meter,), "node-7", SIGNER, Spool(tmp_path, clock), clock)
    running = session.start("m")

    assert eventually(lambda: meter.reads > 4)
    clock.advance(1)
    meter.energy_mj += 1
    session.stop(running)
    session.close()
    assert meter.closed


class Outbox:
    """Counts what it is told."""

    def __init__(self):
        self.woken, self.closed = 0, []

    def wake(self):
        self.woken += 1

    def close(self, within_s):
        self.closed.append(within_s)
        return True


def test_the_outbox_is_woken_for_each_record_and_closed_after_the_last(tmp_path):
    outbox = Outbox()
    bench = Bench(tmp_path, outbox=outbox)
    running = bench.session.start("m")
    bench.work(1, 1)
    bench.session.stop(running)
    bench.session.close(send_within_s=3)
    bench.open = False

    assert (outbox.woken, outbox.closed) == (1, [3])


@pytest.fixture
def place(tmp_path):
    made = home({"GREEN_AGENT_HOME": str(tmp_path / "agent")})
    made.folder.mkdir()
    return made


def settings_for(place, **changes):
    members = {"issuer": "https://oracle.example", "node_id": "node-7", "meter": "simulator"}
    return Settings(**members | {"key": f"file:{place.key_file}"} | changes)


def test_a_session_opens_from_the_settings(place):
    generate_file_key(place.key_file, "EdDSA")
    session = open_session(settings_for(place), place, {}, background=False)
    session.stop(session.start("m", "i"))
    assert session.close()

    (kept,) = (place.spool / "pending").iterdir()
    assert json.loads(kept.read_bytes())["simulated"] is True


def test_a_node_that_is_not_enrolled_has_no_session(place):
    with pytest.raises(SettingsError, match="enroll"):
        open_session(settings_for(place, node_id=""), place, {}, background=False)


def test_a_node_without_its_key_has_no_session(place):
    with pytest.raises(SignerError):
        open_session(settings_for(place), place, {}, background=False)
