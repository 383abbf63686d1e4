"""The Structs may be used first by many threads at once: services decode in threads from their first request on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.vectors import FORMATS, ROOT

_PROGRAM = """
import json, sys, threading
from {module} import decode
document = json.loads(open(sys.argv[1]).read())
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)
def first():
    barrier.wait()
    decode(document)
threads = [threading.Thread(target=first) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [("schemas.credential", "credential.vc11.json"), ("schemas.status", "status-list.vc11.json")],
)
def test_many_threads_may_decode_first(module, name):
    # The crash is a matter of luck: without the warming, more than half of these runs end in one.
    for _ in range(3):
        command = [sys.executable, "-c", _PROGRAM.format(module=module), str(FORMATS / name)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
