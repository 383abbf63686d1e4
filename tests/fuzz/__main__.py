"""``make fuzz``: every target for a while, several beside each other. FUZZ_SECONDS and FUZZ_JOBS say how long and many.

python -m tests.fuzz --seconds 600 --jobs 4 [NAME ...]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.run import FOUND
from tests.fuzz.targets import TARGETS

_START_S = 120


def main() -> int:
    """Run the targets and return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the parsers of untrusted bytes.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(sorted(TARGETS))}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at once (2)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed tries the same inputs")
    asked = parser.parse_args()
    names = asked.names or sorted(TARGETS)
    if unknown := sorted(set(names) - TARGETS.keys()):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(sorted(TARGETS))}")
    how = (
        "guided by coverage" if importlib.util.find_spec("atheris") else "by chance (pip install 'atheris<3' guides it)"
    )
    print(f"{len(names)} targets, {asked.seconds} s each, {how}, seed {asked.seed}", flush=True)
    with ThreadPoolExecutor(asked.jobs) as jobs:
        found = [
            name for name, bad in jobs.map(lambda name: (name, _bad(name, asked.seconds, asked.seed)), names) if bad
        ]
    print(f"found something: {', '.join(found)}; see tests/fuzz/found" if found else "nothing found")
    return 1 if found else 0


def _bad(name: str, seconds: int, seed: int) -> bool:
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(seconds), str(seed)]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds + _START_S, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"{name}: it did not end: an input hangs where nothing can interrupt it", flush=True)
        return True
    # libFuzzer wants the folder of findings beforehand.
    with contextlib.suppress(OSError):
        (FOUND / name).rmdir()
    said = [
        line
        for line in (ended.stdout + ended.stderr).splitlines()
        if line.startswith(("FOUND", f"{name}:", "stat::number_of_executed_units"))
    ]
    print(f"{name}: exit {ended.returncode}; " + "; ".join(said), flush=True)
    if ended.returncode and not said:
        print(ended.stderr[-2000:], flush=True)
    # libFuzzer ends the process as it likes, so what was kept counts, not the exit code alone.
    return ended.returncode != 0 or any(line.startswith("FOUND") for line in said)


if __name__ == "__main__":
    sys.exit(main())
