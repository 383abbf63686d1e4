"""Programs of the agent that run beside a test."""

import subprocess

from agent.errors import DaemonError
from agent.windows.client import ask_status
from tests.fakes.agent_programs import GREEN_AGENT


def started(home, *arguments, **changes):
    return subprocess.Popen(
        [*GREEN_AGENT, *arguments],
        env=home.environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    process.terminate()
    said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def measuring(socket):
    try:
        return ask_status(socket, wait_s=1).measuring
    except DaemonError:
        return False
