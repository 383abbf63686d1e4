"""``green-verifier``: verify what a node, an issuer or a holder signed, or serve the verifier over HTTP."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from schemas.distribution import ShowVersion, lacking
from schemas.errors import GreenError
from verifier.audit_errors import IssuerBusyError, IssuerRefusedError
from verifier.cli_bundle import add_bundle, run_bundle
from verifier.cli_options import EXIT_CODES, read_file, settings_of
from verifier.cli_verify import EXAMPLES, add_verify, run_verify
from verifier.errors import FetchFailedError, UsageError
from verifier.failure import INTERRUPTED, failed
from verifier.policy import read_policy
from verifier.report import Outcome
from verifier.visible import visible

USAGE: Final = 64
MAX_PORT: Final = 65535


class _Parser(argparse.ArgumentParser):
    """An argument parser that leaves with 64 (EX_USAGE), since 2 means inconclusive here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="green-verifier",
        description="Check a Green Compute credential, presentation or receipt: signature, status, sums, evidence.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_verify(commands.add_parser("verify", help="check one document and explain the verdict"))
    add_bundle(commands.add_parser("audit-bundle", help="make or check a bundle of a node's windows, in one file"))
    serve = commands.add_parser("serve", help="serve the verifier over HTTP, with a page to paste a credential into")
    serve.epilog = "example: green-verifier serve --port 8090 --settings verifier.toml"
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (default: 8090)")
    serve.add_argument("--settings", metavar="FILE", type=Path, help="settings as TOML; GREEN_VERIFIER_* go on top")
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show the traceback of an internal error")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "serve": _serve,
        "verify": run_verify,
        "audit-bundle": run_bundle,
    }
    try:
        return commands[options.command](options)
    except (FetchFailedError, IssuerBusyError) as error:
        print(f"green-verifier: inconclusive: {visible(error.detail)}", file=sys.stderr)
        _write_problem(options, error, outcome=Outcome.INCONCLUSIVE.value)
        return EXIT_CODES[Outcome.INCONCLUSIVE]
    except IssuerRefusedError as error:
        print(f"green-verifier: {visible(error.detail)}", file=sys.stderr)
        _write_problem(options, error)
        return EXIT_CODES[Outcome.REFUSED]
    except GreenError as error:
        print(f"green-verifier: {visible(error.detail)}", file=sys.stderr)
        _write_problem(options, error)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a traceback would end with 1, which means refused
        return failed("green-verifier", error, debug=options.debug)


def _write_problem(options: argparse.Namespace, error: GreenError, **members: str) -> None:
    """Write why there is no report, as a problem document (RFC 9457), where a program reads standard output."""
    if getattr(options, "json", False):
        print(json.dumps({"type": error.problem_type, "title": error.title, "detail": error.detail, **members}))


def _serve(options: argparse.Namespace) -> int:
    settings = settings_of(options, os.environ)
    host, port = options.host or settings.host, options.port if options.port is not None else settings.port
    if not 1 <= port <= MAX_PORT:
        raise UsageError(f"--port: {port} is no port (1 to {MAX_PORT})")
    if settings.policy:
        read_policy(read_file(Path(settings.policy)))
    try:
        from verifier.web.serve import serve
    except ModuleNotFoundError as error:
        return lacking("green-verifier", "verifier-api", error)
    serve(msgspec.structs.replace(settings, host=host, port=port))
    return 0
