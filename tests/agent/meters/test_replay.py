import json

import pytest

from agent.config import Settings
from agent.errors import MeterUnavailableError, ReadingFailedError
from agent.meters import replay
from agent.meters.choose import choose
from agent.meters.host import choose as choose_host
from tests.fakes.agent import FakeMeter, HandClock

HEADER = {
    "v": 1,
    "synthetic": True,
    "made_by": "a test",
    "meters": [
        {
            "name": "nvml-counter",
            "device": "GPU-a",
            "model": "H100",
            "scope": "gpu",
            "method": "counter",
            "period_s": 1.0,
        },
        {
            "name": "rapl-package",
            "device": "rapl:package",
            "model": "package-0",
            "scope": "package",
            "method": "counter",
            "period_s": 1.0,
            "boundary": "cpu",
        },
    ],
}
LINES = [
    {"meter": 0, "t_ns": 0, "energy_mj": 1000, "power_mw": 100_000, "utilization_percent": 0, "held": True},
    {"meter": 1, "t_ns": 0, "energy_mj": 5},
    {"meter": 0, "t_ns": 1_000_000_000, "energy_mj": 1100},
    {"meter": 1, "t_ns": 2_000_000_000, "energy_mj": 45},
    {"meter": 0, "t_ns": 2_000_000_000, "energy_mj": 1300},
]


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def write(tmp_path):
    def write(*lines, header=HEADER):
        path = tmp_path / "recording.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))
        return path

    return write


def test_readings_come_again_at_their_own_pace(clock, write):
    meter, *_ = replay.accelerators(replay.read(write(*LINES)), clock, loop=False)
    first = meter.read()
    clock.advance(1.5)
    second = meter.read()

    assert (first.energy_mj, first.power_mw, first.utilization_percent, first.held) == (1000, 100_000, 0, True)
    assert second.energy_mj == 1100
    assert second.boottime_ns - first.boottime_ns == 1_000_000_000


def test_whatever_a_file_says_its_figures_are_simulated(clock, write):
    for synthetic in (True, False):
        recording = replay.read(write(*LINES, header={**HEADER, "synthetic": synthetic}))
        assert all(meter.simulated for meter in replay.accelerators(recording, clock, loop=True))
        assert all(one.meter.simulated for one in replay.host(recording, clock, loop=True))


def test_at_its_end_a_file_gives_no_reading_unless_it_begins_again(clock, write):
    recording = replay.read(write(*LINES))
    (once,), (again,) = (
        replay.accelerators(recording, clock, loop=False),
        replay.accelerators(recording, clock, loop=True),
    )
    clock.advance(3)

    with pytest.raises(ReadingFailedError, match="has ended"):
        once.read()
    # One round of 300 mJ in 2 s, and one second of the next.
    assert (again.read().energy_mj, again.read().epoch) == (1400, 0)


def test_a_file_with_a_reset_begins_again_in_another_epoch(clock, write):
    lines = [LINES[0], LINES[1], {"meter": 0, "t_ns": 1_000_000_000, "energy_mj": 3, "epoch": 1}]
    (meter,) = replay.accelerators(replay.read(write(*lines)), clock, loop=True)
    clock.advance(1.5)

    assert (meter.read().energy_mj, meter.read().epoch) == (1000, 2)


def test_a_reading_that_failed_fails_again(clock, write):
    lines = [LINES[0], LINES[1], {"meter": 0, "t_ns": 1_000_000_000, "failed": True}, LINES[4]]
    (meter,) = replay.accelerators(replay.read(write(*lines)), clock, loop=False)
    clock.advance(1.2)

    with pytest.raises(ReadingFailedError, match="when it was recorded"):
        meter.read()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([{"meter": 0, "t_ns": 0}], "line 2: a reading has energy_mj"),
        ([LINES[0], {"meter": 2, "t_ns": 1, "energy_mj": 1}], "line 3: meter 2 is none"),
        ([LINES[2], LINES[0]], "line 3: t_ns must grow"),
        ([{"meter": 0, "t_ns": 0, "energy_mj": -1}], "line 2"),
        ([{"meter": 0, "t_ns": 0, "energy_mj": 1.5}], "line 2"),
        ([{"meter": 0, "t_ns": 0, "energy_mj": 1, "energy": 2}], "line 2"),
        ([LINES[0]], "a meter without readings"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_line(write, lines, problem):
    with pytest.raises(MeterUnavailableError, match=problem):
        replay.read(write(*lines))


@pytest.mark.parametrize("header", [{}, {**HEADER, "v": 2}, {**HEADER, "meters": []}, {**HEADER, "more": 1}])
def test_a_header_that_is_none_is_refused(write, header):
    with pytest.raises(MeterUnavailableError, match="line 1"):
        replay.read(write(*LINES, header=header))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n"])
def test_a_file_that_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(MeterUnavailableError, match="replay_file"):
        replay.read(path)
    with pytest.raises(MeterUnavailableError, match="cannot be read"):
        replay.read(tmp_path / "nowhere")


def test_what_is_recorded_is_what_is_given_again(tmp_path, clock):
    gpu, cpu = FakeMeter(clock, power_mw=50_000), FakeMeter(clock, device="rapl:package", energy_mj=7)

    def sleep(seconds):
        clock.advance(max(seconds, 0.001))
        gpu.energy_mj += 50
        cpu.energy_mj += 20
        gpu.broken = gpu.energy_mj == 1100

    path = tmp_path / "made.jsonl"
    count = replay.record(path, [(gpu, None), (cpu, "cpu")], clock, 3, sleep=sleep)
    recording = replay.read(path)

    assert count == sum(map(len, recording.readings)) == 8
    assert not recording.header.synthetic
    assert [line.energy_mj for line in recording.readings[0]] == [1000, 1050, None, 1150]
    assert [line.failed for line in recording.readings[0]] == [False, False, True, False]
    assert [one.boundary for one in recording.header.meters] == [None, "cpu"]


def test_a_recording_of_invented_figures_says_so(tmp_path, clock):
    path = tmp_path / "made.jsonl"
    replay.record(path, [(FakeMeter(clock, simulated=True), None)], clock, 1, sleep=clock.advance)

    assert replay.read(path).header.synthetic


def test_a_meter_that_never_answered_makes_no_file(tmp_path, clock):
    meter = FakeMeter(clock)
    meter.broken = True
    path = tmp_path / "made.jsonl"
    with pytest.raises(MeterUnavailableError, match="gave no reading"):
        replay.record(path, [(meter, None)], clock, 1, sleep=clock.advance)
    assert not path.exists()


def test_a_setting_has_a_file_played_accelerators_and_host(clock, write):
    settings = Settings(meter="replay", replay_file=str(write(*LINES)))
    meters = choose(settings, {}, clock)
    host = choose_host(settings, clock, meters)

    assert [meter.device for meter in meters] == ["GPU-a"]
    assert [(one.boundary, one.meter.device) for one in host] == [("cpu", "rapl:package")]


def test_a_replay_without_a_file_says_what_to_set(clock):
    with pytest.raises(MeterUnavailableError, match="set replay_file"):
        choose(Settings(meter="replay"), {}, clock)
