"""``serve``: the service itself."""

from __future__ import annotations

import argparse

from issuer.cli.arguments import Commands, port, positive
from issuer.cli.opened import settings_of_issuer
from issuer.cli.output import Answer


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    parser = commands.add(
        "serve",
        _serve,
        summary="run the service until SIGTERM or Ctrl-C",
        example="green-issuer serve --host 0.0.0.0 --port 8080",
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, help="port to listen on (default: 8080; in development the public URL's)")
    parser.add_argument(
        "--workers", type=positive, help="worker processes; more than one needs PostgreSQL (default: 1)"
    )
    parser.add_argument("--public-url", metavar="URL", help="override where the service is reached")
    parser.add_argument("--development", action="store_true", help="allow http and a loopback host")


def _serve(arguments: argparse.Namespace) -> Answer:
    settings = settings_of_issuer(arguments)
    # Only this command needs the web framework, which takes longer to load than the others take to run.
    from issuer.server import serve

    serve(settings)
    return Answer(value=None)
