"""kill -9 at any moment: what enqueue returned for is there, whole; what is there is whole."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from agent.clock import SystemClock
from agent.spool import Spool
from tests.vectors import ROOT

KILLS = 12

PRODUCER = """
import json, sys
from pathlib import Path
from agent.clock import SystemClock
from agent.spool import Spool

spool = Spool(Path(sys.argv[1]), SystemClock())
number = 0
while True:
    name = spool.enqueue(json.dumps({"producer": sys.argv[2], "number": number, "fill": "x" * 3000}).encode())
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""

CONSUMER = """
import sys
from pathlib import Path
from agent.clock import SystemClock
from agent.spool import Spool

spool = Spool(Path(sys.argv[1]), SystemClock())
while True:
    for name in spool.pending():
        record = spool.load(name)
        with open(sys.argv[2], "ab", buffering=0) as acknowledged:
            acknowledged.write(record + b"\\n")
        spool.acknowledge(name)
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE)


def kill(process):
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    # A torn last line was never read by anybody, so it is no acknowledgement.
    return [int(line) for line in output.decode().split("\n")[:-1]]


def wait_for_the_first(folder):
    until = time.monotonic() + 20
    while not (folder.is_dir() and any(folder.iterdir())):
        assert time.monotonic() < until, "the producer did not start"
        time.sleep(0.005)


@pytest.mark.timeout(120)
def test_nothing_that_enqueue_returned_for_is_lost_by_kill_9(tmp_path):
    randomness = random.Random(7)
    promised_in_all = 0
    for number in range(KILLS):
        folder = tmp_path / str(number)
        process = start(PRODUCER, str(folder), str(number))
        wait_for_the_first(folder / "pending")
        time.sleep(randomness.uniform(0, 0.1))
        promised = set(kill(process))
        spool = Spool(folder, SystemClock())
        kept = {json.loads(spool.load(name))["number"] for name in spool.pending()}
        assert promised <= kept
        assert len(kept) <= len(promised) + 1
        promised_in_all += len(promised)
    assert promised_in_all > KILLS


@pytest.mark.timeout(120)
def test_produced_is_acknowledged_plus_spooled_when_sender_and_producer_are_killed(tmp_path):
    randomness = random.Random(8)
    folder, acknowledged = tmp_path / "spool", tmp_path / "acknowledged"
    Spool(folder, SystemClock()).close()
    acknowledged.touch()
    promised = set()
    for number in range(4):
        producer, consumer = (
            start(PRODUCER, str(folder), str(number)),
            start(CONSUMER, str(folder), str(acknowledged)),
        )
        wait_for_the_first(folder / "pending")
        time.sleep(randomness.uniform(0.05, 0.2))
        promised |= {(str(number), index) for index in kill(producer)}
        kill(consumer)

    spool = Spool(folder, SystemClock())
    found = [json.loads(spool.load(name)) for name in spool.pending()]
    found += [json.loads(line) for line in acknowledged.read_bytes().splitlines()]
    assert promised
    assert promised <= {(record["producer"], record["number"]) for record in found}
