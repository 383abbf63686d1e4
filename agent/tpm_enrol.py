"""Enrolling a node with its TPM: the endorsement key's certificate, the attestation key, the challenge, the opening.

The issuer encrypts a secret that only the TPM of the endorsement key opens, and only beside this attestation key; the
node returns it with a quote over the registers that its windows will be quoted over. From then on the node is bound to
this TPM. Sent again with the same TPM and a new token, the issuer takes the new attestation key in place of the old.

The answer may be lost. A new key whose answer never came is kept (``ak.json.new``), and the next try is made with it: if
the issuer has taken it, the same token gets the same node again. So does a token that enrolled the key in use.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
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
from agent.tenants import TenantNames
from agent.tpm.address import Scheme, parse
from agent.tpm.client import Tpm
from agent.tpm.errors import TpmError
from agent.tpm.identity import EndorsementKey, answer_activation, endorsement_key, lent_key, make_key, read_key_file
from agent.tpm.opening import open_tpm
from agent.tpm.quoting import Quoter, WindowQuote
from agent.transport import Transport
from agent.windows.close import Head
from agent.windows.nonces import NonceStore
from agent.windows.spool import WindowSpool
from schemas import base64url, jcs, strict_json, telemetry
from schemas.errors import FormatError
from schemas.lexical import BOOT_EPOCH
from schemas.opening_quote import opening_of
from schemas.strict_json import JsonObject
from schemas.tpm.pcr import CHAIN_PCR
from schemas.tpm.public import Public
from schemas.window_header import opening_qualification

PATH: Final = "/api/v1/nodes/attest"
_NEW_SUFFIX: Final = ".new"
_OK, _REFUSED = 2, 4
_UNAUTHORIZED: Final = 401

T = TypeVar("T", bound=Struct)


class TpmEnrolledNode(EnrolledNode, frozen=True, kw_only=True):
    """What the issuer registered: the node, what its TPM counts as, where its chain of windows stands, and nonces."""

    attestation: str
    ek: str = ""
    ak: str = ""
    next_sequence: int = 0
    previous: str | None = None
    end_us: int = 0
    boot_epoch: str
    chain_value: str = ""
    tpm_clock_ms: int = 0
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
    the issuer has taken the new one; where the token has enrolled that very key, it stays, and so does its chain.
    Raises EnrolmentError with the issuer's reason, NoAnswerError, TpmError, SettingsError.
    """
    kept, fresh = home.ak_file, home.ak_file.with_name(home.ak_file.name + _NEW_SUFFIX)
    undecided = before = fresh.exists()
    try:
        with open_tpm(parse(uri)) as tpm:
            ek = endorsement_key(tpm, certificate)
            asking = _Asking(transport, token, tpm, ek, timeout_s)
            key_file, challenged = asking.challenge(_own_key(tpm, fresh, scheme), fresh, kept)
            path, answer = f"{PATH}/{challenged.enrolment_id}", asking.answer(challenged, key_file, chain_pcr)
            # From here on the issuer may have taken the key, whatever arrives here.
            undecided = True
            arrived = transport.post(path, answer, timeout_s=timeout_s)
            undecided = before or arrived.status // 100 != _REFUSED
            node = _read(arrived, TpmEnrolledNode)
        telemetry.NODE_ID.check(node.node_id, "node_id")
        if key_file == fresh or not (home.windows / "head").exists():
            _begin_chain(home, clock, node)
        NonceStore(home.nonces_file, clock).add(node.nonces)
        if key_file == fresh:
            # Last: until then another try finds the key where it was, and does all of this again.
            fresh.replace(kept)
        undecided = before
    except FormatError as error:
        raise EnrolmentError(f"the issuer's answer cannot be used: {error.detail}") from error
    except OSError as error:
        raise SettingsError(f"{home.folder} cannot be written: {error.strerror}") from error
    finally:
        if not undecided:
            _forget(fresh)
    return node


@dataclass(frozen=True, slots=True)
class _Asking:
    """One enrolment under way: who is asked, with which token, and the TPM with its endorsement key."""

    transport: Transport
    token: str
    tpm: Tpm
    ek: EndorsementKey
    timeout_s: float

    def challenge(self, public: Public, fresh: Path, kept: Path) -> tuple[Path, _Challenged]:
        """Return the challenge to the key of ``fresh``; to that of ``kept`` where it is the one that the token enrolled."""
        answer = self._ask(public)
        if answer.status == _UNAUTHORIZED and kept.exists():
            with contextlib.suppress(TpmError), lent_key(self.tpm, kept) as key:
                again = self._ask(key.public)
                if again.status // 100 == _OK:
                    return kept, _read(again, _Challenged)
        return fresh, _read(answer, _Challenged)

    def answer(self, challenged: _Challenged, key_file: Path, chain_pcr: int) -> bytes:
        """Return the answer to a challenge: its secret, and an opening quote by the key."""
        with lent_key(self.tpm, key_file) as key:
            secret = answer_activation(
                self.tpm,
                self.ek,
                key,
                credential_blob=base64url.decode(challenged.credential_blob),
                encrypted_secret=base64url.decode(challenged.encrypted_secret),
            )
            nonce = base64url.decode(challenged.nonce)
            quoter = Quoter(self.tpm, key, chain_pcr=chain_pcr)
            made = quoter.open(opening_qualification(challenged.previous, nonce))
        return _activation(secret, made, nonce, challenged.previous, chain_pcr)

    def _ask(self, ak: Public) -> Answer:
        return self.transport.post(PATH, _attestation(self.token, self.ek, ak.encode()), timeout_s=self.timeout_s)


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
        TenantNames(home.tenants_file, node.node_id).keep(node.tenants)
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


def _own_key(tpm: Tpm, path: Path, scheme: Scheme) -> Public:
    """Return the public area of the key that was kept at ``path`` since its answer never came, or of a new one there."""
    with contextlib.suppress(TpmError):
        if read_key_file(path).scheme == scheme:
            with lent_key(tpm, path) as key:
                return key.public
    return make_key(tpm, path, scheme)


def _begin_chain(home: Home, clock: Clock, node: TpmEnrolledNode) -> None:
    """Write where the issuer's chain stands: the first window in that epoch needs no other opening."""
    BOOT_EPOCH.check(node.boot_epoch, "boot_epoch")
    spool = WindowSpool(home.windows, clock)
    try:
        spool.write_head(
            Head(
                node_id=node.node_id,
                next_sequence=node.next_sequence,
                previous=node.previous,
                end_us=node.end_us,
                epoch=tuple(int(part) for part in node.boot_epoch.split(".")),
                chain=node.chain_value,
                clock_ms=node.tpm_clock_ms,
            )
        )
    finally:
        spool.close()


def _read(answer: Answer, wanted: type[T]) -> T:
    try:
        body = strict_json.parse_object(answer.body)
        if answer.status // 100 != _OK:
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
