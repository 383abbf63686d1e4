"""Keys in the TPM that sign anything: ``tpm:?seed=/PATH``, ``tpm:/dev/tpmrm0?handle=0x81000010``.

The private key never leaves the TPM. Unlike an attestation key's, its signature proves nothing about what it signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from threading import Lock
from typing import Final, TypeVar

from agent.tpm.address import Scheme, TpmAddress, parse
from agent.tpm.client import Tpm
from agent.tpm.errors import TpmAddressError, TpmError
from agent.tpm.identity import lent_key, make_key
from agent.tpm.keys import Key, read_public, sign_digest, vendor_key
from agent.tpm.opening import open_tpm
from did import algorithms
from did.algorithms import Algorithm
from did.errors import AlgorithmRefusedError, SignatureInvalidError, SignerError, SignerUriError
from did.jwk import from_cryptography
from did.keys import PublicKey
from schemas.tpm.algorithms import TpmAlg, TpmaObject
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.public import Public
from schemas.tpm.signature import EccSignature, parse_signature

_SCHEMES: Final[dict[Algorithm, Scheme]] = {"ES256": "ecdsa", "PS256": "rsapss", "RS256": "rsassa"}
_FIXED: Final[dict[int, Algorithm]] = {TpmAlg.ECDSA: "ES256", TpmAlg.RSAPSS: "PS256", TpmAlg.RSASSA: "RS256"}
_Result = TypeVar("_Result")


def open_tpm_signer(uri: str, password: bytes | None = None) -> TpmSigner:
    """Return the signer of a ``tpm:`` URI that names a key by ``handle`` or ``seed``.

    Raises SignerUriError, and SignerError where the TPM or the key cannot be used.
    """
    if password is not None:
        raise SignerError("a key in the TPM has no password; that of a hierarchy is read from owner-auth-file")
    return TpmSigner(_address(uri))


def generate_tpm_key(uri: str) -> TpmSigner:
    """Return the signer of a new key that the TPM makes; ``seed`` names its file, ``scheme`` its kind (ecdsa).

    Raises SignerUriError, and SignerError where the file exists: a key is never overwritten.
    """
    address = _address(uri)
    if address.seed is None:
        raise SignerUriError("a new key in the TPM is named by tpm:?seed=/PATH, the file that its seed is written to")
    if address.seed.exists():
        raise SignerError(f"{address.seed} exists; a signing key is never overwritten, choose another path")
    try:
        with open_tpm(address) as tpm:
            make_key(tpm, address.seed, address.scheme or "ecdsa", purpose="signing")
    except TpmError as error:
        raise SignerError(f"the TPM made no key: {error.detail}") from error
    except OSError as error:
        raise SignerError(f"the seed cannot be written to {address.seed}: {error.strerror}") from error
    return TpmSigner(address)


def open_or_generate(uri: str) -> TpmSigner:
    """Return the signer of a ``tpm:`` URI; a ``seed`` whose file is not there becomes a new key. Raises SignerError."""
    address = _address(uri)
    missing = address.seed is not None and not address.seed.exists()
    return generate_tpm_key(uri) if missing else TpmSigner(address)


class TpmSigner:
    """Signs inside the TPM; safe in several threads.

    Through the resource manager the key stays loaded. A TPM that only one program can use is given back after each
    signature.
    """

    def __init__(self, address: TpmAddress, opener: Callable[[TpmAddress], Tpm] = open_tpm) -> None:
        """Find the key and read its public area. Raises SignerError."""
        self._address = address
        self._opener = opener
        self._lock = Lock()
        self._open = ExitStack()
        self._loaded: tuple[Tpm, Key] | None = None
        self._public_key = self._use(lambda _, key: _public_key(key.public))

    @property
    def public_key(self) -> PublicKey:
        """The public key that verifies what this signs."""
        return self._public_key

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        """Return the TPM's signature in JOSE form. Raises AlgorithmRefusedError, SignerError."""
        if algorithm not in self._public_key.algorithms:
            raise AlgorithmRefusedError(f"alg {algorithm} does not belong to this key")
        digest = hashlib.sha256(message).digest()
        made = self._use(lambda tpm, key: sign_digest(tpm, key, digest, _SCHEMES[algorithm]))
        try:
            signature = self._jose(made)
            # Older TPMs salt RSAPSS otherwise than JOSE wants: nobody could verify it.
            self._public_key.verify(message, signature, algorithm)
        except (TpmStructureError, SignatureInvalidError) as error:
            raise SignerError(
                f"the TPM made a signature that does not hold as {algorithm}; use a key of scheme=ecdsa"
            ) from error
        return signature

    def close(self) -> None:
        """Give the TPM back; the next signature opens it again."""
        with self._lock:
            self._close()

    def __repr__(self) -> str:
        return f"<TpmSigner {self._public_key.thumbprint_uri}>"

    def _jose(self, made: bytes) -> bytes:
        signature = parse_signature(made)
        if not isinstance(signature, EccSignature):
            return signature.value
        half = algorithms.signature_bytes(self._public_key.vendor) // 2
        r, s = (int.from_bytes(number, "big") for number in (signature.r, signature.s))
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")

    def _use(self, work: Callable[[Tpm, Key], _Result]) -> _Result:
        with self._lock:
            try:
                if self._loaded is None:
                    self._loaded = self._load()
                tpm, key = self._loaded
                done = work(tpm, key)
                if tpm.exclusive:
                    self._close()
            except TpmError as error:
                self._abandon()
                raise SignerError(f"the key in the TPM cannot be used: {error.detail}") from error
            except BaseException:
                self._abandon()
                raise
            return done

    def _load(self) -> tuple[Tpm, Key]:
        tpm = self._open.enter_context(self._opener(self._address))
        if self._address.seed is not None:
            return tpm, self._open.enter_context(lent_key(tpm, self._address.seed, purpose="signing"))
        return tpm, read_public(tpm, self._address.handle or 0)

    def _close(self) -> None:
        self._loaded = None
        self._open.close()

    def _abandon(self) -> None:
        """Give up after an error: what cannot be flushed any more goes when the TPM is opened again."""
        with suppress(TpmError):
            self._close()


def _address(uri: str) -> TpmAddress:
    try:
        address = parse(uri)
    except TpmAddressError as error:
        raise SignerUriError(error.detail) from error
    if address.handle is None and address.seed is None:
        raise SignerUriError("a key in the TPM is named by tpm:?seed=/PATH or tpm:?handle=0x81000010")
    return address


def _public_key(public: Public) -> PublicKey:
    """Return the public key of an area. Raises SignerError where it does not sign just any digest."""
    key = public.key
    if public.attributes & TpmaObject.RESTRICTED or not public.attributes & TpmaObject.SIGN:
        raise SignerError(
            "this key of the TPM does not sign what software gives it: it is for attestation or decryption; "
            "make one for signing"
        )
    found = from_cryptography(vendor_key(key))
    fixed = _FIXED.get(key.scheme.algorithm)
    return replace(found, algorithms=(fixed,)) if fixed else found
