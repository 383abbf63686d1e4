"""The arguments of ``green-agent``, with an example for each command."""

from __future__ import annotations

import argparse
from typing import Final, NoReturn

from agent.cli.ways_in import EXAMPLES as WAYS_IN
from agent.cli.ways_in import add_commands as add_ways_in
from schemas.distribution import ShowVersion

METERS: Final = ("auto", "nvml", "amd", "replay", "simulator")
"""What ``meter`` may be (agent.config)."""

USAGE: Final = 64
"""Exit code of a call that cannot be understood, or settings that cannot be used (EX_USAGE, sysexits.h)."""

_EXAMPLES: Final = {
    "enroll": """example:
  green-agent enroll --issuer https://oracle.example --token 3q2-7wEAAA…
  green-agent enroll --issuer http://127.0.0.1:8080 --development --token … --key file:/etc/green/node.pem
  green-agent enroll --issuer https://oracle.test --token 3q2-7wEAAA… --key tpm:""",
    "run": """example:
  green-agent run --model meta-llama/Llama-3.1-8B -- python train.py --epochs 3

The command gets its own process group, the terminal, signals and its standard input and output as they are.
Trouble with measuring never keeps it from running: that it was not measured is told, and counted in green-agent status.
exit code: the command's; killed by the same signal if it was; 127 not found, 126 not executable, 64 not started
(wrong usage; with --strict also what cannot be measured).""",
    "daemon": """example:
  green-agent daemon
  GREEN_AGENT_WINDOW_S=5 green-agent daemon
  green-agent daemon --metrics 127.0.0.1:9464

Runs in the foreground (systemd keeps it running: docs/operating.md). SIGTERM closes the last window, then ends.
exit code: 0 ended when asked to, 1 it cannot run, 64 usage""",
    "status": """example:
  green-agent status --json | jq .backlog
  green-agent status --acknowledge-lost

exit code: 0 all is well, 1 something needs attention (not enrolled, no daemon where one ran, windows that
wait without end, windows or records refused or lost, work that was not measured), 64 usage""",
    "submit": """example:
  green-agent submit --wait 60
  green-agent submit --retry-rejected
  green-agent submit --discard-rejected

Records are sent by this command, windows by the daemon: what it achieves meanwhile is told.
exit code: 0 nothing waits, 1 records or windows still wait, were refused, or cannot be sent again, 64 usage""",
    "meters": """example:
  green-agent meters
  green-agent meters --check 10 --json
  green-agent meters --record idle.jsonl --for 60

exit code: 0 a device can be measured, 1 none can (figures would be simulated), 64 usage""",
    "settings": """example:
  GREEN_AGENT_METER=nvml green-agent settings""",
    **WAYS_IN,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage()
        self.exit(USAGE, f"{self.prog}: {message}\n")


def build() -> argparse.ArgumentParser:
    """Return the parser. Each command's name ends up in ``command``."""
    parser = _Parser(
        prog="green-agent",
        description="Measures the energy of AI work on this node and has it made into verifiable credentials.",
        epilog="start with: green-agent enroll --issuer https://oracle.example --token TOKEN",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion)
    parser.add_argument("--verbose", action="store_true", help="show what is logged, with tracebacks")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _enroll(_command(commands, "enroll", "make a key, register this node with an issuer", aliases=("enrol",)))
    _run(_command(commands, "run", "run a command and record its energy"))
    _daemon(_command(commands, "daemon", "measure this node all the time, and sign what it used window by window"))
    _status(_command(commands, "status", "show node, issuer, backlog, and what was refused or lost"))
    _submit(_command(commands, "submit", "send the records that wait, and see to the windows"))
    _meters(_command(commands, "meters", "show what this machine can measure, what not, and why"))
    _json(_command(commands, "settings", "show every setting and its value"))
    add_ways_in(lambda name, summary: _command(commands, name, summary))
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, summary: str, aliases: tuple[str, ...] = ()
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        aliases=aliases,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=_EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _enroll(command: argparse.ArgumentParser) -> None:
    command.add_argument("--issuer", required=True, metavar="URL", help="the issuer's base URL")
    secret = command.add_mutually_exclusive_group(required=True)
    secret.add_argument("--token", help="the invite token that the issuer's operator gave you")
    secret.add_argument("--token-file", metavar="FILE", help="read it from a file, - for standard input")
    command.add_argument(
        "--key",
        metavar="URI",
        help="signing key; a file: that is missing is made (default: the home); tpm: the TPM signs windows",
    )
    command.add_argument(
        "--algorithm", choices=("ES256", "EdDSA"), default="ES256", help="of a new key (default ES256)"
    )
    command.add_argument("--meter", choices=METERS, help="keep as the meter to use")
    command.add_argument("--development", action="store_true", help="allow http to this machine's loopback")
    _json(command)


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", metavar="ID", help="model id in the record (default: the command's name)")
    command.add_argument("--inference-id", metavar="ID", help="id of the record (default: a new UUID)")
    command.add_argument("--tenant", metavar="ID", help="whose work it is (default: the node's tenant); by the daemon")
    command.add_argument("--gpu", metavar="UUID", action="append", help="measure this GPU; may stand several times")
    command.add_argument("--meter", choices=METERS, help="meter for this run")
    command.add_argument(
        "--wait", metavar="SECONDS", type=_seconds, help="longest time spent on sending; 0: don't send"
    )
    command.add_argument("--summary", metavar="FILE", help="write what was measured to FILE, as JSON")
    command.add_argument(
        "--strict",
        action="store_true",
        help="start nothing that cannot be measured (default: it runs, and that is told)",
    )
    command.add_argument("--quiet", action="store_true", help="say nothing unless something goes wrong")
    # All that follows its first word is kept, so that an option behind it is refused and never taken for one of ours.
    command.add_argument("work", metavar="-- CMD", nargs=argparse.REMAINDER, help="the command and its arguments")


def _daemon(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--metrics", metavar="HOST:PORT", help="answer Prometheus there, such as 127.0.0.1:9464 (default: the setting)"
    )


def _status(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--acknowledge-lost",
        action="store_true",
        help="show what was lost or not measured once more, then count from 0; it stays lost",
    )
    _json(command)


def _submit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--wait", metavar="SECONDS", type=_seconds, default=30.0, help="give up then (default 30)")
    rejected = command.add_mutually_exclusive_group()
    rejected.add_argument("--retry-rejected", action="store_true", help="send again what the issuer refused")
    rejected.add_argument(
        "--discard-rejected", action="store_true", help="first delete, for good, what the issuer refused before"
    )
    _json(command)


def _meters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--check", metavar="SECONDS", type=_seconds, help="read for so long: tick, cost, plausibility")
    command.add_argument("--gpu", metavar="UUID", action="append", help="only this GPU; may stand several times")
    command.add_argument("--record", metavar="FILE", help="write what they read to FILE, for meter = replay")
    command.add_argument(
        "--for", metavar="SECONDS", type=_seconds, default=60.0, dest="record_s", help="record so long (default 60)"
    )
    _json(command)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86_400:  # noqa: PLR2004 - a day
        raise argparse.ArgumentTypeError("0 to 86400 seconds are possible")
    return value
