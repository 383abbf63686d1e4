"""Large blocks go back to the system when they are freed."""

import subprocess
import sys

import pytest

from tests.vectors import ROOT

_PROGRAM = """
from verifier.web.allocator import give_back_large_blocks
given = give_back_large_blocks()
def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4 // 1024
before = resident_mb()
# A large block first: without the setting, what comes after it of that size stays in the heap, below the last one.
del (large := bytearray(30 << 20))[:]
blocks = [bytearray(b"x" * (8 << 20)) for _ in range(8)]
last = blocks.pop()
del blocks
print(given, resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_blocks_do_not_stay_behind_one_that_is_kept():
    words = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True)
    given, kept_mb = done.stdout.split()
    if given == "False":
        pytest.skip("not glibc")
    assert int(kept_mb) < 20
