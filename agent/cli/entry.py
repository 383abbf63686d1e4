"""From arguments to a command's exit code: the one place where errors become words on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.cli.call import Call
from agent.cli.daemon import daemon
from agent.cli.enroll import enroll
from agent.cli.inspect import settings
from agent.cli.meters import meters
from agent.cli.parser import USAGE, build
from agent.cli.run import run
from agent.cli.status import status
from agent.cli.submit import submit
from agent.cli.ways_in import import_records, proxy
from agent.config import load
from agent.errors import MeterUnavailableError, SettingsError
from agent.home import home
from agent.logs import log_to_stderr
from agent.tpm.errors import TpmAddressError
from did.errors import SignerError
from schemas.errors import GreenError
from schemas.pipes import quietly

_COMMANDS: Final[Mapping[str, Callable[[Call], int]]] = {
    "enroll": enroll,
    "enrol": enroll,
    "run": run,
    "daemon": daemon,
    "proxy": proxy,
    "import": import_records,
    "status": status,
    "submit": submit,
    "meters": meters,
    "settings": settings,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name (default: those of the process) and return its exit code."""
    return quietly(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What follows "--" is the command to run, whatever it looks like.
    cut = given.index("--") if "--" in given else len(given)
    options = build().parse_args(given[:cut])
    log_to_stderr(verbose=options.verbose)
    try:
        call = Call(options, given[cut + 1 :], load(os.environ), home(os.environ), os.environ)
        return _COMMANDS[options.command](call)
    except (SettingsError, MeterUnavailableError, SignerError, TpmAddressError) as error:
        print(f"green-agent: {error.detail}", file=sys.stderr)
        return USAGE
    except GreenError as error:
        print(f"green-agent: {error.title}: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
