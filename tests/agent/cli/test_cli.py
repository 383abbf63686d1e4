"""The command line as a user calls it, in real processes."""

import json
import stat
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.spool import Spool
from schemas import base64url
from tests.fakes.agent import loopback_issuer
from tests.fakes.agent_programs import AgentHome, python


@pytest.fixture
def home(tmp_path):
    return AgentHome(tmp_path / "home")


@pytest.mark.parametrize("command", ["enroll", "run", "status", "submit", "meters", "settings"])
def test_every_command_helps_with_a_real_example(home, command):
    ran = home.run(command, "--help")

    assert ran.returncode == 0
    assert f"green-agent {command}" in ran.stdout.rpartition("example")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("status", "--fast"),
        ("enroll",),
        ("submit", "--wait", "-1"),
        ("submit", "--retry-rejected", "--discard-rejected"),
        ("meters", "--check", "soon"),
    ],
)
def test_a_call_that_cannot_be_understood_is_64_and_says_why(home, arguments):
    ran = home.run(*arguments)

    assert ran.returncode == 64
    assert "green-agent" in ran.stderr


def test_a_setting_that_does_not_exist_is_64_and_named(home):
    ran = home.run("status", GREEN_AGENT_METRE="x")

    assert ran.returncode == 64
    assert "GREEN_AGENT_METRE" in ran.stderr


def test_status_of_a_well_agent_is_0(home):
    ran = home.run("status")

    assert ran.returncode == 0
    assert "node-7" in ran.stdout
    assert "records       0 wait" in ran.stdout


def test_status_is_read_by_programs(home):
    home.run("run", "--wait", "0", "--", "true")
    state = json.loads(home.run("status", "--json").stdout)

    assert (state["node_id"], state["backlog"], state["rejected"]) == ("node-7", 1, 0)


def test_status_of_an_agent_that_is_not_enrolled_is_1_and_says_what_to_do(home):
    (home.folder / "agent.toml").unlink()
    ran = home.run("status")

    assert ran.returncode == 1
    assert "green-agent enroll" in ran.stdout


def test_settings_shows_every_value_and_its_variable(home):
    ran = home.run("settings", GREEN_AGENT_SLICE_S="60")

    assert 'node_id = "node-7"  # GREEN_AGENT_NODE_ID' in ran.stdout
    assert "slice_s = 60.0" in ran.stdout


def test_meters_says_what_is_missing_and_how_to_get_it(home):
    ran = home.run("meters", "--json")
    found = json.loads(ran.stdout)

    if found["meters"]:
        pytest.skip("this machine has a GPU")
    assert ran.returncode == 1
    assert found["unavailable"][0]["reason"]
    assert found["unavailable"][0]["remedy"]


def test_meters_says_that_figures_would_be_simulated(home):
    ran = home.run("meters")

    if ran.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert "SIMULATED" in ran.stdout


def test_a_tenant_without_the_daemon_is_not_measured_and_the_command_runs(home, tmp_path):
    ran = home.run("run", "--tenant", "acme", "--", "touch", str(tmp_path / "ran"))

    assert ran.returncode == 0
    assert "NOT MEASURED: The daemon does not measure: tenant: a posted record has no place for it" in ran.stderr
    assert (tmp_path / "ran").exists()
    assert home.records() == []


@pytest.mark.parametrize("given", [("--tenant", "a b"), ("--inference-id", "a b"), ("--model", "")])
@pytest.mark.parametrize("mode", ["auto", "daemon"])
def test_names_that_cannot_be_are_64_before_anything_runs(home, tmp_path, given, mode):
    ran = home.run("run", *given, "--", "touch", str(tmp_path / "ran"), GREEN_AGENT_MODE=mode)

    if given == ("--model", ""):
        # None given: the command's own name.
        assert ran.returncode == 0
        return
    assert ran.returncode == 64
    assert not (tmp_path / "ran").exists()


def test_a_tenant_where_the_process_is_to_measure_itself_is_64(home, tmp_path):
    ran = home.run("run", "--tenant", "acme", "--", "touch", str(tmp_path / "ran"), GREEN_AGENT_MODE="direct")

    assert ran.returncode == 64
    assert "tenant: a posted record has no place for it; run green-agent daemon" in ran.stderr
    assert not (tmp_path / "ran").exists()


def test_submit_without_anything_to_send_is_0(home):
    ran = home.run("submit", "--wait", "1")

    assert ran.returncode == 0
    assert ran.stdout == "acknowledged 0, refused 0, waiting 0\n"


def test_submit_while_the_issuer_is_away_is_1_and_keeps_everything(home):
    home.run("run", "--wait", "0", "--", "true")
    ran = home.run("submit", "--wait", "0.5", "--json")
    sent = json.loads(ran.stdout)

    assert ran.returncode == 1
    assert sent["remaining"] == len(home.records()) == 1
    assert "ConnectError" in sent["failure"]


def test_submit_of_a_node_that_is_not_enrolled_is_64(home):
    (home.folder / "agent.toml").unlink()

    assert home.run("submit").returncode == 64


@pytest.mark.network
def test_submit_drains_the_spool(tmp_path):
    with loopback_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        for number in range(3):
            home.run("run", "--wait", "0", "--inference-id", f"i-{number}", "--", "true")
        ran = home.run("submit", "--json")
        state = json.loads(home.run("status", "--json").stdout)

    assert json.loads(ran.stdout)["acknowledged"] == ["i-0", "i-1", "i-2"]
    assert ran.returncode == 0
    assert (state["backlog"], state["acknowledged"]) == (0, 3)


@pytest.mark.network
def test_what_was_refused_is_shown_and_can_be_sent_again(tmp_path):
    with loopback_issuer("422") as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        home.run("run", "--wait", "0", "--inference-id", "i-1", "--", "true")
        refused = home.run("submit")
        status = home.run("status")
        again = home.run("submit", "--retry-rejected")

    assert (refused.returncode, status.returncode, again.returncode) == (1, 1, 0)
    assert "422 refused: because" in refused.stdout
    assert "https://problems.example/x refused because" in status.stdout
    assert issuer.accepted == ["i-1"]


@pytest.mark.network
def test_what_was_refused_can_be_dismissed(tmp_path):
    with loopback_issuer("409") as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        home.run("run", "--wait", "0", "--inference-id", "i-1", "--", "true")
        home.run("submit")
        dismissed = home.run("submit", "--discard-rejected", "--json")
        status = home.run("status")

    assert (json.loads(dismissed.stdout)["discarded"], dismissed.returncode, status.returncode) == (1, 0, 0)
    assert not list((home.folder / "spool" / "rejected").iterdir())
    assert len(issuer.requests) == 1


@pytest.mark.network
def test_run_says_where_a_refused_record_is_and_how_to_send_it_again(tmp_path):
    with loopback_issuer("422") as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        ran = home.run("run", "--wait", "5", "--", "true")

    assert ran.returncode == 0
    assert f"kept in {home.folder / 'spool' / 'rejected'}" in ran.stderr
    assert "green-agent submit --retry-rejected" in ran.stderr
    assert "kept in the spool" not in ran.stderr


@pytest.mark.network
def test_a_record_whose_inference_id_is_taken_is_never_advised_to_be_sent_again(tmp_path):
    with loopback_issuer("409", "409") as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        ran = home.run("run", "--wait", "5", "--inference-id", "i-1", "--", "true")
        status = home.run("status")
        home.run("run", "--wait", "0", "--inference-id", "i-1", "--", "true")
        submitted = home.run("submit")

    for said in (ran.stderr, status.stdout, submitted.stdout):
        assert "use another --inference-id" in said
        assert "--retry-rejected" not in said
    assert "--discard-rejected" in status.stdout


@pytest.mark.parametrize("words", [("true", "--model", "m"), ("true", "--model", "true"), ("--quiet", "sh", "-c", ":")])
def test_a_command_with_options_and_no_two_hyphens_before_it_is_64_and_says_where_to_put_them(home, words):
    ran = home.run("run", *words)

    assert ran.returncode == 64
    assert "put -- before the command" in ran.stderr
    assert home.records() == []


def test_a_command_without_options_needs_no_two_hyphens(home):
    ran = home.run("run", "--wait", "0", "--model", "m", "true", "a")

    assert ran.returncode == 0
    assert len(home.records()) == 1


def test_losses_are_acknowledged_by_a_command(home):
    home.run("status")
    spool = Spool(home.folder / "spool", SystemClock())
    spool.note_loss()
    spool.close()

    assert "--acknowledge-lost" in home.run("status").stdout
    assert "1 lost, last 20" in home.run("status", "--acknowledge-lost").stdout
    assert home.run("status").returncode == 0


NODE = {"node_id": "node-9", "tenant_id": "acme", "grid_region": "DEU", "simulated": True}


def enroll(tmp_path, issuer, *arguments, stdin=""):
    home = AgentHome(tmp_path / "home")
    (home.folder / "agent.toml").unlink()
    (home.folder / "node.pem").unlink()
    return home, home.run("enroll", "--issuer", issuer.url, "--development", *arguments, stdin=stdin)


@pytest.mark.network
def test_enroll_makes_a_key_proves_it_and_keeps_the_settings(tmp_path):
    with loopback_issuer(answers={"/api/v1/nodes/enrol": NODE}) as issuer:
        home, ran = enroll(tmp_path, issuer, "--token", "T", "--meter", "simulator")
        _, _, body = issuer.requests[0]

    assert ran.returncode == 0
    assert "node-9" in ran.stdout
    assert "SIMULATED" in ran.stdout
    assert stat.S_IMODE((home.folder / "node.pem").stat().st_mode) == 0o600
    sent = json.loads(body)
    assert sent["token"] == "T"
    assert len(base64url.decode(sent["signature"])) == 64
    settings = json.loads(home.run("settings", "--json").stdout)
    assert (settings["node_id"], settings["issuer"], settings["meter"]) == ("node-9", issuer.url, "simulator")


@pytest.mark.network
def test_enroll_says_that_nothing_is_there_to_measure(tmp_path):
    with loopback_issuer(answers={"/api/v1/nodes/enrol": NODE | {"simulated": False}}) as issuer:
        _, ran = enroll(tmp_path, issuer, "--token", "T", "--meter", "simulator")

    assert "meter     no GPU is measured: the figures will be SIMULATED" in ran.stdout


@pytest.mark.network
def test_enroll_says_that_a_gpu_that_was_asked_for_is_not_there(tmp_path):
    with loopback_issuer(answers={"/api/v1/nodes/enrol": NODE | {"simulated": False}}) as issuer:
        _, ran = enroll(tmp_path, issuer, "--token", "T", "--meter", "nvml")

    # On a machine with a GPU nothing is to be told.
    assert ran.returncode == 0
    assert ("meter     none yet: nvml" in ran.stdout) == (Path("/dev/nvidiactl").exists() is False)


def test_a_node_that_signs_with_its_tpm_names_that_and_no_file_of_a_key(home):
    (home.folder / "node.pem").unlink()
    shown = home.run("status", GREEN_AGENT_WINDOW_SIGNER="tpm", GREEN_AGENT_TPM="tpm:/dev/tpmrm0")
    assert f"key           attestation key {home.folder}/ak.json in the TPM tpm:/dev/tpmrm0" in shown.stdout
    listed = home.run("settings", GREEN_AGENT_WINDOW_SIGNER="tpm")
    assert 'key = ""' in listed.stdout
    assert "node.pem" not in shown.stdout + listed.stdout


def test_on_a_node_that_signs_with_its_tpm_the_daemon_alone_measures_and_the_command_runs_without(home, tmp_path):
    mark = tmp_path / "ran"
    ran = home.run("run", "--", "touch", str(mark), GREEN_AGENT_WINDOW_SIGNER="tpm")
    assert ran.returncode == 0
    assert mark.exists()
    assert "on this node the daemon alone measures (its TPM signs windows): green-agent daemon" in ran.stderr
    assert "measures itself" not in ran.stderr


def test_a_node_that_signs_with_its_tpm_is_told_that_it_posts_no_records(home):
    ran = home.run("run", "--meter", "simulator", "--", "true", GREEN_AGENT_WINDOW_SIGNER="tpm")
    assert ran.returncode == 64
    assert "posts no records: start green-agent daemon" in ran.stderr


@pytest.mark.network
def test_a_token_can_come_from_standard_input_so_that_no_process_list_shows_it(tmp_path):
    with loopback_issuer(answers={"/api/v1/nodes/enrol": NODE}) as issuer:
        _, ran = enroll(tmp_path, issuer, "--token-file", "-", "--json", stdin="T2\n")

    assert json.loads(ran.stdout)["node_id"] == "node-9"
    assert json.loads(issuer.requests[0][2])["token"] == "T2"


@pytest.mark.network
def test_an_enrolment_that_is_refused_is_1_and_keeps_the_key_for_the_next_try(tmp_path):
    with loopback_issuer("401") as issuer:
        home, ran = enroll(tmp_path, issuer, "--token", "T")

    assert ran.returncode == 1
    assert "401: because" in ran.stderr
    assert (home.folder / "node.pem").exists()
    assert not (home.folder / "agent.toml").exists()


def test_enrolling_by_http_without_the_development_setting_is_64(home):
    (home.folder / "agent.toml").unlink()
    ran = home.run("enroll", "--issuer", "http://127.0.0.1:1", "--token", "T")

    assert ran.returncode == 64
    assert "https" in ran.stderr


@pytest.mark.network
def test_the_whole_way_of_a_node(tmp_path):
    with loopback_issuer(answers={"/api/v1/nodes/enrol": NODE}) as issuer:
        home, _ = enroll(tmp_path, issuer, "--token", "T", "--meter", "simulator")
        ran = home.run("run", "--model", "m", "--inference-id", "i-1", "--", *python("print('work')"))
        posted = json.loads(issuer.requests[1][2])

    assert ran.stdout == "work\n"
    assert (posted["node_id"], posted["inference_id"], posted["simulated"]) == ("node-9", "i-1", True)
    assert (home.folder / "credentials" / "i-1.json").exists()
