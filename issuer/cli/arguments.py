"""The command line's grammar, shared by all commands: options, help with a real example, exit codes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from issuer.cli.output import Answer
from schemas import times
from schemas.errors import FormatError
from schemas.plain_text import why_not_plain

EXIT_DONE: Final = 0
EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 64

Command: TypeAlias = Callable[[argparse.Namespace], Coroutine[Any, Any, Answer] | Answer]
"""Does what a command line asks and returns what to print. Raises GreenError with what to do about it."""

SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
"""Slug of an issuer and id of a tenant: it stands in URLs and DIDs."""

_LONGEST_NAME: Final = 200
_LIKE_AN_OPTION: Final = re.compile(r"-[A-Za-z0-9_-]{42}", re.ASCII)


class Parser(argparse.ArgumentParser):
    """A parser whose wrong usage ends with exit code 64 (EX_USAGE of sysexits.h)."""

    def parse_known_args(  # type: ignore[override]  # the base's overloads say no more
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as ever, but take a key's id that begins with a hyphen for what it is: ``key_id`` takes the space away."""
        given = sys.argv[1:] if args is None else args
        marked = [f" {word}" if _LIKE_AN_OPTION.fullmatch(word) else word for word in given]
        return super().parse_known_args(marked, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, on standard error, and exit."""
        sys.stderr.write(f"{self.prog}: {message}\nSee: {self.prog} --help\n")
        raise SystemExit(EXIT_USAGE)


class Commands:
    """Adds commands to a parser, each with the options that all commands have."""

    def __init__(self, subparsers: argparse._SubParsersAction[Parser], shared: Parser) -> None:
        self._subparsers = subparsers
        self._shared = shared

    def add(self, name: str, run: Command, *, summary: str, example: str) -> Parser:
        """Return the parser of a new command, for its own arguments."""
        parser = self._subparsers.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example:\n  {example}",
            parents=[self._shared],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=run)
        return parser

    def group(self, name: str, summary: str, *, example: str) -> Commands:
        """Return the commands below a word, such as ``keys``."""
        parser = self._subparsers.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        return Commands(parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser), self._shared)


def shared_options() -> Parser:
    """Return the options that every command has."""
    shared = Parser(add_help=False)
    group = shared.add_argument_group("where the issuer is")
    group.add_argument("--config", metavar="FILE", help="settings in TOML (default: issuer.toml in the data folder)")
    group.add_argument("--data-dir", metavar="DIR", help="folder of database and keys (default: green-issuer-data)")
    group.add_argument("--database-url", metavar="URL", help="sqlite:///PATH or postgresql://USER@HOST/NAME")
    shared.add_argument("--json", action="store_true", help="print JSON, for programs")
    return shared


def key_id(text: str) -> str:
    """Argument type of key ids, which are thumbprints in base64url and may begin with a hyphen."""
    return text.strip()


def slug(text: str) -> str:
    """Argument type of slugs and tenant ids."""
    if not SLUG.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 63 of a-z 0-9 and hyphens, no hyphen at either end")
    return text


def shown_name(text: str) -> str:
    """Argument type of names for people to read."""
    if not 1 <= len(text) <= _LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"a name has 1 to {_LONGEST_NAME} characters")
    reason = why_not_plain(text)
    if reason is not None:
        raise argparse.ArgumentTypeError(f"a name is read by people: {reason}")
    return text


def positive(text: str) -> int:
    """Argument type of whole numbers above zero."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def moment(text: str) -> int:
    """Argument type of UTC times and dates (their beginning): microseconds since 1970."""
    try:
        whole = f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else text
        return times.to_microseconds(times.parse_claim(whole))
    except FormatError as error:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no date such as "2026-11-20" nor UTC time such as "2026-11-20T12:00:00Z"'
        ) from error


def port(text: str) -> int:
    """Argument type of TCP ports."""
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text, re.ASCII) or int(text) > 0xFFFF:  # noqa: PLR2004 - the largest port
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)
