"""What a window is signed with: the TPM's quote, or a software key's JWS. Neither ever stands in for the other.

Which of them it is, the settings say and the header shows: a TPM's header names its attestation key (``ak``) and the
TPM's epoch, a software key's has the agent's start counter instead. A TPM that is busy or gone leaves windows
unsigned; it never makes another key sign them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from agent.record import signing_algorithm
from agent.tpm.address import TpmAddress
from agent.tpm.errors import TpmBusyError, TpmError
from agent.tpm.identity import read_key_file
from agent.tpm.keys import vendor_key
from agent.tpm.quoting import Position, Quoter, open_quoter
from agent.windows.close import Identity
from agent.windows.spooled import SpooledWindow
from did import jws
from did.jwk import from_cryptography
from did.signers import Signer
from schemas import base64url, digests, jcs
from schemas.cmw import WindowEvidence, build_evidence
from schemas.opening_quote import BootEvent, build_boot_event, opening_of
from schemas.strict_json import JsonObject
from schemas.tpm.attest import ClockInfo
from schemas.tpm.pcr import CHAIN_PCR
from schemas.tpm.public import Public
from schemas.window_header import (
    SOFTWARE_TYP,
    Boot,
    WindowHeader,
    opening_qualification,
    quote_qualification,
)

_NONCES_DOMAIN: Final = b"gc/1 nonces\0"


class Signing(Protocol):
    """A signer that is ready: who signs, in which epoch, and the signatures. All of it raises TpmError, SignerError."""

    @property
    def identity(self) -> Identity:
        """Return who signs."""
        ...

    @property
    def boot(self) -> Boot:
        """Return the epoch of a window that is closed now."""
        ...

    def position(self) -> Position | None:
        """Return where the chain stands in the TPM; None for a software key, which keeps none."""
        ...

    def opening(self, previous: str | None) -> tuple[str, ClockInfo]:
        """Return the boot event (JCS text) that opens a chain after the window ``previous``, and the TPM's clock in it."""
        ...

    def sign(self, window: SpooledWindow, *, again: bool = False) -> bytes:
        """Return the first line of the request: the evidence, and the boot event where an epoch opens.

        ``again`` where the window is in the register already.
        """
        ...


class WindowSigner(Protocol):
    """Something that signs windows."""

    @property
    def kind(self) -> str:
        """Return "tpm" or "software"."""
        ...

    def open(self) -> AbstractContextManager[Signing]:
        """Lend it. Raises TpmError, SignerError."""
        ...


def replaced_by(ak_file: Path) -> Callable[[WindowHeader], bool]:
    """Return what tells a window whose attestation key is another than the one that ``ak_file`` keeps now."""

    def is_replaced(header: WindowHeader) -> bool:
        try:
            name = base64url.decode(read_key_file(ak_file).name)
        except TpmError:
            return False
        # A Name is the algorithm, in two bytes, and the digest that the header has.
        return header.ak is not None and header.ak != digests.encode(name[2:])

    return is_replaced


class SoftwareWindowSigner:
    """Signs headers with a key of software, as compact JWS of a type of their own."""

    kind = "software"

    def __init__(self, signer: Signer, node_id: str, start: int) -> None:
        """Sign for ``node_id`` in the epoch ``start``. Raises SettingsError for a key that cannot."""
        self._signer = signer
        self._algorithm = signing_algorithm(signer.public_key)
        self.identity = Identity(node_id, signer.public_key.thumbprint_uri)
        self.boot = Boot(start=start)

    @contextmanager
    def open(self) -> Iterator[Signing]:
        """Lend it."""
        yield self

    def position(self) -> Position | None:
        """Return None: nothing but the spool knows the chain."""
        return None

    def nonce_request(self, timestamp: str) -> bytes:
        """Return the body of a request for nonces (docs/protocol.md), made at ``timestamp``. Raises SignerError."""
        asked: JsonObject = {"node_id": self.identity.node_id, "timestamp": timestamp}
        signature = self._signer.sign(_NONCES_DOMAIN + jcs.canonical_bytes(asked), self._algorithm)
        return jcs.canonical_bytes({**asked, "signature": base64url.encode(signature)})

    def opening(self, previous: str | None) -> tuple[str, ClockInfo]:
        """Return nothing: a new start counter opens the epoch."""
        del previous
        return "", ClockInfo(0, 0, 0, safe=True)

    def sign(self, window: SpooledWindow, *, again: bool = False) -> bytes:
        """Return ``{"evidence":{"jws":…}}``."""
        del again
        header = {"typ": SOFTWARE_TYP, "kid": self.identity.key}
        token = jws.sign_compact(window.header, header, self._signer, self._algorithm)
        return msgspec.json.encode({"evidence": {"jws": token}})


class TpmWindowSigner:
    """Signs with the attestation key in a TPM, opened anew for each window: after an error nothing stale is left."""

    kind = "tpm"

    def __init__(self, address: TpmAddress, ak_file: Path, node_id: str, *, chain_pcr: int = CHAIN_PCR) -> None:
        """Sign for ``node_id`` with the key whose seed ``ak_file`` holds."""
        self._address = address
        self._ak_file = ak_file
        self._node_id = node_id
        self._chain_pcr = chain_pcr

    @contextmanager
    def open(self) -> Iterator[Signing]:
        """Lend the TPM. Raises TpmError."""
        with open_quoter(self._address, self._ak_file, chain_pcr=self._chain_pcr) as quoter:
            yield _TpmSigning(quoter, self._node_id)


@dataclass(frozen=True, slots=True)
class _TpmSigning:
    quoter: Quoter
    node_id: str

    @property
    def identity(self) -> Identity:
        return tpm_identity(self.quoter.ak.public, self.node_id)

    @property
    def boot(self) -> Boot:
        reset, restart = self.position().epoch
        return Boot(reset=reset, restart=restart)

    def position(self) -> Position:
        return self.quoter.position()

    def opening(self, previous: str | None) -> tuple[str, ClockInfo]:
        made = self.quoter.open(opening_qualification(previous, b""))
        quote = opening_of(made.attest, made.signature, made.pcr_values, previous=previous)
        ak = digests.encode(self.quoter.ak.public.name_digest)
        event = build_boot_event(BootEvent(v=1, node_id=self.node_id, ak=ak, opening=quote))
        return event.decode(), made.clock

    def sign(self, window: SpooledWindow, *, again: bool = False) -> bytes:
        digest = window.digest
        extra = quote_qualification(digest, window.parsed.nonce_bytes)
        made = (self.quoter.sign_again if again else self.quoter.sign)(window.chain, digest, extra)
        if (made.clock.reset_count, made.clock.restart_count) != window.parsed.boot.epoch:
            raise TpmBusyError("the machine slept or was booted while a window was being signed; it is looked at again")
        evidence = build_evidence(
            WindowEvidence(window.header, made.attest, made.signature, self.quoter.ak.public.encode(), made.pcr_values)
        )
        boot_event = f'"boot_event":{window.place.boot_event},'.encode() if window.place.boot_event else b""
        return b"{" + boot_event + b'"evidence":' + evidence + b"}"


def tpm_identity(public: Public, node_id: str) -> Identity:
    """Return who an attestation key is: its thumbprint URI, and the digest of its public area. Raises TpmError."""
    key = from_cryptography(vendor_key(public.key))
    return Identity(node_id, key.thumbprint_uri, digests.encode(public.name_digest))
