"""``green-verifier``: verify a credential or presentation, or serve the verifier over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from schemas.errors import GreenError
from verifier import document, folder, gather
from verifier.caching import CachingFetcher
from verifier.controllers import body_of
from verifier.document import Document, Kind
from verifier.errors import FetchBlockedError, FetchFailedError, UsageError
from verifier.evidence import NOTHING, Evidence
from verifier.failure import INTERRUPTED, failed
from verifier.fetch import EgressClient
from verifier.known_lists import (
    FolderKnownLists,
    InMemoryKnownLists,
    KnownLists,
    lists_folder,
    recall,
    remember,
    state_folder,
)
from verifier.memo import Memo
from verifier.moments import read_moment
from verifier.policy import Policy, read_policy
from verifier.report import Outcome, Report
from verifier.settings import SETTINGS_FILE, Settings, read_settings
from verifier.verify import Expectation, refused_at_gate, verify_credential, verify_presentation
from verifier.visible import visible

USAGE: Final = 64
MAX_PORT: Final = 65535
EXIT_CODES: Final = {Outcome.VERIFIED: 0, Outcome.REFUSED: 1, Outcome.INCONCLUSIVE: 2}

_EXAMPLES: Final = """\
examples:
  green-verifier verify credential.json
      fetch the issuer's DID document and status lists, and check everything
  green-verifier verify https://customer.example/receipts/june.json --json
      the same for a credential on the web that anyone may read, as JSON for a program
  green-verifier verify credential.json --save-evidence audit-2026/
      keep what was fetched, so that the verdict can be made again
  green-verifier verify credential.json --offline --evidence audit-2026/ --trust-evidence --at 2026-11-20T21:00:00Z
      make it again later, without any network, as of that day
  green-verifier verify presentation.json --challenge 6d5b1f7e --domain audit.example
      check that a holder signed the challenge that you gave out
  green-verifier serve --port 8090
      the same over HTTP, with a page at http://127.0.0.1:8090/

exit codes: 0 verified, 1 refused, 2 inconclusive (something could not be checked), 64 wrong usage, 70 internal error
--json writes the report, or a problem document where there is none: the document could not be read or fetched
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser that leaves with 64 (EX_USAGE), since 2 means inconclusive here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="green-verifier",
        description="Check a Green Compute credential or presentation: signature, status, sums, evidence.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_verify(commands.add_parser("verify", help="check one document and explain the verdict"))
    serve = commands.add_parser("serve", help="serve the verifier over HTTP, with a page to paste a credential into")
    serve.epilog = "example: green-verifier serve --port 8090 --settings verifier.toml"
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (default: 8090)")
    serve.add_argument("--settings", metavar="FILE", type=Path, help="settings as TOML; GREEN_VERIFIER_* go on top")
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show the traceback of an internal error")
    return parser


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.epilog = _EXAMPLES
    verify.formatter_class = argparse.RawDescriptionHelpFormatter
    verify.add_argument(
        "source", metavar="FILE|URL|-", help="the document: a file, an https URL, or - for standard input"
    )
    verify.add_argument("--json", action="store_true", help="write the report as JSON")
    verify.add_argument("--offline", action="store_true", help="fetch nothing; what is not at hand is inconclusive")
    verify.add_argument(
        "--evidence",
        metavar="DIR",
        type=Path,
        help="take evidence from DIR; with --offline the DID documents and status lists too",
    )
    verify.add_argument(
        "--trust-evidence", action="store_true", help="believe the DID documents in DIR without a pinned key"
    )
    verify.add_argument("--save-evidence", metavar="DIR", type=Path, help="keep all that the verdict rests on in DIR")
    verify.add_argument("--policy", metavar="FILE", type=Path, help="whom to trust and what to demand (TOML or JSON)")
    verify.add_argument("--at", metavar="TIME", help="the verdict as of TIME, such as 2026-11-20T21:00:00Z")
    verify.add_argument("--allow-simulated", action="store_true", help="accept figures that nobody measured")
    verify.add_argument("--development", action="store_true", help="also fetch from this machine, by http")
    verify.add_argument(
        "--state",
        metavar="DIR",
        type=Path,
        help="remember the newest status lists in DIR (default: state_dir of the settings, "
        "else $XDG_STATE_HOME/green-verifier or ~/.local/state/green-verifier)",
    )
    verify.add_argument("--no-state", action="store_true", help="remember no status list, and recall none")
    verify.add_argument("--challenge", metavar="C", help="the challenge that a presentation must be signed for")
    verify.add_argument("--domain", metavar="D", help="the domain that a presentation must be signed for")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _serve(options) if options.command == "serve" else _verify(options)
    except FetchFailedError as error:
        print(f"green-verifier: inconclusive: {visible(error.detail)}", file=sys.stderr)
        _write_problem(options, error, outcome=Outcome.INCONCLUSIVE.value)
        return EXIT_CODES[Outcome.INCONCLUSIVE]
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
    if options.command == "verify" and options.json:
        print(json.dumps({"type": error.problem_type, "title": error.title, "detail": error.detail, **members}))


def _verify(options: argparse.Namespace) -> int:
    if options.trust_evidence and options.evidence is None:
        raise UsageError("--trust-evidence is about a folder: say which with --evidence DIR")
    if options.no_state and options.state is not None:
        raise UsageError("--state and --no-state contradict each other: give one of them")
    settings = _settings(options, os.environ)
    policy = _policy(options, settings)
    now = _moment(options.at)
    raw = _read_source(options, _client(settings))
    try:
        parsed = document.parse_any(raw)
    except GreenError as error:
        report = refused_at_gate(raw, error, policy, now)
    else:
        report = _judge(parsed, options, settings, policy, now)
    try:
        _write(report, as_json=options.json)
    except BrokenPipeError:
        # Who reads no further (`| head -1`) has not changed the verdict. Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_CODES[report.outcome]


def _client(settings: Settings) -> EgressClient:
    return EgressClient(
        development=settings.development, timeout_s=settings.fetch_timeout_s, max_bytes=settings.fetch_max_bytes
    )


def _judge(parsed: Document, options: argparse.Namespace, settings: Settings, policy: Policy, now: datetime) -> Report:
    if parsed.kind is not Kind.PRESENTATION and (options.challenge is not None or options.domain is not None):
        raise UsageError("--challenge and --domain are for presentations; this is a credential")
    known, memo = _known_lists(options, settings), Memo()
    remembered = recall(parsed, known, until=now + timedelta(seconds=policy.leeway_s))
    evidence = _evidence(parsed, remembered, options, settings, policy)
    if parsed.kind is Kind.PRESENTATION:
        expected = Expectation(options.challenge, options.domain)
        report = verify_presentation(parsed, evidence, policy, expected, now, memo=memo)
    else:
        report = verify_credential(parsed, evidence, policy, now, memo=memo)
    remember(memo, known, now=datetime.now(UTC), leeway_s=policy.leeway_s)
    return report


def _known_lists(options: argparse.Namespace, settings: Settings) -> KnownLists:
    if options.no_state:
        return InMemoryKnownLists()
    named: Path | None = options.state or (Path(settings.state_dir) if settings.state_dir else None)
    state = named or state_folder(os.environ)
    if state is None:
        _note("there is no home folder to remember status lists in: name one with --state DIR")
        return InMemoryKnownLists()
    return FolderKnownLists(lists_folder(state), note=_note)


def _note(text: str) -> None:
    print(f"green-verifier: note: {visible(text)}", file=sys.stderr)


def _moment(at: str | None) -> datetime:
    now = datetime.now(UTC)
    if at is None:
        return now
    moment = read_moment(at, "--at")
    if moment > now:
        _note("--at lies in the future, and nobody knows yet what will be revoked by then")
    return moment


def _settings(options: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    file = getattr(options, "settings", None) or environment.get(SETTINGS_FILE)
    settings = read_settings(environment, _read_file(Path(file)) if file else None)
    if getattr(options, "development", False):
        return msgspec.structs.replace(settings, development=True)
    return settings


def _policy(options: argparse.Namespace, settings: Settings) -> Policy:
    file = options.policy or settings.policy
    policy = read_policy(_read_file(Path(file))) if file else Policy()
    return msgspec.structs.replace(
        policy,
        allow_simulated=policy.allow_simulated or settings.allow_simulated or options.allow_simulated,
        trust_evidence=policy.trust_evidence or options.trust_evidence,
    )


def _read_source(options: argparse.Namespace, client: EgressClient) -> bytes:
    source: str = options.source
    if source == "-":
        return sys.stdin.buffer.read(document.MAX_PRESENTATION_BYTES + 1)
    if "://" not in source:
        return _read_file(Path(source))
    if options.offline:
        raise UsageError(f"{source} would have to be fetched, and --offline forbids that")
    fetched = asyncio.run(client.fetch(source, gather.DOCUMENT_TYPES))
    if fetched.problem == FetchBlockedError.name:
        hint = "" if options.development else "; --development allows this machine's own addresses"
        raise FetchBlockedError(f"{source}: {fetched.detail}{hint}")
    return body_of(fetched)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(document.MAX_PRESENTATION_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _evidence(
    parsed: Document, remembered: Evidence, options: argparse.Namespace, settings: Settings, policy: Policy
) -> Evidence:
    evidence = NOTHING if options.evidence is None else folder.load_folder(options.evidence)
    if not options.offline:
        evidence = _worth_keeping(evidence, policy)
        budget = settings.budget(parsed)
        fetcher = CachingFetcher(_client(settings), keep_s=settings.fetch_cache_s)
        evidence = asyncio.run(
            gather.gather(parsed, evidence, fetcher, budget=budget, with_attachments=settings.fetch_evidence)
        )
    evidence = remembered.joined(evidence)
    if options.save_evidence is not None:
        folder.save(evidence, options.save_evidence)
    return evidence


def _worth_keeping(evidence: Evidence, policy: Policy) -> Evidence:
    """Return what of a folder is better than what the network has: no old status, no document without a pin."""
    believed = {
        did: fetched
        for did, fetched in evidence.did_documents.items()
        if policy.trust_evidence or did in policy.pinned_keys
    }
    return Evidence(did_documents=believed, attachments=evidence.attachments)


def _write(report: Report, *, as_json: bool) -> None:
    if not as_json:
        # Imported here, since a program that asks for JSON should not wait for it.
        from verifier.render import show

        # A terminal that knows no "✓" gets its code: a traceback would leave with 1, which means refused.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        show(report, sys.stdout)
        sys.stdout.flush()
    elif sys.stdout.isatty():
        # The same JSON in ASCII: what a stranger wrote must not steer the terminal.
        print(json.dumps(json.loads(report.to_json())))
    else:
        sys.stdout.buffer.write(report.to_json() + b"\n")
        sys.stdout.flush()


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options, os.environ)
    host, port = options.host or settings.host, options.port if options.port is not None else settings.port
    if not 1 <= port <= MAX_PORT:
        raise UsageError(f"--port: {port} is no port (1 to {MAX_PORT})")
    if settings.policy:
        read_policy(_read_file(Path(settings.policy)))
    try:
        from verifier.serve import serve
    except ModuleNotFoundError as error:
        raise UsageError("the service needs more packages: pip install 'green-compute-oracle[verifier-api]'") from error
    serve(msgspec.structs.replace(settings, host=host, port=port))
    return 0
