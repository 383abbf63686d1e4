"""``green-agent enroll``."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from agent.cli.call import Call
from agent.config import check_issuer
from agent.enrol import enrol, open_or_make_key, save_enrolment
from agent.errors import SettingsError
from agent.retry import printable
from agent.transport import HttpTransport


def enroll(call: Call) -> int:
    """Make or open the key, enrol the node, write its settings, and say what was registered."""
    options = call.options
    issuer = check_issuer(options.issuer, development=options.development or call.settings.development)
    token = _token(options.token, options.token_file)
    key_uri, signer = open_or_make_key(options.key, call.home, options.algorithm)
    transport = HttpTransport(issuer)
    try:
        node = enrol(transport, token, signer)
    finally:
        transport.close()
    save_enrolment(
        call.home, node, issuer=issuer, key=key_uri, development=options.development, meter=options.meter or ""
    )
    if options.json:
        print(msgspec.json.encode(node).decode())
        return 0
    tenant, region = printable(node.tenant_id or None), printable(node.grid_region or None)
    print(f"node      {node.node_id}, tenant {tenant}, grid region {region}")
    if node.simulated:
        print("          registered as a simulator: all its credentials say SIMULATED")
    print(f"issuer    {issuer}")
    print(f"key       {signer.public_key.thumbprint_uri}")
    print(f"settings  {call.home.settings_file}")
    print("next      green-agent run --model ID -- CMD")
    return 0


def _token(token: str | None, path: str | None) -> str:
    if token is not None:
        return token
    try:
        text = sys.stdin.read() if path == "-" else Path(path or "").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--token-file: {error}") from error
    return text.strip()
