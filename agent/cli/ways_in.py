"""The commands of the other ways in: how they are called, and who answers them, imported when asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from agent.cli.call import Call
from schemas.distribution import how_to_install

EXAMPLES: Final = {
    "proxy": """example:
  green-agent proxy --backend http://127.0.0.1:8000
  green-agent proxy --backend http://127.0.0.1:8000 --listen 127.0.0.1:9000 --tenant-header X-Tenant
  curl -si http://127.0.0.1:9000/v1/completions -H 'Content-Type: application/json' \\
    -d '{"model":"meta-llama/Llama-3.1-8B","prompt":"hello"}' | grep -i ^x-energy

POST /v1/completions, /v1/chat/completions, /v1/embeddings and /v1/responses are measured, by green-agent daemon (or,
with mode = direct, by the proxy itself); all else is passed on unmeasured. Needs the extra agent-proxy.
SIGTERM lets what is being answered end, for at most 30 s.
exit code: 0 ended when asked to, 1 it cannot run, 64 usage""",
    "import": """example:
  green-agent import codecarbon emissions.csv --model meta-llama/Llama-3.1-8B --dry-run
  green-agent import codecarbon emissions.csv --model meta-llama/Llama-3.1-8B --timezone Europe/Paris
  green-agent submit

Each run becomes one record in the spool, once, however often the file is imported; green-agent submit sends them.
exit code: 0 every run is imported (now or before), 1 some were refused, 64 usage""",
}


def add_commands(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the commands by ``add``, which takes a name and a summary."""
    _proxy(add("proxy", "stand before an OpenAI-compatible backend and tell what each request used"))
    _import(add("import", "import what another tool has measured"))


def proxy(call: Call) -> int:
    """Run ``green-agent proxy``. Raises SettingsError where its extra is not installed."""
    # Imported when asked for: the plain agent installs no HTTP server.
    try:
        from agent.cli.proxy import proxy as run
    except ModuleNotFoundError as error:
        if error.name not in {"h11", "httpcore", "anyio"}:
            raise
        from agent.errors import SettingsError

        raise SettingsError(f"the proxy needs {error.name}: {how_to_install('agent-proxy')}") from error
    return run(call)


def import_records(call: Call) -> int:
    """Run ``green-agent import``."""
    from agent.cli.import_records import import_records as run

    return run(call)


def _proxy(command: argparse.ArgumentParser) -> None:
    command.add_argument("--backend", required=True, metavar="URL", help="the backend, such as http://127.0.0.1:8000")
    command.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:9000", help="default 127.0.0.1:9000; port 0: any free one"
    )
    command.add_argument(
        "--tenant-header", metavar="NAME", help="the request's header that says whose it is; whoever calls can set it"
    )
    command.add_argument("--model", metavar="ID", help="the model of requests that name none")
    command.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=600.0, help="silence of the backend (default 600)"
    )
    command.add_argument(
        "--max-body", metavar="MIB", type=_mebibytes, default=64, help="largest body of a request (default 64)"
    )
    command.add_argument("--json", action="store_true", help="print where it listens as JSON")


def _import(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", choices=("codecarbon",), help="whose file it is")
    command.add_argument("file", metavar="FILE", help="CodeCarbon's emissions.csv")
    command.add_argument("--model", metavar="ID", help="the model that ran (default: project_name)")
    command.add_argument(
        "--energy",
        choices=("gpu", "total"),
        default="gpu",
        help="gpu: gpu_energy, runs without it are refused (default); total: CPU and memory too, graded modelled",
    )
    command.add_argument(
        "--timezone", metavar="NAME", help="zone of the file's times, which name none (default: this machine's)"
    )
    command.add_argument("--dry-run", action="store_true", help="say what would be imported, and keep nothing")
    command.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:  # noqa: PLR2004 - a day
        raise argparse.ArgumentTypeError("more than 0, at most 86400 seconds are possible")
    return value


def _mebibytes(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1024:  # noqa: PLR2004 - a gibibyte
        raise argparse.ArgumentTypeError("1 to 1024 MiB are possible")
    return value
