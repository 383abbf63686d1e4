"""A verifier's service on loopback that reaches what a file says: ``python -m tests.fakes.verifier_page PORT FILE``.

It trusts the small world's issuer, and its clock stands still.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from schemas.strict_json import JsonObject
from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher, World
from verifier.http.server import run
from verifier.settings import Settings
from verifier.web.app import create_app
from verifier.web.edge import Edge

_FILE = "GREEN_TEST_SERVED"


def write_served(file: Path, documents: Mapping[str, JsonObject | bytes]) -> None:
    """Write what is answered, by URL. Signatures are never made twice alike, so it is the test that makes them."""
    bodies = {url: body if isinstance(body, bytes) else json.dumps(body).encode() for url, body in documents.items()}
    file.write_text(json.dumps({url: base64.b64encode(body).decode() for url, body in bodies.items()}))


def create() -> Edge:
    """Return the application."""
    served = json.loads(Path(os.environ[_FILE]).read_bytes())
    fetcher = MemoryFetcher({url: base64.b64decode(body) for url, body in served.items()})
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.toml"
        policy.write_text(f'trusted_issuers = ["{World().issuer.did}"]\n')
        return create_app(Settings(policy=str(policy)), fetcher=fetcher, engines=ENGINES, clock=FixedClock())


if __name__ == "__main__":
    os.environ[_FILE] = sys.argv[2]
    run(
        "tests.fakes.verifier_page:create",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        processes=1,
        header_timeout_s=10,
        loader=lambda _: create(),
        log_access=False,
    )
