"""Enrolling a node with its TPM: the endorsement key's certificate, the attestation key, the challenge, the opening.

The issuer encrypts a secret that only the TPM of the endorsement key opens, and only beside this attestation key; the
node returns it with a quote over the registers that its windows will be quoted over. From then on the node is bound to
this TPM. Sent again with the same TPM and a new token, the issuer takes the new attestation key in place of the old.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from agent.clock import Clock
from agent.config import save, stored
from agent.enrol import EnrolledNode
from agent.errors import EnrolmentError, SettingsError
from agent.home import Home
from agent.retry import Answer, printable
from agent.tpm.address import Scheme, parse
from agent.tpm.identity import EndorsementKey, answer_activation, endorsement_key, lent_key, make_key
from agent.tpm.opening import open_tpm
from agent.tpm.quoting import Quoter, WindowQuote
from agent.transport import Transport
from agent.windows.close import Head
from agent.windows.nonces import NonceStore
from agent.windows.spool import WindowSpool
from schemas import base64url, jcs, strict_json, telemetry
from schemas.errors import FormatError
from schemas.opening_quote import opening_of
from schemas.strict_json import JsonObject
from schemas.tpm.pcr import CHAIN_PCR
from schemas.window_header import opening_qualification

PATH: Final = "/api/v1/nodes/attest"
_NEW_SUFFIX: Final = ".new"

T = TypeVar("T", bound=Struct)


class TpmEnrolledNode(EnrolledNode, frozen=True, kw_only=True):
    """What the issuer registered: the node, what its TPM counts as, where its windows go on, its first nonces."""

    attestation: str
    ek: str = ""
    ak: str = ""
    next_sequence: int = 0
    previous: str | None = None
    end_us: int = 0
    nonces: tuple[str, ...] = ()


class _Challenged(Struct, frozen=True, kw_only=True):
    enrolment_id: str
    credential_blob: str
    encrypted_secret: str
    nonce: str
    previous: str | None = None


def enrol_tpm(
    transport: Transport,
    token: str,
    home: Home,
    clock: Clock,
    *,
    uri: str,
    scheme: Scheme = "ecdsa",
    certificate: bytes | None = None,
    chain_pcr: int = CHAIN_PCR,
    timeout_s: float = 30.0,
) -> TpmEnrolledNode:
    """Return the node that the issuer bound to the TPM at ``uri``; the new attestation key and the chain are in the home.

    ``certificate`` (DER) is the endorsement key's where the TPM holds none. The key that was used before stays until
    the issuer has taken the new one. Raises EnrolmentError with the issuer's reason, NoAnswerError, TpmError,
    SettingsError.
    """
    key_file = home.ak_file
    fresh = key_file.with_name(key_file.name + _NEW_SUFFIX)
    try:
        with open_tpm(parse(uri)) as tpm:
            ek = endorsement_key(tpm, certificate)
            ak = make_key(tpm, fresh, scheme)
            asked = _attestation(token, ek, ak.encode())
            challenged = _read(transport.post(PATH, asked, timeout_s=timeout_s), _Challenged)
            with lent_key(tpm, fresh) as key:
                secret = answer_activation(
                    tpm,
                    ek,
                    key,
                    credential_blob=base64url.decode(challenged.credential_blob),
                    encrypted_secret=base64url.decode(challenged.encrypted_secret),
                )
                nonce = base64url.decode(challenged.nonce)
                made = Quoter(tpm, key, chain_pcr=chain_pcr).open(opening_qualification(challenged.previous, nonce))
            answer = _activation(secret, made, nonce, challenged.previous, chain_pcr)
            node = _read(
                transport.post(f"{PATH}/{challenged.enrolment_id}", answer, timeout_s=timeout_s), TpmEnrolledNode
            )
        telemetry.NODE_ID.check(node.node_id, "node_id")
        fresh.replace(key_file)
        _begin_chain(home, clock, node, made, chain_pcr)
    except FormatError as error:
        raise EnrolmentError(f"the issuer's answer cannot be used: {error.detail}") from error
    except OSError as error:
        raise SettingsError(f"{home.folder} cannot be written: {error.strerror}") from error
    finally:
        _forget(fresh)
    return node


def save_tpm_enrolment(
    home: Home,
    node: TpmEnrolledNode,
    *,
    issuer: str,
    uri: str,
    chain_pcr: int = CHAIN_PCR,
    development: bool = False,
    meter: str = "",
) -> None:
    """Write the settings of a node that signs its windows with a TPM, the others kept. Raises SettingsError."""
    members = stored(home) | {"issuer": issuer, "node_id": node.node_id, "window_signer": "tpm", "tpm": uri}
    if chain_pcr != CHAIN_PCR:
        members["chain_pcr"] = chain_pcr
    if meter:
        members["meter"] = meter
    if development:
        members["development"] = True
    try:
        save(home, members)
    except OSError as error:
        raise SettingsError(f"{home.settings_file} cannot be written: {error.strerror}") from error


def _attestation(token: str, ek: EndorsementKey, ak: bytes) -> bytes:
    body: JsonObject = {
        "token": token,
        "ek_public": base64url.encode(ek.public.encode()),
        "ek_certificate": base64url.encode(ek.certificate),
        "intermediates": [base64url.encode(one) for one in ek.intermediates],
        "ak_public": base64url.encode(ak),
    }
    return jcs.canonical_bytes(body)


def _activation(secret: bytes, made: WindowQuote, nonce: bytes, previous: str | None, chain_pcr: int) -> bytes:
    opening = opening_of(made.attest, made.signature, made.pcr_values, nonce=nonce, previous=previous)
    body: JsonObject = {
        "secret": base64url.encode(secret),
        "opening": msgspec.to_builtins(opening),
        "chain_pcr": chain_pcr,
    }
    return jcs.canonical_bytes(body)


def _begin_chain(home: Home, clock: Clock, node: TpmEnrolledNode, made: WindowQuote, chain_pcr: int) -> None:
    """Write where the issuer's chain stands, and its nonces: the first window needs no other opening."""
    epoch = (made.clock.reset_count, made.clock.restart_count)
    spool = WindowSpool(home.windows, clock)
    try:
        spool.write_head(
            Head(
                node_id=node.node_id,
                next_sequence=node.next_sequence,
                previous=node.previous,
                end_us=node.end_us,
                epoch=epoch,
                chain=base64url.encode(made.pcr_values[chain_pcr]),
                clock_ms=made.clock.clock_ms,
            )
        )
    finally:
        spool.close()
    NonceStore(home.nonces_file, clock).add(node.nonces)


def _read(answer: Answer, wanted: type[T]) -> T:
    try:
        body = strict_json.parse_object(answer.body)
        if answer.status // 100 != 2:  # noqa: PLR2004 - the class of the status
            reason = printable(body.get("detail") or body.get("title"))
            raise EnrolmentError(f"the issuer answered {answer.status}: {reason}")
        return msgspec.convert(body, wanted)
    except (FormatError, msgspec.ValidationError) as error:
        raise EnrolmentError(
            f"the issuer answered {answer.status}, which is no enrolment: is the URL right?"
        ) from error


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
