"""`make demo` and `make demo ONCE=1`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from demo.programs import StepError
from demo.story import Story, Walk


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk the whole way; return 0, or 1 with the step that failed."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    walk = Walk(options.out, options.issuer_port, options.verifier_port)
    # Also where a shell started us in the background, and so with SIGINT ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupt)
    try:
        with Story(walk, console) as story:
            story.tell()
            if not options.once:
                story.stay_up(threading.Event())
    except StepError as error:
        console.print(f"\n[bold red]✗ {walk.step or 'The demo'} failed.[/]")
        console.print(str(error), markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Measure, sign, issue, verify, revoke and present on this machine, with the real programs.",
        epilog="example: make demo ONCE=1 ISSUER_PORT=18080 VERIFIER_PORT=18090",
    )
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for the results (demo-out)")
    parser.add_argument("--once", action="store_true", help="stop when the walk is done, instead of staying up")
    parser.add_argument("--issuer-port", type=int, default=int(os.environ.get("ISSUER_PORT", "8080")))
    parser.add_argument("--verifier-port", type=int, default=int(os.environ.get("VERIFIER_PORT", "8090")))
    return parser


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
