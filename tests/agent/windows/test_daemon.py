"""The daemon as a process: workloads at its socket, windows at the issuer, and what kill -9 leaves."""

import json
import os
import random
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

import agent
from agent.clock import SystemClock
from agent.config import Settings, load
from agent.errors import DaemonError, MeasurementError, SettingsError
from agent.home import Home, home
from agent.session import Session
from agent.tpm.address import parse
from agent.tpm.identity import make_key
from agent.tpm.opening import open_tpm
from agent.windows.choose import open_measurer
from agent.windows.client import DaemonSession, ask_status
from agent.windows.link import LATE_FOR_S
from agent.windows.spool import WindowSpool
from did.signers import open_signer
from tests.agent.tpm.conftest import manufactured, swtpm  # noqa: F401
from tests.fakes.agent_programs import GREEN_AGENT, AgentHome, python
from tests.fakes.agent_windows import window_issuer
from tests.fakes.eventually import eventually
from verifier.attestation.attestation_key import check_attestation_key

pytestmark = pytest.mark.timeout(120)


class Node:
    """A home and the daemon in it."""

    def __init__(self, folder, issuer, **environment):
        self.home = AgentHome(folder, issuer.url)
        self.issuer = issuer
        self.environment = {"GREEN_AGENT_WINDOW_S": "0.05", "GREEN_AGENT_RUN_SUBMIT_S": "5"} | environment
        self.process = None
        self.socket = folder / "daemon.sock"
        issuer.key = issuer.key or open_signer(f"file:{folder / 'node.pem'}").public_key

    def start(self):
        self.process = subprocess.Popen(
            [*GREEN_AGENT, "daemon"],
            env=self.home.environment(**self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def measuring(self, within_s=20):
        def answers():
            try:
                return ask_status(self.socket, wait_s=1).measuring
            except DaemonError:
                return False

        assert eventually(answers, within_s), self.end()
        return self

    def kill(self):
        self.process.kill()
        return self.process.communicate(timeout=20)

    def end(self):
        self.process.terminate()
        return self.process.communicate(timeout=20)

    def session(self, **options):
        return DaemonSession(self.socket, SystemClock(), **{"wait_s": 2.0, **options})

    def spooled_gap(self):
        spool = WindowSpool(self.home.folder / "windows", SystemClock())
        try:
            return spool.gap()
        finally:
            spool.close()

    def spooled(self):
        spool = WindowSpool(self.home.folder / "windows", SystemClock())
        try:
            return [spool.load(name) for name in spool.pending()], spool.rejected(), spool.head()
        finally:
            spool.close()


@pytest.fixture
def issuer():
    with window_issuer() as serving:
        yield serving


@pytest.fixture
def node(tmp_path, issuer):
    made = Node(tmp_path / "home", issuer).start().measuring()
    yield made
    if made.process.poll() is None:
        made.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A daemon for all tests that leave it as it was."""
    with window_issuer() as serving:
        # Longer windows than the others': it runs for minutes, and what waits to be sent must not grow meanwhile.
        home = tmp_path_factory.mktemp("shared") / "home"
        made = Node(home, serving, GREEN_AGENT_WINDOW_S="0.3").start().measuring()
        yield made
        made.end()


def records(issuer):
    return {record.inference_id: record for window in issuer.windows for record in window.records.records}


def test_work_said_at_the_socket_is_a_record_at_the_issuer(shared):
    session = shared.session()
    running = session.start("m", "work-1")
    time.sleep(0.7)
    result = session.stop(running)

    assert result.simulated
    assert result.energy_mj > 0
    assert eventually(lambda: "work-1~1" in records(shared.issuer))
    parts = [one for name, one in records(shared.issuer).items() if name.startswith("work-1~")]
    assert eventually(lambda: len([name for name in records(shared.issuer) if name.startswith("work-1~")]) >= 2)
    assert parts


def test_measure_and_run_use_the_daemon_where_it_answers(shared):
    environment = shared.home.environment(GREEN_AGENT_DAEMON_WAIT_S="2")
    session = open_measurer(load(environment), home(environment), environment, background=False)
    with agent.measure(model_id="m", inference_id="block", session=session) as measured:
        pass
    ran = shared.home.run("run", "--inference-id", "job", "--", "true", GREEN_AGENT_DAEMON_WAIT_S="2")

    assert measured.problem is None
    assert ran.returncode == 0
    assert "in the daemon's window" in ran.stderr
    # Where its receipt will be, by the name of its (last) record.
    assert f"{shared.issuer.url}/api/v1/receipt/job" in ran.stderr
    assert "with an API key of its tenant" in ran.stderr
    assert eventually(lambda: any(name.startswith("job") for name in records(shared.issuer)))
    assert any(name.startswith("block") for name in records(shared.issuer))
    assert not shared.home.records()


def test_tokens_and_tenant_stand_in_the_record_of_the_window(shared):
    with agent.measure(model_id="m", inference_id="counted", tenant="acme", session=shared.session()) as measured:
        measured.input_tokens, measured.output_tokens = 812, 436

    assert measured.problem is None
    assert measured.tenant == "acme"
    assert eventually(lambda: any(name.startswith("counted") for name in records(shared.issuer)))
    last = max((name, one) for name, one in records(shared.issuer).items() if name.startswith("counted"))[1]
    assert (last.input_tokens, last.output_tokens, last.tenant_id, last.requests) == (812, 436, "acme", 1)


@pytest.mark.parametrize("tenant", ["", "a b", "<acme>", "a" * 257])
def test_a_tenant_that_no_record_can_name_is_refused_at_the_start(shared, tenant):
    with (
        pytest.raises(SettingsError, match="tenant_id"),
        agent.measure(model_id="m", tenant=tenant, session=shared.session()),
    ):
        pass


def test_a_tenant_whom_the_node_may_not_name_is_refused_at_the_start_until_the_issuer_lets_it(node, issuer, tmp_path):
    issuer.tenants = ["acme", "did:web:acme.example"]
    told = tmp_path / "home" / "tenants.json"
    assert eventually(told.exists, 20)
    for tenant in issuer.tenants:
        with agent.measure(model_id="m", tenant=tenant, session=node.session()):
            pass
    with (
        pytest.raises(SettingsError, match=r'may not name "umbra", only acme, .*nodes tenants allow node-7 umbra'),
        agent.measure(model_id="m", tenant="umbra", session=node.session()),
    ):
        pytest.fail("the block ran")
    ran = node.home.run("run", "--tenant", "umbra", "--", "touch", str(tmp_path / "ran"))
    assert ran.returncode == 64, ran.stderr
    assert "green-issuer nodes tenants allow node-7 umbra" in ran.stderr
    assert not (tmp_path / "ran").exists()
    issuer.tenants = [*issuer.tenants, "umbra"]
    assert eventually(lambda: "umbra" in told.read_text(), 20)
    assert node.home.run("run", "--tenant", "umbra", "--", "touch", str(tmp_path / "ran")).returncode == 0
    assert (tmp_path / "ran").exists()


def test_while_it_is_not_known_whom_the_node_may_name_the_command_runs_and_that_is_told(shared):
    ran = shared.home.run("run", "--tenant", "umbra", "--", "true")
    assert ran.returncode == 0, ran.stderr
    assert "--tenant umbra: the issuer has not told yet that this node may name this tenant" in ran.stderr


def test_run_names_the_tenant(shared):
    words = ("run", "--inference-id", "for-acme", "--tenant", "acme", "--", "true")
    ran = shared.home.run(*words, GREEN_AGENT_DAEMON_WAIT_S="2")

    assert ran.returncode == 0
    assert eventually(lambda: any(name.startswith("for-acme") for name in records(shared.issuer)))
    own = [one for name, one in records(shared.issuer).items() if name.startswith("for-acme")]
    assert {one.tenant_id for one in own} == {"acme"}


def test_mode_direct_leaves_the_daemon_alone(shared):
    settings = Settings(
        issuer="http://127.0.0.1:9",
        node_id="node-7",
        key=f"file:{shared.home.folder}/node.pem",
        mode="direct",
        meter="simulator",
    )
    session = open_measurer(settings, Home(shared.home.folder), {}, background=False)

    assert isinstance(session, Session)
    session.close()


def test_mode_daemon_without_a_daemon_is_an_error_and_auto_measures_directly(tmp_path):
    home = AgentHome(tmp_path / "home")
    members = {"issuer": home.issuer, "node_id": "node-7", "key": f"file:{home.folder}/node.pem", "meter": "simulator"}
    with pytest.raises(DaemonError):
        open_measurer(Settings(**members, mode="daemon"), Home(home.folder), {}, background=False)
    # A socket that nobody serves any more.
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(home.folder / "daemon.sock"))
    stale.close()
    session = open_measurer(Settings(**members), Home(home.folder), {}, background=False)
    assert isinstance(session, Session)
    session.close()


def test_the_socket_is_the_users_alone(shared):
    assert stat.S_IMODE(shared.socket.stat().st_mode) == 0o600


def test_a_second_daemon_in_the_same_home_is_refused(shared):
    second = shared.home.run("daemon")

    assert second.returncode == 1
    assert "green-agent: A green-agent daemon measures this node already: " in second.stderr
    assert "stop it before you start another" in second.stderr
    assert "spool" not in second.stderr.lower()


def test_a_connection_that_ends_ends_its_work(shared):
    session = shared.session()
    session.start("m", "abandoned")
    session.close()

    assert eventually(lambda: any(name.startswith("abandoned") for name in records(shared.issuer)))
    assert eventually(lambda: ask_status(shared.socket, wait_s=1).running == 0)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b'{"v":2,"op":"status"}\n',
        b'{"v":1,"op":"start","evil":1}\n',
        b"\xff\n",
        b"x" * 5000,
        b"[" * 4000 + b"\n",
    ],
)
def test_what_cannot_be_read_is_answered_and_ends_that_connection_alone(shared, line):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(shared.socket))
        peer.sendall(line)
        answer = peer.makefile("rb").read()

    assert json.loads(answer)["ok"] is False
    assert ask_status(shared.socket, wait_s=5).measuring


def test_names_that_cannot_be_are_refused_by_the_daemon_too(shared):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(shared.socket))
        lines = peer.makefile("rwb")
        for request in ({"op": "start", "model_id": "m", "inference_id": "a b"}, {"op": "stop", "id": "nobody"}):
            lines.write(json.dumps({"v": 1, "n": 4, **request}).encode() + b"\n")
            lines.flush()
            reply = json.loads(lines.readline())
            assert (reply["ok"], reply["n"], reply["problem"]) == (False, 4, "SETTINGS_INVALID")


def test_an_id_that_runs_is_refused(shared):
    session = shared.session()
    session.start("m", "twice")
    with pytest.raises(SettingsError, match="runs already"):
        session.start("m", "twice")
    session.close()


def test_a_second_run_with_the_id_of_an_earlier_window_is_not_started(shared, tmp_path):
    mark = tmp_path / "mark"
    run = ("run", "--inference-id", "once", "--", "touch", str(mark))
    assert shared.home.run(*run, GREEN_AGENT_DAEMON_WAIT_S="2").returncode == 0
    assert eventually(lambda: any(name.startswith("once") for name in records(shared.issuer)))
    mark.unlink()
    again = shared.home.run(*run, GREEN_AGENT_DAEMON_WAIT_S="2")
    assert again.returncode == 64
    assert "would count for nobody. Give another, or none" in again.stderr
    assert not mark.exists()


def test_a_daemon_that_hangs_costs_work_milliseconds_and_the_loss_is_told(node):
    session = node.session(wait_s=0.05)
    before = session.start("m", "during")
    assert eventually(lambda: ask_status(node.socket, wait_s=1).running == 1)
    os.kill(node.process.pid, signal.SIGSTOP)
    state = Path(f"/proc/{node.process.pid}/stat")
    assert eventually(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")
    try:
        begun = time.monotonic()
        with pytest.raises(MeasurementError, match="did not answer in time"):
            session.stop(before)
        for number in range(20):
            with pytest.raises(MeasurementError, match="did not answer in time"):
                session.stop(session.start("m", f"late-{number}"))
        assert time.monotonic() - begun < 0.5
        time.sleep(LATE_FOR_S)
        for number in range(50):
            with pytest.raises(MeasurementError, match=r"went away|was away"):
                session.stop(session.start("m", f"lost-{number}"))
        session.close()
    finally:
        os.kill(node.process.pid, signal.SIGCONT)


def test_a_daemon_that_is_not_running_needs_attention_and_says_if_it_was_killed(node):
    assert node.home.run("status").returncode == 0
    node.kill()
    killed = node.home.run("status")
    assert killed.returncode == 1
    assert "NOT RUNNING (green-agent daemon)" in killed.stdout
    assert "LOST the daemon was killed, or does not answer: what it had measured since 20" in killed.stdout
    node.start().measuring()
    node.end()
    node.home.run("status", "--acknowledge-lost")
    ended = node.home.run("status")
    assert ended.returncode == 1
    assert "NOT RUNNING" in ended.stdout
    assert "LOST" not in ended.stdout
    # Who measures without a daemon now misses none.
    assert node.home.run("status", GREEN_AGENT_MODE="direct").returncode == 0


def test_a_window_that_kill_9_took_is_told_by_the_next_daemon_and_by_status(node, issuer):
    assert eventually(lambda: issuer.windows)
    node.kill()
    node.start().measuring()
    _, said = node.end()
    shown = json.loads(node.home.run("status", "--json").stdout)["windows"]["gap"]

    assert "an open window was LOST: the daemon was killed" in said
    assert "energy not known: the daemon was killed with a window open" in shown


def test_a_daemon_that_ended_when_asked_to_lost_nothing_and_the_next_one_tells_nothing(node):
    node.end()
    node.start().measuring()
    _, said = node.end()

    assert "LOST" not in said
    assert node.spooled_gap() is None


def test_sigterm_closes_the_last_window_and_sends_it(node, issuer):
    session = node.session()
    session.start("m", "last")
    _, said = node.end()

    assert node.process.returncode == 0, said
    assert any(name.startswith("last") for name in records(issuer))
    pending, rejected, _ = node.spooled()
    assert (pending, rejected) == ([], [])
    assert not node.socket.exists()


def test_status_shows_the_windows(shared):
    assert eventually(lambda: len(shared.issuer.windows) > 2)
    shown = json.loads(shared.home.run("status", "--json").stdout)["windows"]

    assert (shown["daemon"], shown["signer"], shown["rejected"], shown["gap"]) == (True, "software", 0, "")
    assert shown["acknowledged"] > 0
    assert shown["next_sequence"] > 2
    assert "daemon        measuring" in shared.home.run("status").stdout


def kill_often(node, issuer, *, times, randomness, latest_s):
    for number in range(times):
        node.start()
        if number % 2:
            node.measuring()
            with_work = node.session(wait_s=1.0)
            with_work.start("m", f"round-{number}")
        time.sleep(randomness.uniform(0, latest_s))
        node.kill()
    node.start().measuring()
    time.sleep(0.2)
    node.end()


def settled(node, issuer):
    """Assert that every number that was ever given is acknowledged or spooled, once, and nothing was refused."""
    pending, rejected, head = node.spooled()
    accepted = [window.header.sequence for window in issuer.windows]
    waiting = [window.parsed.sequence for window in pending]
    assert rejected == []
    # An answer that was lost leaves a window on both sides: it is sent again, and taken once.
    unanswered = len(accepted) - head.next_sequence
    assert unanswered in {0, 1}
    assert accepted == list(range(len(accepted)))
    assert waiting == list(range(head.next_sequence, head.next_sequence + len(waiting)))
    assert len(waiting) >= unanswered
    assert all(window.header.records == len(window.records) for window in issuer.windows)


def test_killed_twenty_times_produced_is_acknowledged_plus_spooled(tmp_path, issuer):
    node = Node(tmp_path / "home", issuer)
    kill_often(node, issuer, times=20, randomness=random.Random(4), latest_s=0.4)

    settled(node, issuer)
    assert len(issuer.windows) > 20
    assert [window.header.boot.start for window in issuer.windows] == sorted(
        window.header.boot.start for window in issuer.windows
    )


def test_killed_with_a_tpm_the_chain_in_its_register_holds(tmp_path, issuer, swtpm):  # noqa: F811
    node = Node(tmp_path / "home", issuer, GREEN_AGENT_WINDOW_SIGNER="tpm", GREEN_AGENT_TPM=swtpm.uri)
    with open_tpm(parse(swtpm.uri)) as tpm:
        issuer.key = check_attestation_key(make_key(tpm, node.home.folder / "ak.json", "ecdsa").encode())
    kill_often(node, issuer, times=4, randomness=random.Random(5), latest_s=0.8)

    settled(node, issuer)
    assert len(issuer.windows) > 4
    assert all(window.quote is not None for window in issuer.windows)


def test_a_workload_in_another_process_is_measured(shared):
    code = "import agent\nwith agent.measure(model_id='m', inference_id='elsewhere'): pass"
    ran = subprocess.run(
        python(code),
        env=shared.home.environment(GREEN_AGENT_DAEMON_WAIT_S="2"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert eventually(lambda: any(name.startswith("elsewhere") for name in records(shared.issuer)))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_two_hundred_times_produced_is_acknowledged_plus_spooled(tmp_path, issuer):
    node = Node(tmp_path / "home", issuer)
    kill_often(node, issuer, times=200, randomness=random.Random(6), latest_s=2.0)

    settled(node, issuer)


def test_a_daemon_with_a_software_key_asks_for_nonces_before_its_first_window(shared):
    assert shared.issuer.requests[0][0] == "/api/v1/nonces"
    assert sum(path == "/api/v1/nonces" for path, _, _ in shared.issuer.requests) == 1
