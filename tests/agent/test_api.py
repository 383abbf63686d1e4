import asyncio
import logging
import os
import subprocess
import sys

import pytest

import agent
from agent.api import measure
from agent.errors import MeasurementError, SettingsError
from agent.measurement import UNCOUNTED, Counts
from agent.session import Running, Session
from agent.spool import Spool
from schemas.telemetry import decode_telemetry
from tests.fakes.agent import FakeMeter, HandClock, measurement, new_signer
from tests.vectors import ROOT

SIGNER = new_signer()


class Bench:
    """A session to measure with, and what became of it."""

    def __init__(self, tmp_path):
        self.clock = HandClock()
        self.meter = FakeMeter(self.clock, period_s=60.0)
        self.spool = Spool(tmp_path, self.clock)
        self.session = Session((self.meter,), "node-7", SIGNER, self.spool, self.clock)

    def work(self, seconds=1.0, energy_mj=100):
        self.clock.advance(seconds)
        self.meter.energy_mj += energy_mj

    def measure(self, model_id="model", inference_id=None):
        return measure(model_id, inference_id, session=self.session)

    def records(self):
        self.session.close()
        return [decode_telemetry(self.spool.load(name)) for name in self.spool.pending()]

    def energies(self):
        return {record.inference_id: record.energy_mj for record in self.records()}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_block_is_measured_and_recorded(bench):
    with bench.measure(inference_id="i-1") as measured:
        bench.work(2, 500)

    assert (measured.result.energy_mj, measured.problem) == (500, None)
    assert measured.stored(10) == bench.spool.pending()
    assert bench.energies() == {"i-1": 500}


def test_the_id_is_known_inside_the_block(bench):
    with bench.measure() as measured:
        assert len(measured.inference_id) == 36


def test_blocks_nest_without_counting_twice(bench):
    with bench.measure(inference_id="outer"):
        bench.work(1, 10)
        with bench.measure(inference_id="inner"):
            bench.work(1, 1000)
        bench.work(1, 5)

    assert bench.energies() == {"inner": 1000, "outer": 15}


def test_a_block_that_raises_used_energy_too_and_is_recorded(bench):
    @bench.measure()
    def fail():
        bench.work(1, 77)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()

    assert list(bench.energies().values()) == [77]


def test_what_goes_wrong_while_measuring_never_reaches_the_work(bench, caplog):
    with bench.measure() as measured:
        bench.meter.bug = RuntimeError("nobody expected this")
    assert measured.result is None
    assert "measuring failed" in caplog.text

    bench.meter.bug = None
    with bench.measure(inference_id="next"):
        bench.work(1, 60)
    assert bench.energies() == {"next": 60}


def test_a_meter_that_never_answers_leaves_a_problem_and_no_result(bench):
    bench.meter.broken = True
    with bench.measure() as measured:
        bench.work()

    assert measured.result is None
    assert isinstance(measured.problem, MeasurementError)


def test_a_function_is_measured_at_each_call(bench):
    @bench.measure()
    def infer(x, *, y):
        """Say x and y."""
        bench.work(1, 30)
        return x + y

    assert infer(1, y=2) == 3
    assert infer(3, y=4) == 7
    assert (infer.__name__, infer.__doc__) == ("infer", "Say x and y.")
    assert list(bench.energies().values()) == [30, 30]


def test_a_recursive_function_measures_each_level_by_itself(bench):
    @bench.measure()
    def descend(levels):
        bench.work(1, 10)
        if levels:
            descend(levels - 1)

    descend(2)
    assert list(bench.energies().values()) == [10, 10, 10]


def test_a_decorated_function_cannot_have_one_id_for_all_its_calls(bench):
    with pytest.raises(SettingsError, match="leave inference_id out"):
        bench.measure(inference_id="i-1")(print)


def test_a_generator_is_measured_from_its_first_to_its_last_item(bench):
    @bench.measure()
    def tokens():
        for token in "abc":
            bench.work(1, 10)
            yield token

    assert list(tokens()) == ["a", "b", "c"]
    assert list(bench.energies().values()) == [30]


async def test_async_with_measures_too(bench):
    async with bench.measure(inference_id="i-1"):
        await asyncio.sleep(0)
        bench.work(1, 40)

    assert bench.energies() == {"i-1": 40}


async def test_a_coroutine_function_is_measured_at_each_call(bench):
    @bench.measure()
    async def infer():
        await asyncio.sleep(0)
        bench.work(1, 50)
        return "answer"

    assert await infer() == "answer"
    assert list(bench.energies().values()) == [50]


async def test_an_async_generator_is_measured_to_its_end(bench):
    @bench.measure()
    async def tokens():
        for token in "ab":
            bench.work(1, 10)
            yield token

    assert [token async for token in tokens()] == ["a", "b"]
    assert list(bench.energies().values()) == [20]


async def test_tasks_at_once_share_the_energy_and_the_sum_is_what_was_counted(bench):
    started = asyncio.Barrier(4)

    async def request(number):
        async with bench.measure(inference_id=f"i-{number}"):
            await started.wait()
            await ended.wait()

    ended = asyncio.Event()
    tasks = [asyncio.create_task(request(number)) for number in range(3)]
    await started.wait()
    bench.work(1, 1000)
    ended.set()
    await asyncio.gather(*tasks)
    records = bench.records()

    assert sorted(record.energy_mj for record in records) == [333, 333, 334]
    assert {record.method for record in records} == {"partition-estimate"}


async def test_tasks_inside_a_block_take_their_share_from_it(bench):
    async def request(number):
        async with bench.measure(inference_id=f"inner-{number}"):
            bench.work(1, 100)

    async with bench.measure(inference_id="outer"):
        bench.work(1, 7)
        await asyncio.gather(request(1), request(2))

    assert bench.energies() == {"inner-1": 100, "inner-2": 100, "outer": 7}


def test_a_block_cannot_be_entered_twice_at_once(bench):
    block = bench.measure()
    with block, pytest.raises(SettingsError, match="runs already"), block:
        pass


def test_a_block_may_be_entered_again_after_it_was_left(bench):
    block = bench.measure(inference_id="i-1")
    for _ in range(2):
        with block:
            bench.work(1, 1)

    assert len(bench.records()) == 2


def test_without_the_daemon_tokens_are_refused_loudly_and_the_block_is_recorded_all_the_same(bench):
    with bench.measure(inference_id="i-1") as measured:
        bench.work(1, 60)
        for name in ("input_tokens", "output_tokens"):
            with pytest.raises(SettingsError, match=rf"{name}: a posted record has no place for it; run green-agent"):
                setattr(measured, name, 812)

    assert (measured.input_tokens, measured.output_tokens) == (None, None)
    assert bench.energies() == {"i-1": 60}


def test_without_the_daemon_a_tenant_is_refused_before_anything_is_measured(bench):
    with (
        pytest.raises(SettingsError, match=r"tenant: a posted record has no place"),
        measure("m", tenant="acme", session=bench.session),
    ):
        bench.work()

    assert bench.energies() == {}


def test_without_the_daemon_a_session_takes_no_counts(bench):
    with pytest.raises(SettingsError, match="tokens"):
        bench.session.stop(bench.session.start("m"), Counts(input_tokens=1))


class Windowed:
    """What measures by windows: it remembers what it was told."""

    simulated = True
    has_room_for_counts = True

    def __init__(self):
        self.tenants, self.counts = [], []

    def start(self, model_id, inference_id=None, parent=None, tenant_id=None):
        self.tenants.append(tenant_id)
        return Running(model_id, inference_id or "i-1", None)

    def stop(self, running, counts=UNCOUNTED):
        self.counts.append(counts)
        return measurement()

    def discard(self, running):
        """Do nothing."""

    def close(self, *, send_within_s=0.0):
        return True


class Whole:
    """A whole number of another library."""

    def __index__(self):
        return 7


def test_tokens_and_tenant_go_with_the_work():
    session = Windowed()
    with measure("m", tenant="acme", session=session) as measured:
        measured.input_tokens, measured.output_tokens = 0, 2**53 - 1
    with measure("m", session=session) as measured:
        measured.input_tokens = Whole()

    assert session.tenants == ["acme", None]
    assert session.counts == [Counts(0, 2**53 - 1), Counts(7)]


@pytest.mark.parametrize("count", [-1, 2**53, True, 812.0, "812", None])
def test_a_count_that_is_none_is_refused_where_it_is_set(count):
    with measure("m", session=Windowed()) as measured, pytest.raises(SettingsError, match="is not a whole number"):
        measured.output_tokens = count


def test_tokens_are_set_inside_the_block_and_the_tenant_before_it():
    measured = measure("m", session=Windowed())
    with pytest.raises(SettingsError, match="inside the block"):
        measured.input_tokens = 1
    with measured, pytest.raises(SettingsError, match="when the work begins"):
        measured.tenant = "acme"
    with pytest.raises(SettingsError, match="inside the block"):
        measured.output_tokens = 1


def test_a_block_that_is_entered_again_has_no_tokens_of_the_time_before():
    session = Windowed()
    measured = measure("m", session=session)
    with measured:
        measured.input_tokens = 5
    with measured:
        pass

    assert session.counts == [Counts(input_tokens=5), UNCOUNTED]


def test_each_call_of_a_decorated_function_is_the_tenants():
    session = Windowed()

    @measure("m", tenant="acme", session=session)
    def infer():
        return 1

    assert infer() + infer() == 2
    assert session.tenants == ["acme", "acme"]


def test_the_package_offers_measure_and_nothing_else_by_accident():
    assert agent.measure is measure
    with pytest.raises(AttributeError, match="mesure"):
        _ = agent.mesure


PROGRAM = """
import logging, os, sys
logging.basicConfig(format="%(message)s")
import agent
assert "httpx" not in sys.modules and "pynvml" not in sys.modules
with agent.measure(model_id="demo", inference_id="i-parent"):
    pid = os.fork()
    if pid == 0:
        with agent.measure(model_id="demo", inference_id="i-child"):
            pass
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def environment_of(tmp_path, **changes):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_AGENT_")}
    return kept | {
        "GREEN_AGENT_HOME": str(tmp_path),
        "GREEN_AGENT_ISSUER": "http://127.0.0.1:9",
        "GREEN_AGENT_DEVELOPMENT": "true",
        "GREEN_AGENT_NODE_ID": "node-7",
        "GREEN_AGENT_METER": "simulator",
        "GREEN_AGENT_RUN_SUBMIT_S": "0",
        **changes,
    }


def run_program(tmp_path, code, **changes):
    environment = environment_of(tmp_path, **changes)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_program_and_its_forked_child_leave_their_records_behind_when_they_end(tmp_path):
    from did.signers import generate_file_key

    generate_file_key(tmp_path / "node.pem", "ES256")
    ran = run_program(tmp_path, PROGRAM)

    assert (ran.returncode, ran.stdout) == (0, "")
    assert "SIMULATED" in ran.stderr
    records = [decode_telemetry(path.read_bytes()) for path in (tmp_path / "spool" / "pending").iterdir()]
    assert {record.inference_id for record in records} == {"i-parent", "i-child"}
    assert all(record.simulated for record in records)


def test_a_program_on_a_node_that_is_not_enrolled_fails_at_its_first_block(tmp_path):
    ran = run_program(
        tmp_path, "import agent\nwith agent.measure(model_id='m'):\n    print('ran')", GREEN_AGENT_NODE_ID=""
    )

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "green-agent enroll" in ran.stderr


def test_the_library_logs_and_never_prints(bench, capsys):
    logging.getLogger("agent.session").setLevel(logging.WARNING)
    with bench.measure():
        bench.work(0.01, 1)
    bench.session.close()

    assert capsys.readouterr().out == ""


def test_the_result_of_each_call_of_a_decorated_function_is_reachable(bench):
    ended = []

    @measure("model", session=bench.session, on_end=ended.append)
    def infer(energy_mj):
        bench.work(1, energy_mj)

    infer(10)
    infer(20)

    assert [block.result.energy_mj for block in ended] == [10, 20]
    assert len({block.inference_id for block in ended}) == 2


def test_what_goes_wrong_in_on_end_never_reaches_the_work(bench, caplog):
    def fail(_):
        raise RuntimeError("mine")

    @measure("model", session=bench.session, on_end=fail)
    def infer():
        return "answer"

    assert infer() == "answer"
    assert "on_end failed" in caplog.text


async def test_on_end_is_called_for_a_coroutine_that_raised(bench):
    ended = []

    @measure("model", session=bench.session, on_end=ended.append)
    async def infer():
        bench.work(1, 70)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await infer()
    assert [block.result.energy_mj for block in ended] == [70]


def test_the_block_around_a_call_is_known_inside_and_not_outside(bench):
    seen = []

    @bench.measure()
    def infer():
        seen.append(agent.current())

    infer()
    with bench.measure() as outer:
        infer()
        assert agent.current() is outer

    assert agent.current() is None
    assert seen[0] is not seen[1]
    assert outer not in seen


def test_what_the_reader_of_a_generator_does_between_items_is_not_inside_it(bench):
    @bench.measure()
    def tokens():
        for token in "ab":
            bench.work(1, 10)
            assert agent.current() is not None
            yield token

    with bench.measure(inference_id="reader") as reader:
        for _ in tokens():
            assert agent.current() is reader
    assert agent.current() is None


def test_two_generators_that_take_turns_leave_nothing_behind(bench):
    @bench.measure()
    def tokens(count):
        yield from range(count)

    first, second = tokens(2), tokens(3)
    next(first)
    next(second)
    assert list(first) == [1]
    assert list(second) == [1, 2]
    assert agent.current() is None


def test_a_generator_gets_what_is_sent_and_thrown_in_and_gives_its_value(bench):
    @bench.measure()
    def talk():
        heard = yield "first"
        try:
            yield heard
        except ValueError as error:
            yield f"caught {error}"
        return "done"

    talking = talk()
    assert (next(talking), talking.send("hello"), talking.throw(ValueError("mine"))) == (
        "first",
        "hello",
        "caught mine",
    )
    with pytest.raises(StopIteration) as end:
        next(talking)
    assert end.value.value == "done"


async def test_an_async_generator_gets_what_is_sent_and_thrown_in(bench):
    @bench.measure()
    async def talk():
        heard = yield "first"
        try:
            yield heard
        except ValueError as error:
            yield f"caught {error}"

    talking = talk()
    assert await anext(talking) == "first"
    assert await talking.asend("hello") == "hello"
    assert await talking.athrow(ValueError("mine")) == "caught mine"
    with pytest.raises(StopAsyncIteration):
        await anext(talking)


async def test_an_async_generator_that_is_closed_early_is_closed_inside_and_recorded(bench):
    closed = []

    @bench.measure()
    async def tokens():
        try:
            while True:
                bench.work(1, 10)
                yield "a"
        finally:
            closed.append(agent.current())

    reading = tokens()
    await anext(reading)
    assert agent.current() is None
    await reading.aclose()

    assert len(closed) == 1
    assert closed[0] is not None
    assert list(bench.energies().values()) == [10]


async def test_async_generators_of_tasks_at_once_do_not_nest(bench):
    begun = asyncio.Barrier(3)

    @bench.measure()
    async def tokens():
        for token in "ab":
            mine = agent.current()
            await begun.wait()
            assert agent.current() is mine
            yield token

    async def read():
        return [token async for token in tokens()]

    assert await asyncio.gather(*(read() for _ in range(3))) == [["a", "b"]] * 3
    assert agent.current() is None
