"""``green-agent run`` with real commands in real processes."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.agent import loopback_issuer
from tests.fakes.agent_programs import AgentHome, OnTerminal, python
from tests.fakes.eventually import eventually

WAIT_FOR_SIGNAL = """
import os, signal, time
# Unbuffered: a signal may come while "ready" is still being flushed, and print may not be entered twice.
signal.signal(signal.{name}, lambda *_: (os.write(1, b"got {name}\\n"), os._exit(7)))
print("ready", flush=True)
while True:  # a signal that comes just before a sleep begins is seen when it ends
    time.sleep(0.05)
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def home(tmp_path):
    return AgentHome(tmp_path / "home")


def run(home, *command, wait="0", stdin="", options=()):
    return home.run("run", "--wait", wait, "--model", "m", *options, "--", *command, stdin=stdin)


@pytest.mark.parametrize("code", [0, 1, 3, 64, 127, 255])
def test_the_exit_code_is_the_commands(home, code):
    assert run(home, *python(f"import sys; sys.exit({code})")).returncode == code


def test_the_record_of_the_run_is_in_the_spool(home):
    run(home, *python("pass"), options=("--inference-id", "job-1"))
    (record,) = home.records()

    assert (record["inference_id"], record["model_id"], record["node_id"]) == ("job-1", "m", "node-7")
    assert record["simulated"] is True


def test_a_command_that_fails_used_energy_too_and_is_recorded(home):
    run(home, *python("raise SystemExit(9)"))

    assert len(home.records()) == 1


def test_input_and_output_are_the_commands_own(home):
    ran = run(home, *python("import sys; print(sys.stdin.read()); print('err', file=sys.stderr)"), stdin="grüße")

    assert ran.stdout == "grüße\n"
    assert ran.stderr.startswith("err\n")


def test_what_the_agent_says_goes_to_standard_error_and_says_simulated(home):
    ran = run(home, *python("print('out')"))

    assert ran.stdout == "out\n"
    assert "SIMULATED" in ran.stderr
    assert "kept in the spool" in ran.stderr


def test_quiet_says_nothing(home):
    assert run(home, *python("pass"), options=("--quiet",)).stderr == ""


def test_arguments_arrive_as_they_are(home):
    ran = run(home, *python("import sys; print(sys.argv[1:])"), "--model", "x y", "--", "-h", "")

    assert ran.stdout == "['--model', 'x y', '--', '-h', '']\n"


def test_the_model_is_named_after_the_command_by_default(home):
    home.run("run", "--wait", "0", "--", *python("pass"))

    assert home.records()[0]["model_id"] == os.path.basename(sys.executable)  # noqa: PTH119


def test_a_command_that_does_not_exist_is_127_and_leaves_no_record(home):
    ran = run(home, "/does/not/exist")

    assert ran.returncode == 127
    assert "/does/not/exist: No such file" in ran.stderr
    assert home.records() == []


def test_a_command_that_may_not_be_executed_is_126(home, tmp_path):
    (tmp_path / "plain").write_text("text")

    assert run(home, str(tmp_path / "plain")).returncode == 126


@pytest.mark.parametrize("arguments", [("run",), ("run", "--model", "<m>", "--", "true"), ("run", "--wait", "x")])
def test_a_run_that_cannot_be_starts_nothing_and_is_64(home, arguments):
    ran = home.run(*arguments)

    assert ran.returncode == 64
    assert ran.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT, signal.SIGINT])
def test_killed_by_a_signal_the_agent_ends_by_the_same(home, number):
    ran = run(home, *python(f"import os; os.kill(os.getpid(), {int(number)})"))

    assert ran.returncode == -number
    assert len(home.records()) == 1


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"])
def test_signals_are_passed_on_to_the_command(home, name):
    number = getattr(signal, name)
    process = home.start(
        "run",
        "--wait",
        "0",
        "--",
        *python(WAIT_FOR_SIGNAL.format(name=name)),
        # The tests themselves may run where SIGHUP is ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)

    assert output == f"got {name}\n"
    assert process.returncode == 7
    assert len(home.records()) == 1


def test_a_signal_reaches_the_whole_group_of_the_command(home):
    code = "import subprocess; child = subprocess.Popen(['sleep', '30']); print(child.pid, flush=True); child.wait()"
    process = home.start("run", "--wait", "0", "--", *python(code))
    sleeper = int(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=30)

    assert process.returncode == -signal.SIGTERM
    assert eventually(lambda: not is_alive(sleeper))


def test_a_signal_that_was_ignored_before_stays_ignored(home):
    process = home.start(
        "run",
        "--wait",
        "0",
        "--",
        *python("import time; print('ready', flush=True); time.sleep(0.5); print('done')"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    output, _ = process.communicate(timeout=30)

    assert (output, process.returncode) == ("done\n", 0)


def test_the_exit_code_is_kept_where_the_caller_ignores_its_children(home):
    process = home.start(
        "run",
        "--wait",
        "0",
        "--",
        *python("raise SystemExit(3)"),
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    process.communicate(timeout=30)

    assert process.returncode == 3


def test_inherited_descriptors_reach_the_command(home, tmp_path):
    read_end, write_end = os.pipe()
    process = home.start(
        "run", "--wait", "0", "--", *python(f"import os; os.write({write_end}, b'x')"), pass_fds=(write_end,)
    )
    os.close(write_end)
    process.communicate(timeout=30)

    assert os.read(read_end, 10) == b"x"
    os.close(read_end)


@pytest.mark.network
def test_the_credential_is_fetched_after_the_run(tmp_path):
    with loopback_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        ran = run(home, *python("pass"), wait="20", options=("--inference-id", "job-1"))

    assert (ran.returncode, issuer.accepted, home.records()) == (0, ["job-1"], [])
    assert f"credential in {home.folder}/credentials/job-1.json" in ran.stderr


@pytest.mark.network
def test_an_issuer_that_hangs_holds_nobody_up_and_changes_no_exit_code(tmp_path):
    with loopback_issuer(*["hang"] * 50) as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        before_s = time.monotonic()
        ran = run(home, *python("raise SystemExit(3)"), wait="1.5")

    assert ran.returncode == 3
    assert time.monotonic() - before_s < 15
    assert len(home.records()) == 1


def test_an_issuer_that_is_away_changes_no_exit_code(home):
    ran = run(home, *python("raise SystemExit(3)"), wait="0.5")

    assert ran.returncode == 3
    assert "kept in the spool" in ran.stderr


@pytest.mark.network
def test_a_refusal_is_told_and_changes_no_exit_code(tmp_path):
    with loopback_issuer("409") as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        ran = run(home, *python("pass"), wait="20")

    assert ran.returncode == 0
    assert "refused: 409 refused: because" in ran.stderr
    assert len(list((home.folder / "spool" / "rejected").iterdir())) == 2


@pytest.mark.network
def test_who_interrupts_the_sending_ends_it_at_once_and_loses_nothing(tmp_path):
    with loopback_issuer(*["hang"] * 50) as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        process = home.start("run", "--wait", "60", "--", *python("raise SystemExit(4)"))
        while not issuer.requests:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)

    assert process.returncode == 4
    assert len(home.records()) == 1


def test_a_disk_without_room_is_told_and_changes_no_exit_code(home):
    ran = home.run("run", "--wait", "0", "--", *python("raise SystemExit(5)"), GREEN_AGENT_SPOOL_MAX_BYTES="65536")
    assert ran.returncode == 5
    (home.folder / "spool" / "pending" / "0-fill.json").write_bytes(b" " * 65536)
    ran = home.run("run", "--wait", "0", "--", *python("raise SystemExit(5)"), GREEN_AGENT_SPOOL_MAX_BYTES="65536")

    assert ran.returncode == 5
    assert "its bound is 65536" in ran.stderr
    assert "not recorded" in ran.stderr


def test_a_summary_is_written_for_programs(home, tmp_path):
    run(home, *python("raise SystemExit(2)"), options=("--summary", str(tmp_path / "s.json"), "--inference-id", "i-1"))
    text = (tmp_path / "s.json").read_text()

    assert '"inference_id":"i-1"' in text
    assert '"exit_code":2' in text
    assert '"simulated":true' in text


@pytest.fixture
def terminal(home):
    opened = []

    def open_terminal(*command):
        opened.append(OnTerminal(home, "run", "--wait", "0", "--quiet", "--", *command))
        return opened[-1]

    yield open_terminal
    for screen in opened:
        screen.close()


def test_the_command_reads_what_is_typed(terminal):
    screen = terminal(*python("print('hello', input('name? '))"))
    screen.show_until("name? ")
    screen.type("ada\n")
    screen.show_until("hello ada")

    assert screen.wait() == 0


def test_ctrl_c_reaches_the_command_and_the_agent_ends_as_it_does(terminal, home):
    screen = terminal(*python("import time; print('ready'); time.sleep(30)"))
    screen.show_until("ready")
    screen.type("\x03")

    assert screen.wait() == -signal.SIGINT
    assert len(home.records()) == 1


def test_ctrl_c_that_the_command_survives_does_not_end_the_agent(terminal):
    code = "import time\ntry:\n    print('ready'); time.sleep(30)\nexcept KeyboardInterrupt:\n    raise SystemExit(6)"
    screen = terminal(*python(code))
    screen.show_until("ready")
    screen.type("\x03")

    assert screen.wait() == 6


def test_ctrl_z_stops_command_and_agent_and_both_go_on_together(terminal):
    screen = terminal(*python("print('hello', input('name? '))"))
    screen.show_until("name? ")
    screen.type("\x1a")
    assert screen.wait_until_stopped()
    screen.resume()
    screen.type("ada\n")
    screen.show_until("hello ada")

    assert screen.wait() == 0


def test_in_a_pipeline_the_command_still_gets_the_terminal_when_it_asks(terminal):
    screen = terminal("sh", "-c", f"{sys.executable} -c \"open('/dev/tty').readline(); print('read it')\" | cat")
    time.sleep(0.3)
    screen.type("x\n")
    screen.show_until("read it")

    assert screen.wait() == 0


def test_the_terminal_is_given_back_after_the_command(home):
    # The shell reads only if the agent that it started has given the terminal back.
    agent = f"{sys.executable} -c 'import sys; from agent.cli import main; sys.exit(main())'"
    line = f'set -m; {agent} run --wait 0 --quiet -- sleep 0.3; read answer; echo "answer $answer"'
    screen = OnTerminal(home, command=("/bin/sh", "-c", line))
    try:
        screen.type("yes\n")
        screen.show_until("answer yes")
        assert screen.wait() == 0
    finally:
        screen.close()
