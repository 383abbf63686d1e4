"""All commands of ``green-issuer``, and how one is run. Importing it takes all that the extra ``issuer`` installs."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
from collections.abc import Sequence
from typing import Any, Final

from issuer.cli import api_keys, carbon, credentials, export, keys, nodes, parties, serve, setup, status, trust
from issuer.cli.arguments import EXIT_DONE, EXIT_REFUSED, Command, Commands, Parser, shared_options
from issuer.cli.output import Answer
from schemas.distribution import ShowVersion
from schemas.errors import GreenError
from verifier.failure import INTERRUPTED, failed

_MODULES: Final = (setup, serve, keys, parties, nodes, api_keys, credentials, export, status, carbon, trust)

_EPILOG: Final = """\
a first issuer on this machine:
  green-issuer init --public-url http://localhost:8080 --development
  green-issuer tenants add acme --name 'Acme'
  green-issuer nodes invite node-1 --tenant acme --region DEU --tdp-w 700
  green-issuer serve

Settings also come from a TOML file (--config) and from variables GREEN_ISSUER_…
Exit codes: 0 done, 1 refused, 64 wrong usage, 70 internal error.
"""


def parser() -> Parser:
    """Return the whole grammar of the command line."""
    top = Parser(
        prog="green-issuer",
        description="Issue verifiable energy and carbon receipts for AI workloads.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=ShowVersion)
    commands = Commands(top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser), shared_options())
    for module in _MODULES:
        module.register(commands)
    return top


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    arguments = parser().parse_args(argv)
    try:
        answer = _run(arguments.run, arguments)
    except GreenError as error:
        sys.stderr.write(f"green-issuer: {error.detail}\n")
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a traceback would end with 1, which means refused
        return failed("green-issuer", error)
    if answer.value is not None:
        print(answer.render(as_json=arguments.json))
    return EXIT_DONE


def _run(command: Command, arguments: argparse.Namespace) -> Answer:
    result: Any = command(arguments)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    if not isinstance(result, Answer):
        raise TypeError(f"{command!r} returned no Answer")
    return result
