"""``green-wallet``: hold credentials and present them. Exit codes: 0 done, 1 refused, 64 wrong usage, 70 internal error."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console
from rich.table import Table

from schemas import strict_json
from schemas.distribution import ShowVersion
from schemas.errors import GreenError
from schemas.pipes import quietly
from verifier.errors import FetchFailedError
from verifier.failure import INTERRUPTED, failed
from verifier.fetch import EgressClient
from verifier.gather import CREDENTIAL_TYPES
from verifier.rdf.canonicalize import InProcess
from verifier.visible import visible
from wallet.archive import Archive, HeldCredential
from wallet.errors import WalletError
from wallet.holder import create_holder, open_holder
from wallet.importing import take_in
from wallet.present import present
from wallet.standing import SUPERSEDED, Standings

HOME_VARIABLE: Final = "GREEN_WALLET_HOME"
EXIT_DONE: Final = 0
EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 64

_EPILOG: Final = """\
example:
  green-wallet init
  green-wallet import credential.json june/ https://provider.example/receipts/4711.json
  green-wallet list
  green-wallet present demo-inference-1 --challenge 6d5b1f7e --domain audit.example --out presentation.json

The wallet is a folder: --wallet DIR, else $GREEN_WALLET_HOME, else ~/.local/share/green-wallet.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return quietly(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        done: int = options.act(options)
    except BrokenPipeError:
        raise
    except GreenError as error:
        print(f"green-wallet: {visible(error.detail)}", file=sys.stderr)
        return EXIT_REFUSED
    except OSError as error:
        print(f"green-wallet: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a traceback would end with 1, which means refused
        return failed("green-wallet", error)
    return done


def _parser() -> argparse.ArgumentParser:
    shared = _Parser(add_help=False)
    shared.add_argument("--wallet", type=Path, metavar="DIR", help="folder of the wallet")
    shared.add_argument("--json", action="store_true", help="write the result as JSON")
    parser = _Parser(
        prog="green-wallet",
        description="Hold green compute credentials as they were received, and present them for an audit.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_init(commands.add_parser("init", parents=[shared], help="make a wallet with a key of its own"))
    _add_import(commands.add_parser("import", parents=[shared], help="verify credentials and keep them"))
    did = commands.add_parser("did", parents=[shared], help="say who this wallet's holder is")
    did.epilog = "example: CUSTOMER=$(green-wallet did)"
    did.set_defaults(act=_did)
    listing = commands.add_parser("list", parents=[shared], help="list what is held")
    listing.epilog = "example: green-wallet list --json"
    listing.set_defaults(act=_list)
    show = commands.add_parser("show", parents=[shared], help="write one credential, byte for byte")
    show.add_argument("name", metavar="NAME", help="its id, inference id, or (the beginning of) its digest")
    show.epilog = "example: green-wallet show demo-inference-1 > credential.json"
    show.set_defaults(act=_show)
    _add_present(commands.add_parser("present", parents=[shared], help="make a presentation for an auditor"))
    return parser


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: green-wallet init --wallet ~/receipts"
    parser.add_argument("--algorithm", choices=("ES256", "EdDSA"), default="ES256", help="of the key (ES256)")
    parser.set_defaults(act=_init)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: green-wallet import credential.json more/*.json"
    parser.add_argument("sources", nargs="+", metavar="FILE|DIR|URL|-", help="where the credentials are")
    parser.add_argument("--offline", action="store_true", help="fetch nothing; check what can be checked")
    parser.add_argument("--development", action="store_true", help="also fetch from this machine, by http")
    parser.set_defaults(act=_import)


def _add_present(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: green-wallet present --all --challenge 6d5b1f7e --domain audit.example"
    parser.add_argument("names", nargs="*", metavar="NAME", help="which credentials: ids, inference ids or digests")
    parser.add_argument("--all", action="store_true", help="present everything that is held")
    parser.add_argument("--challenge", metavar="C", help="the auditor's challenge")
    parser.add_argument("--domain", metavar="D", help="the auditor's domain")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it here instead of standard output")
    parser.set_defaults(act=_present)


def _folder(options: argparse.Namespace) -> Path:
    chosen: Path | None = options.wallet
    if chosen is not None:
        return chosen.expanduser()
    return Path(os.environ.get(HOME_VARIABLE) or "~/.local/share/green-wallet").expanduser()


def _archive(options: argparse.Namespace) -> Archive:
    return Archive(_folder(options) / "credentials")


def _init(options: argparse.Namespace) -> int:
    folder = _folder(options)
    holder = create_holder(folder, options.algorithm)
    if options.json:
        print(json.dumps({"did": holder.did, "wallet": str(folder)}))
        return EXIT_DONE
    print(f"You are {holder.did}")
    print(f"Give this DID to your compute provider. The key is in {folder}: keep it safe and backed up.")
    return EXIT_DONE


def _did(options: argparse.Namespace) -> int:
    holder = open_holder(_folder(options))
    print(json.dumps({"did": holder.did}) if options.json else holder.did)
    return EXIT_DONE


def _import(options: argparse.Namespace) -> int:
    open_holder(_folder(options))
    return asyncio.run(_import_all(options, _archive(options)))


async def _import_all(options: argparse.Namespace, archive: Archive) -> int:
    # The same switch as the verifier's: both run side by side on a developer's machine.
    development = options.development or os.environ.get("GREEN_VERIFIER_DEVELOPMENT") in {"1", "true"}
    client = None if options.offline else EgressClient(development=development)
    code = EXIT_DONE
    results = []
    for source in _each(options.sources):
        try:
            raw = await _read(source, client)
            held, report, new = await take_in(raw, archive, client, datetime.now(UTC))
        except (GreenError, OSError) as error:
            code = EXIT_REFUSED
            reason = error.detail if isinstance(error, GreenError) else str(error.strerror)
            results.append({"source": source, "kept": False, "reason": reason})
            print(f"✗ {visible(source)}: {visible(reason)}", file=sys.stderr)
            continue
        warned_of = [*report.warned_of]
        results.append(
            {
                "source": source,
                "kept": True,
                "new": new,
                "id": held.id,
                "outcome": report.outcome.value,
                "warned_of": warned_of,
            }
        )
        if not options.json:
            warned = f", with warnings: {', '.join(warned_of)}" if warned_of else ""
            print(f"✓ {visible(held.id)} ({report.outcome.value}{warned}{'' if new else '; held already'})")
    if options.json:
        print(json.dumps({"imported": results}))
    return code


def _each(sources: Sequence[str]) -> list[str]:
    found: list[str] = []
    for source in sources:
        folder = Path(source)
        if folder.is_dir():
            # Files alone: to open a pipe that somebody put there would wait for ever.
            found += sorted(str(path) for path in folder.glob("*.json") if path.is_file())
        else:
            found.append(source)
    return found


async def _read(source: str, client: EgressClient | None) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(strict_json.MAX_BYTES + 1)
    if "://" not in source:
        # No more than the gate needs to refuse it: a device has no end.
        with Path(source).open("rb") as file:  # noqa: ASYNC230  # a command line reads one file after the other
            return file.read(strict_json.MAX_BYTES + 1)
    if client is None:
        raise WalletError(f"{source} is on the web, and --offline fetches nothing")
    fetched = await client.fetch(source, CREDENTIAL_TYPES)
    if fetched.body is None:
        raise FetchFailedError(fetched.detail or f"{source} cannot be fetched")
    return fetched.body


def _list(options: argparse.Namespace) -> int:
    held = list(_archive(options).all())
    standings = Standings(held)
    if options.json:
        print(json.dumps({"credentials": [_facts(one) | {"standing": standings.of(one)} for one in held]}))
        return EXIT_DONE
    table = Table(box=None, header_style="bold")
    for column in ("inference or job", "model", "kWh", "gCO2e", "assurance", "standing", "digest"):
        table.add_column(column, overflow="fold")
    for one in held:
        facts = _facts(one)
        name = facts["inferenceId"] or facts["jobId"] or facts["id"]
        cells = (name, facts["modelId"], facts["energyKwh"], facts["operationalEmissionsGco2e"], facts["assurance"])
        table.add_row(*(visible(cell) for cell in (*cells, standings.of(one))), one.digest[:16])
    Console(markup=False, highlight=False).print(table if held else "Nothing is held yet: green-wallet import FILE")
    return EXIT_DONE


def _facts(held: HeldCredential) -> dict[str, str]:
    claims = ("inferenceId", "jobId", "modelId", "periodEnd", "energyKwh", "operationalEmissionsGco2e", "assurance")
    return {"id": held.id, "digest": held.digest, "issuer": held.issuer} | {name: held.claim(name) for name in claims}


def _show(options: argparse.Namespace) -> int:
    sys.stdout.buffer.write(_archive(options).find(options.name).raw)
    return EXIT_DONE


def _present(options: argparse.Namespace) -> int:
    holder = open_holder(_folder(options))
    archive = _archive(options)
    if options.all == bool(options.names):
        raise WalletError("name the credentials to present, or say --all")
    everything = list(archive.all()) if options.all else []
    # What was superseded was revoked for that: beside its successor it would have the whole refused.
    standings = Standings(everything)
    credentials = [one for one in everything if standings.of(one) != SUPERSEDED]
    credentials += [archive.find(name) for name in options.names]
    raw = present(
        credentials,
        holder,
        InProcess(),
        presentation_id=f"urn:uuid:{uuid.uuid4()}",
        created=datetime.now(UTC),
        challenge=options.challenge,
        domain=options.domain,
    )
    if options.out is None:
        sys.stdout.buffer.write(raw)
        return EXIT_DONE
    options.out.write_bytes(raw)
    facts = {"presentation": str(options.out), "holder": holder.did, "credentials": len(credentials)}
    print(
        json.dumps(facts)
        if options.json
        else f"{options.out}: {len(credentials)} credential(s), signed by {holder.did}"
    )
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
