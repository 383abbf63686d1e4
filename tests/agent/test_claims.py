import subprocess
import sys

import pytest

from agent.claims import Claims
from tests.vectors import ROOT

HOLDER = """
import sys
from pathlib import Path
from agent.claims import Claims

claims = Claims(Path(sys.argv[1]), sys.argv[2:])
claims.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    started = []

    def hold(*devices):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), *devices],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def claims(tmp_path):
    held = Claims(tmp_path, ["GPU-a", "GPU-b"])
    yield held
    held.close()


def test_a_process_by_itself_is_alone(claims):
    claims.take()

    assert claims.alone()
    assert claims.alone()


def test_another_process_on_one_of_the_devices_is_seen(claims, holder):
    claims.take()
    holder("GPU-b", "GPU-c")

    assert not claims.alone()


def test_both_stay_visible_to_each_other_after_looking(claims, holder, tmp_path):
    claims.take()
    holder("GPU-a")
    for _ in range(3):
        assert not claims.alone()
    third = Claims(tmp_path, ["GPU-b"])
    third.take()
    assert not third.alone()
    third.close()


def test_a_process_on_other_devices_is_no_matter(claims, holder):
    claims.take()
    holder("GPU-c")

    assert claims.alone()


def test_a_process_that_was_killed_holds_nothing(claims, holder):
    claims.take()
    process = holder("GPU-a")
    process.kill()
    process.wait()

    assert claims.alone()


def test_what_was_released_is_free_for_others(claims, tmp_path):
    claims.take()
    claims.release()
    other = Claims(tmp_path, ["GPU-a"])
    other.take()

    assert other.alone()
    other.close()


def test_a_device_name_cannot_leave_the_folder(tmp_path):
    Claims(tmp_path / "devices", ["../../etc/x"]).close()

    assert [path.name for path in (tmp_path / "devices").iterdir()] == ["______etc_x.lock"]
