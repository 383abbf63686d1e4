"""``green-agent enroll``."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from agent.cli.call import Call
from agent.clock import SystemClock
from agent.config import check_issuer
from agent.enrol import enrol, open_or_make_key, save_enrolment
from agent.errors import DaemonRunsError, MeterUnavailableError, SettingsError
from agent.meters.choose import choose
from agent.retry import printable
from agent.transport import HttpTransport


def enroll(call: Call) -> int:
    """Make or open the key, enrol the node, write its settings, and say what was registered."""
    options = call.options
    issuer = check_issuer(options.issuer, development=options.development or call.settings.development)
    token = _token(options.token, options.token_file)
    if options.key is not None and is_attestation_key(options.key):
        return _enroll_tpm(call, issuer, token)
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
    _tell_of_meters(call)
    print(f"settings  {call.home.settings_file}")
    print("next      green-agent run --model ID -- CMD")
    return 0


def _tell_of_meters(call: Call) -> None:
    """Say what this node will measure, where that is nothing: better now than in its first credential."""
    settings = msgspec.structs.replace(call.settings, meter=call.options.meter or call.settings.meter)
    try:
        chosen = choose(settings, call.environment, SystemClock())
    except MeterUnavailableError as error:
        print(f"meter     none yet: {error.detail}")
        return
    for meter in chosen:
        meter.close()
    if any(meter.simulated for meter in chosen):
        print("meter     no GPU is measured: the figures will be SIMULATED, and say so (green-agent meters tells why)")


def is_attestation_key(uri: str) -> bool:
    """Return whether a key's URI names a TPM and no key in it: its attestation key is made then."""
    if uri[:4].lower() != "tpm:":
        return False
    # Imported when asked for: most nodes sign with a file.
    from agent.tpm.address import parse

    address = parse(uri)
    return address.seed is None and address.handle is None


def _enroll_tpm(call: Call, issuer: str, token: str) -> int:
    from agent.tpm.address import parse
    from agent.tpm_enrol import enrol_tpm, save_tpm_enrolment
    from agent.windows.spool import measuring

    options, chain_pcr = call.options, call.settings.chain_pcr
    transport = HttpTransport(issuer)
    try:
        # The chain begins anew where the issuer says, and a daemon that runs would go on where it was.
        with measuring(call.home.windows):
            node = enrol_tpm(
                transport,
                token,
                call.home,
                SystemClock(),
                uri=options.key,
                scheme=parse(options.key).scheme or "ecdsa",
                chain_pcr=chain_pcr,
            )
    except DaemonRunsError as error:
        raise SettingsError(
            "a daemon of this home is running, with the key that it has now: stop it, enroll, start it again"
        ) from error
    finally:
        transport.close()
    save_tpm_enrolment(
        call.home,
        node,
        issuer=issuer,
        uri=options.key,
        chain_pcr=chain_pcr,
        development=options.development,
        meter=options.meter or "",
    )
    if options.json:
        print(msgspec.json.encode(node).decode())
        return 0
    print(f"node      {node.node_id}, tenant {printable(node.tenant_id or None)}")
    print(f"issuer    {issuer}")
    print(f"TPM       {node.attestation}, endorsement key {node.ek}")
    print(f"key       {node.key_uri}")
    if node.simulated:
        print("          registered as a simulator: all its credentials say SIMULATED")
    _tell_of_meters(call)
    print(f"settings  {call.home.settings_file}")
    print("next      green-agent daemon")
    return 0


def _token(token: str | None, path: str | None) -> str:
    if token is not None:
        return token
    try:
        text = sys.stdin.read() if path == "-" else Path(path or "").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--token-file: {error}") from error
    return text.strip()
