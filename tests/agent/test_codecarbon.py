"""CodeCarbon's file as runs: exact figures, honest grades, and each odd line by itself."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codecarbon import MAX_LINE_CHARACTERS, read_runs
from agent.errors import SettingsError
from tests.agent.codecarbon_files import COLUMNS_2, COLUMNS_3, NOW, file_of, line


def in_utc(local):
    return local.replace(tzinfo=UTC)


def in_berlin(local):
    return local.replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


def read(*lines, columns=COLUMNS_3, **options):
    return read_runs(file_of(*lines, columns=columns), **{"now": NOW, "zone": in_utc, **options})


def reason(**changes):
    """Return why a line is refused, another beside it is taken all the same."""
    found = read(line(run_id="other"), line(**changes))
    (refusal,) = found.refused
    assert refusal.line == 3
    assert [run.run_id for run in found.runs] == ["other"]
    return refusal.reason


@pytest.mark.parametrize("columns", [COLUMNS_2, COLUMNS_3])
def test_a_row_is_a_run_with_the_gpus_energy(columns):
    (run,) = read(line(columns), columns=columns).runs

    assert run.inference_id == "codecarbon:00000000-0000-4000-8000-000000000001"
    assert run.model_id == "meta-llama/Llama-3.1-8B"
    assert run.measurement.energy_mj == 194_400_000
    assert run.measurement.duration_us == 600_250_000
    assert datetime.fromtimestamp(run.measurement.end_wall_ns / 1e9, UTC) == NOW - timedelta(seconds=3596)
    assert run.measurement.method == "integrated"
    assert not run.measurement.simulated


@pytest.mark.parametrize(
    ("text", "energy_mj"),
    [
        ("5.0341772953797606e-05", 181_230),
        ("1E-9", 4),
        ("0.1", 360_000_000),
        # As a float it would be another millijoule.
        ("897911.455358830965", 3_232_481_239_291_791),
        ("0.00000000013888888888888888", 0),
        ("0.0000000001388888888888889", 1),
    ],
)
def test_energy_is_exact(text, energy_mj):
    found = read(line(gpu_energy=text))

    assert [run.measurement.energy_mj for run in found.runs] == ([energy_mj] if energy_mj else [])


@given(st.decimals("0.000001", 900_000, places=15))
def test_energy_is_the_nearest_millijoule_of_what_stands_there(kwh):
    (run,) = read(line(gpu_energy=str(kwh))).runs

    assert abs(Decimal(run.measurement.energy_mj) - kwh * 3_600_000_000) <= Decimal("0.5")


def test_codecarbons_pue_is_divided_out():
    (run,) = read(line(gpu_energy="0.0648", pue="1.2")).runs

    assert run.measurement.energy_mj == 194_400_000


@pytest.mark.parametrize(
    ("mode", "method"), [("machine", "integrated"), ("process", "modelled"), ("", "modelled"), ("x", "modelled")]
)
def test_the_grade_follows_the_tracking_mode_and_is_never_a_counter(mode, method):
    (run,) = read(line(tracking_mode=mode)).runs

    assert run.measurement.method == method


def test_the_whole_energy_is_taken_when_asked_for_and_is_modelled():
    (run,) = read(line(gpu_energy="0"), energy="total").runs

    assert (run.measurement.energy_mj, run.measurement.method) == (241_200_000, "modelled")


def test_the_model_is_named_or_is_the_project():
    (run,) = read(line(project_name="codecarbon"), model_id="llama").runs

    assert run.model_id == "llama"
    assert "say which model ran, with --model" in reason(project_name="codecarbon")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpu_energy": "0"}, "no GPU was measured"),
        ({"gpu_energy": ""}, "no GPU was measured"),
        ({"gpu_energy": "0.0"}, "no GPU was measured"),
        ({"gpu_energy": "-0.1"}, "is no number"),
        ({"gpu_energy": "nan"}, "is no number"),
        ({"gpu_energy": "inf"}, "is no number"),
        ({"gpu_energy": "1e999999999"}, "is no number"),
        ({"gpu_energy": "1e99"}, "is no run's energy"),
        ({"gpu_energy": "1_000"}, "is no number"),
        ({"gpu_energy": "0,05"}, "is no number"),
        ({"gpu_energy": "١"}, "is no number"),
        ({"gpu_energy": "9" * 10_000}, "is no number"),
        ({"gpu_energy": "=1+1"}, "is no number"),
        ({"pue": "0"}, "pue"),
        ({"pue": "0.5"}, "pue"),
        ({"pue": "99"}, "pue"),
        ({"pue": "x"}, "pue"),
        ({"duration": "0"}, "took no time"),
        ({"duration": ""}, "is no number"),
        ({"duration": "86400.1"}, "more than the 24 hours"),
        ({"duration": "-5"}, "is no number"),
        ({"run_id": ""}, "run_id"),
        ({"run_id": "a b"}, "run_id"),
        ({"run_id": "=HYPERLINK(1)"}, "run_id"),
        ({"run_id": "../../etc"}, "run_id"),
        ({"run_id": "a" * 200}, "run_id"),
        ({"project_name": ""}, "model id"),
        ({"project_name": "<script>"}, "model id"),
        ({"project_name": "a\u202eb"}, "model id"),
        ({"project_name": "a" * 300}, "model id"),
        ({"timestamp": ""}, "is no time"),
        ({"timestamp": "yesterday"}, "is no time"),
        ({"timestamp": "2026-02-30T00:00:00"}, "of the calendar"),
        ({"timestamp": "0001-01-01T00:00:00"}, "more than 7 days ago"),
        ({"timestamp": "2026-11-13T19:59:59"}, "more than 7 days ago"),
        ({"timestamp": "2026-11-20T20:02:00"}, "has not come yet"),
    ],
)
def test_an_odd_row_is_refused_by_its_line_and_the_others_go_on(changes, said):
    assert said in reason(**changes)


@pytest.mark.parametrize(
    "text", ["a,b", ",".join(["x"] * 100), '"never closed', 'x"y",' + "," * 36, "\x00", "a" * (MAX_LINE_CHARACTERS + 1)]
)
def test_a_line_that_is_no_row_takes_no_other_with_it(text):
    found = read(line(run_id="before"), text, line(run_id="after"))

    assert [run.run_id for run in found.runs] == ["before", "after"]
    assert [refusal.line for refusal in found.refused] == [3]


def test_a_refusal_repeats_no_more_than_a_few_characters_in_ascii():
    assert reason(gpu_energy="\u001b[31m" + "x" * 9000).isascii()
    assert len(reason(gpu_energy="x" * 9000)) < 200


def test_times_are_of_the_zone_that_is_named():
    (run,) = read(line(timestamp="2026-11-20T20:00:00"), zone=in_berlin).runs

    assert run.measurement.end_wall_ns == int(datetime(2026, 11, 20, 19, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize("timestamp", ["2026-10-25T02:30:00", "2026-03-29T02:30:00"])
def test_a_time_that_is_twice_or_never_is_refused(timestamp):
    now = datetime.fromisoformat(timestamp).replace(tzinfo=UTC) + timedelta(days=1)
    found = read(line(timestamp=timestamp), zone=in_berlin, now=now)

    assert "is twice or never" in found.refused[0].reason


def test_a_zone_whose_times_leave_the_calendar_is_no_crash():
    far = timezone(timedelta(hours=-12))
    found = read(line(timestamp="9999-12-31T23:59:59"), zone=lambda local: local.replace(tzinfo=far).astimezone(UTC))

    assert "of the calendar" in found.refused[0].reason


def test_of_a_runs_states_the_longest_counts():
    states = [line(duration=str(length), gpu_energy=f"0.{length}") for length in (100, 300, 200)]
    found = read(*states)

    assert [(run.line, run.measurement.duration_us) for run in found.runs] == [(3, 300_000_000)]
    assert (found.earlier, found.refused) == (2, [])


def test_states_that_contradict_each_other_are_all_refused():
    found = read(
        line(duration="100", gpu_energy="0.5"),
        line(duration="200", gpu_energy="0.4"),
        line(duration="300", gpu_energy="0.9"),
        line(run_id="other"),
    )

    assert [run.run_id for run in found.runs] == ["other"]
    assert [refusal.line for refusal in found.refused] == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "timestamp, run_id, duration, gpu_energy"),
        (b"a,b\n1,2\n", "it is no emissions.csv"),
        (b"\x89PNG\r\n", "it is no emissions.csv"),
        (b'"open', "line 1"),
        (b"timestamp,timestamp,run_id,duration,gpu_energy\n", "timestamp"),
        (b"task_name,timestamp,run_id,duration,gpu_energy\n", "one of tasks"),
    ],
)
def test_what_is_no_file_of_runs_is_refused_whole(content, said):
    with pytest.raises(SettingsError, match=said):
        read_runs(content, now=NOW, zone=in_utc)


def test_other_line_ends_a_mark_empty_lines_and_a_repeated_head_change_nothing():
    content = b"\xef\xbb\xbf" + file_of(line(), "", ",".join(COLUMNS_3), line(run_id="second"), end="\r\n")
    found = read_runs(content, now=NOW, zone=in_utc)

    assert (len(found.runs), found.refused) == (2, [])


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail_in_another_way(content):
    read_runs(file_of() + content, now=NOW, zone=in_utc)
