"""``green-agent meters`` and what its recordings become, in real processes."""

import json
import subprocess

import pytest

from did.signers import open_signer
from tests.fakes.agent_programs import GREEN_AGENT, AgentHome
from tests.fakes.agent_windows import window_issuer
from tests.fakes.bmc import METRICS, serving
from tests.fakes.eventually import eventually

WATTS = {"gpu": 400, "cpu": 120, "dram": 20, "node": 700}
BOUNDARIES = {"gpu": None, "cpu": "cpu", "dram": "dram", "node": "node"}


@pytest.fixture
def home(tmp_path):
    return AgentHome(tmp_path / "home")


@pytest.fixture
def bmc(tmp_path):
    with serving(tmp_path, documents={METRICS: {"EnergyJoules": {"Reading": 1234.5}}}) as served:
        yield served


def settings_of(bmc):
    return {"GREEN_AGENT_REDFISH_URL": bmc.url + METRICS, "GREEN_AGENT_REDFISH_FINGERPRINT": bmc.fingerprint}


def test_a_bmc_is_shown_with_unit_scope_method_and_reading(home, bmc):
    shown = json.loads(home.run("meters", "--json", **settings_of(bmc)).stdout)

    (node,) = [one for one in shown["host"] if one["boundary"] == "node"]
    assert node["counted"]
    assert {name: node[name] for name in ("meter", "unit", "scope", "method", "period_s", "energy_mj")} == {
        "meter": "redfish",
        "unit": "mJ",
        "scope": "node",
        "method": "metered",
        "period_s": 1.0,
        "energy_mj": 1_234_500,
    }


def test_the_table_has_a_row_for_each_meter_and_says_what_is_not_counted(home, bmc):
    ran = home.run("meters", GREEN_AGENT_HOST_METERS="off", **settings_of(bmc))

    assert ran.stdout.splitlines()[0].split()[:4] == ["meter", "boundary", "unit", "scope"]
    assert "redfish:127.0.0.1" in ran.stdout
    assert "not counted: see host_meters" in ran.stdout


def test_a_bmc_that_cannot_be_read_says_why_and_the_command_goes_on(home, bmc):
    ran = home.run("meters", GREEN_AGENT_REDFISH_URL=bmc.url + METRICS)

    assert "its certificate is not trusted" in ran.stdout
    assert "nvml" in ran.stdout


def test_what_is_recorded_can_be_replayed(home, bmc, tmp_path):
    path = tmp_path / "made.jsonl"
    ran = home.run("meters", "--record", str(path), "--for", "1", **settings_of(bmc))
    header, *lines = map(json.loads, path.read_text().splitlines())

    assert ran.returncode == 0
    assert "replay_file" in ran.stdout
    assert not header["synthetic"]
    assert [one["boundary"] for one in header["meters"] if "boundary" in one][-1] == "node"
    assert lines[-1]["energy_mj"] == 1_234_500


def synthetic(path):
    """Write a recording of a minute of steady load, which says that it is invented."""
    meters = [
        {"name": name, "device": name, "model": name, "scope": "gpu", "method": "counter", "period_s": 0.01}
        | ({"boundary": boundary} if boundary else {})
        for name, boundary in BOUNDARIES.items()
    ]
    lines = [{"v": 1, "synthetic": True, "made_by": "tests", "meters": meters}]
    for step in range(6000):
        for index, watts in enumerate(WATTS.values()):
            lines.append({"meter": index, "t_ns": step * 10_000_000, "energy_mj": step * 10 * watts})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_a_replayed_figure_is_simulated(home, tmp_path):
    file = synthetic(tmp_path / "made.jsonl")
    home.run("run", "--wait", "0", "--", "sleep", "0.3", GREEN_AGENT_METER="replay", GREEN_AGENT_REPLAY_FILE=file)

    assert home.records()[0]["simulated"] is True


def test_windows_with_the_hosts_energy_are_taken_by_an_issuer_that_checks_them(tmp_path):
    with window_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        issuer.key = open_signer(f"file:{home.folder / 'node.pem'}").public_key
        environment = home.environment(
            GREEN_AGENT_METER="replay",
            GREEN_AGENT_REPLAY_FILE=synthetic(tmp_path / "made.jsonl"),
            GREEN_AGENT_WINDOW_S="0.5",
            GREEN_AGENT_RUN_SUBMIT_S="5",
        )
        daemon = subprocess.Popen(
            [*GREEN_AGENT, "daemon"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            assert eventually((home.folder / "daemon.sock").exists, 20)
            home.run("run", "--inference-id", "job", "--", "sleep", "1.2", GREEN_AGENT_DAEMON_WAIT_S="2")
            assert eventually(lambda: len(with_records(issuer)) >= 2, 20)
        finally:
            daemon.terminate()
            daemon.communicate(timeout=30)

    for window in with_records(issuer):
        header, records = window.header, window.records.records
        assert header.simulated
        assert header.host_cpu_mj >= sum(one.host_cpu_mj for one in records) > 0
        assert header.host_dram_mj >= sum(one.host_dram_mj for one in records) > 0
        assert header.host_other_mj >= sum(one.host_other_mj for one in records)
    # Over many windows the rest of the node is 160 W of its 700.
    headers = [window.header for window in issuer.windows]
    other_mj = sum(header.host_other_mj for header in headers)
    assert other_mj * 1000 / sum(header.duration_us for header in headers) == pytest.approx(160, rel=0.1)


def with_records(issuer):
    return [window for window in issuer.windows if len(window.records)]
