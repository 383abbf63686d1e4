"""``green-verifier verify``: one credential, presentation or receipt, from a file or the web."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import msgspec

from schemas.errors import GreenError
from verifier import document, folder, gather
from verifier.caching import CachingFetcher
from verifier.cli_options import EXIT_CODES, moment_of, note, policy_of, read_file, settings_of, write_report
from verifier.controllers import body_of
from verifier.document import Document, Kind
from verifier.errors import FetchBlockedError, UsageError
from verifier.evidence import NOTHING, Evidence, Fetched
from verifier.fetch import EgressClient
from verifier.memo import Memo
from verifier.moments import later
from verifier.policy import Policy
from verifier.report import Report
from verifier.settings import Settings
from verifier.status_lists.known import InMemoryKnownLists, KnownLists, lists_folder, recall, remember, state_folder
from verifier.status_lists.known_folder import FolderKnownLists
from verifier.verify import (
    Expectation,
    refused_at_gate,
    verify_credential,
    verify_presentation,
    verify_receipt,
    verify_window,
)

EXAMPLES: Final = """\
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
  green-verifier verify receipt.json --window window-41.json
      check that one inference is in a signed window (without --window, the window is fetched)
  green-verifier verify window-41.json --previous window-40.json
      check that a node's window follows from the one before it
  green-verifier audit-bundle verify june.zip --trust-evidence
      check a whole period at once, without any network
  green-verifier serve --port 8090
      the same over HTTP, with a page at http://127.0.0.1:8090/

exit codes: 0 verified, 1 refused, 2 inconclusive (something could not be checked), 64 wrong usage, 70 internal error
--json writes the report, or a problem document where there is none: the document could not be read or fetched
"""
"""Shown by --help."""


def add_verify(verify: argparse.ArgumentParser) -> None:
    """Describe the options of ``verify``."""
    verify.epilog = EXAMPLES
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
    verify.add_argument("--window", metavar="FILE", type=Path, help="the window's credential that a receipt belongs to")
    verify.add_argument(
        "--previous", metavar="FILE", type=Path, help="the window's credential before this one: does this one follow?"
    )
    verify.add_argument("--challenge", metavar="C", help="the challenge that a presentation must be signed for")
    verify.add_argument("--domain", metavar="D", help="the domain that a presentation must be signed for")


def run_verify(options: argparse.Namespace) -> int:
    """Verify what the options name, write the report, and return the exit code. Raises GreenError."""
    if options.trust_evidence and options.evidence is None:
        raise UsageError("--trust-evidence is about a folder: say which with --evidence DIR")
    if options.no_state and options.state is not None:
        raise UsageError("--state and --no-state contradict each other: give one of them")
    settings = settings_of(options, os.environ)
    policy = policy_of(options, settings)
    now = moment_of(options.at)
    raw = _read_source(options, _client(settings))
    try:
        parsed = document.parse_any(raw)
    except GreenError as error:
        report = refused_at_gate(raw, error, policy, now)
    else:
        report = _judge(parsed, options, settings, policy, now)
    write_report(report, lambda stream: _show(report, stream), as_json=options.json)
    return EXIT_CODES[report.outcome]


def _show(report: Report, stream: TextIO) -> None:
    # Imported here, since a program that asks for JSON should not wait for it.
    from verifier.render import show

    show(report, stream)


def _client(settings: Settings) -> EgressClient:
    return EgressClient(
        development=settings.development, timeout_s=settings.fetch_timeout_s, max_bytes=settings.fetch_max_bytes
    )


def _judge(parsed: Document, options: argparse.Namespace, settings: Settings, policy: Policy, now: datetime) -> Report:
    _check_options(parsed, options)
    previous = None if options.previous is None else document.parse(read_file(options.previous))
    known, memo = _known_lists(options, settings), Memo()
    evidence = _evidence(parsed, previous, options, settings, policy)
    until = later(now, policy.leeway_s)
    for one in (gather.window_of(parsed, evidence) if parsed.kind is Kind.RECEIPT else parsed, previous):
        evidence = evidence if one is None else recall(one, known, until=until).joined(evidence)
    if options.save_evidence is not None:
        folder.save(evidence, options.save_evidence)
    if parsed.kind is Kind.PRESENTATION:
        expected = Expectation(options.challenge, options.domain)
        report = verify_presentation(parsed, evidence, policy, expected, now, memo=memo)
    elif parsed.kind is Kind.RECEIPT:
        report = verify_receipt(parsed, evidence, policy, now, memo=memo)
    elif previous is not None:
        report = verify_window(parsed, previous, evidence, policy, now, memo=memo)
    else:
        report = verify_credential(parsed, evidence, policy, now, memo=memo)
    remember(memo, known, now=datetime.now(UTC), leeway_s=policy.leeway_s)
    return report


def _check_options(parsed: Document, options: argparse.Namespace) -> None:
    """Raise UsageError for an option that is about another kind of document: it would be of no effect."""
    if parsed.kind is not Kind.PRESENTATION and (options.challenge is not None or options.domain is not None):
        what = "receipt" if parsed.kind is Kind.RECEIPT else "credential"
        raise UsageError(f"--challenge and --domain are for presentations; this is a {what}")
    if parsed.kind is not Kind.RECEIPT and options.window is not None:
        raise UsageError("--window is for receipts: it names the file of the window's credential")
    if parsed.kind is not Kind.WINDOW and options.previous is not None:
        raise UsageError("--previous is for a window's credential: it names the file of one before it")


def _known_lists(options: argparse.Namespace, settings: Settings) -> KnownLists:
    if options.no_state:
        return InMemoryKnownLists()
    named: Path | None = options.state or (Path(settings.state_dir) if settings.state_dir else None)
    state = named or state_folder(os.environ)
    if state is None:
        note("there is no home folder to remember status lists in: name one with --state DIR")
        return InMemoryKnownLists()
    return FolderKnownLists(lists_folder(state), note=note)


def _read_source(options: argparse.Namespace, client: EgressClient) -> bytes:
    source: str = options.source
    if source == "-":
        return sys.stdin.buffer.read(document.MAX_PRESENTATION_BYTES + 1)
    if "://" not in source:
        return read_file(Path(source))
    if options.offline:
        raise UsageError(f"{source} would have to be fetched, and --offline forbids that")
    fetched = asyncio.run(client.fetch(source, gather.DOCUMENT_TYPES))
    if fetched.problem == FetchBlockedError.name:
        raise FetchBlockedError(f"{source}: {fetched.detail}")
    return body_of(fetched)


def _evidence(
    parsed: Document, previous: Document | None, options: argparse.Namespace, settings: Settings, policy: Policy
) -> Evidence:
    evidence = NOTHING if options.evidence is None else folder.load_folder(options.evidence)
    if options.window is not None:
        evidence = _named_window(parsed, options.window).joined(evidence)
    if options.offline:
        return evidence
    held = evidence
    evidence = _worth_keeping(held)
    fetcher = CachingFetcher(_client(settings), keep_s=settings.fetch_cache_s)
    for one in (parsed, previous):
        if one is not None:
            gathering = gather.gather(
                one, evidence, fetcher, budget=settings.budget(one), with_attachments=settings.fetch_evidence
            )
            evidence = asyncio.run(gathering)
    return _standing_in(evidence, held, policy)


def _named_window(parsed: Document, path: Path) -> Evidence:
    """Return the file of a window's credential under the name that the receipt gives it; whose it is, is checked."""
    name = str(parsed.value.get("window_credential"))
    return Evidence(credentials={name: Fetched(url=path.name, origin="folder", body=read_file(path))})


def _worth_keeping(evidence: Evidence) -> Evidence:
    """Return what of a folder is as good as what the network has: no status, and no document that says which keys count.

    Those change, and an old one would hide a revocation.
    """
    return Evidence(attachments=evidence.attachments, credentials=evidence.credentials)


def _standing_in(evidence: Evidence, held: Evidence, policy: Policy) -> Evidence:
    """Return the evidence with the folder's DID documents for those that could not be fetched, if they are believed.

    Each keeps the reason why the fetch failed, so that the report warns.
    """
    believed = {
        did: msgspec.structs.replace(held.did_documents[did], problem=failed.problem, detail=failed.detail)
        for did, failed in evidence.did_documents.items()
        if failed.body is None
        and did in held.did_documents
        and held.did_documents[did].body is not None
        and (policy.trust_evidence or did in policy.pinned_keys)
    }
    return Evidence(did_documents=believed).joined(evidence)
