"""Signing keys in a PKCS#11 token: an HSM, a smart card, SoftHSM. The private key never leaves it.

Needs the extra ``pkcs11`` (python-pkcs11). A PKCS#11 login holds for the whole process, so signers
of one token share one session, under one lock. Open signers after forking, not before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from did import algorithms
from did.algorithms import Algorithm, VendorPublicKey
from did.errors import SignerError
from did.jwk import from_cryptography
from did.keys import PublicKey
from did.signers.file import read_secret
from did.signers.pkcs11_uri import Pkcs11Uri, parse
from schemas.distribution import how_to_install

try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
    from pkcs11.types import SignMixin
    from pkcs11.util.ec import encode_ec_public_key
except ImportError as error:
    raise SignerError(f"pkcs11: keys need the extra 'pkcs11': {how_to_install('pkcs11')}") from error

_Result = TypeVar("_Result")
_ED25519_BYTES: Final = 32
_PSS_SALT_BYTES: Final = 32
# After these the session is gone (token pulled out, HSM restarted); the next call opens another.
_LOST: Final = (
    pkcs11.SessionHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.UserNotLoggedIn,
    pkcs11.DeviceRemoved,
    pkcs11.DeviceError,
    pkcs11.TokenNotPresent,
    pkcs11.ObjectHandleInvalid,
    pkcs11.KeyHandleInvalid,
)


@dataclass(slots=True)
class _Token:
    """The one session of this process with a token. ``generation`` counts how often it was opened."""

    lock: Lock = field(default_factory=Lock)
    session: pkcs11.Session | None = None
    generation: int = 0


_TOKENS: dict[tuple[str, str | None, bytes | None], _Token] = {}
_TOKENS_LOCK: Final = Lock()


def open_pkcs11(uri: str, password: bytes | None = None) -> Pkcs11Signer:
    """Return the signer of a ``pkcs11:`` URI; ``password`` is the PIN where the URI names none.

    Raises SignerUriError, and SignerError where the library, token or key is missing or the PIN is wrong.
    """
    address = parse(uri)
    if address.pin_file is not None:
        password = read_secret(address.pin_file)
    elif address.pin is not None:
        password = address.pin
    try:
        pin = None if password is None else password.decode("utf-8")
    except UnicodeDecodeError:
        raise SignerError("the PIN of the PKCS#11 token is not UTF-8") from None
    return Pkcs11Signer(address, pin)


class Pkcs11Signer:
    """Signs inside a token; safe in several threads. Its repr shows neither PIN nor key."""

    def __init__(self, address: Pkcs11Uri, pin: str | None) -> None:
        """Log in, find the key, and read its public key. Raises SignerError."""
        self._address = address
        self._pin = pin
        self._key: SignMixin | None = None
        self._generation = 0
        with _TOKENS_LOCK:
            place = (str(address.module_path), address.token, address.serial)
            self._token = _TOKENS.setdefault(place, _Token())
        self._public_key = self._use(lambda _, session: from_cryptography(_public_key(session, address)))

    @property
    def public_key(self) -> PublicKey:
        """The public key that verifies what this signs."""
        return self._public_key

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        """Return the token's signature in JOSE form. Raises AlgorithmRefusedError, SignerError."""
        algorithms.check_bound(self._public_key.vendor, algorithm)
        signature = self._use(lambda key, _: _sign(key, message, algorithm))
        if len(signature) != algorithms.signature_bytes(self._public_key.vendor):
            raise SignerError("the token returned a signature of the wrong length")
        return signature

    def __repr__(self) -> str:
        return f"<Pkcs11Signer {self._public_key.thumbprint_uri}>"

    def _use(self, work: Callable[[SignMixin, pkcs11.Session], _Result]) -> _Result:
        with self._token.lock:
            try:
                session = self._session()
                if self._key is None or self._generation != self._token.generation:
                    self._key = _find_key(session, self._address)
                    self._generation = self._token.generation
                return work(self._key, session)
            except _LOST as error:
                self._token.session = None
                raise SignerError(f"the PKCS#11 token was lost ({type(error).__name__}); try again") from error
            except pkcs11.PKCS11Error as error:
                # By its class: a vendor's message may repeat what it was given.
                raise SignerError(f"the PKCS#11 token refused: {type(error).__name__}") from error

    def _session(self) -> pkcs11.Session:
        if self._token.session is None:
            self._token.session = _log_in(self._address, self._pin)
            self._token.generation += 1
        return self._token.session


def _log_in(address: Pkcs11Uri, pin: str | None) -> pkcs11.Session:
    if not address.module_path.is_file():
        raise SignerError(f"the PKCS#11 library {address.module_path} does not exist; see module-path")
    token = pkcs11.lib(str(address.module_path)).get_token(token_label=address.token, token_serial=address.serial)
    try:
        return token.open(user_pin=pin)
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
        # Not chained: nothing that saw the PIN travels on.
        raise SignerError("the PIN of the PKCS#11 token is wrong; too many tries lock the token") from None
    except pkcs11.PinLocked:
        raise SignerError("the PIN of the PKCS#11 token is locked; its security officer can reset it") from None


def _find_key(session: pkcs11.Session, address: Pkcs11Uri) -> SignMixin:
    keys = [found for found in _objects(session, address, ObjectClass.PRIVATE_KEY) if isinstance(found, SignMixin)]
    if len(keys) != 1:
        raise SignerError(
            f"the token holds {len(keys)} private keys of this label or id that may sign; one is required"
        )
    return keys[0]


def _objects(session: pkcs11.Session, address: Pkcs11Uri, kind: ObjectClass) -> list[pkcs11.Object]:
    attributes: dict[Attribute, ObjectClass | str | bytes] = {Attribute.CLASS: kind}
    if address.label is not None:
        attributes[Attribute.LABEL] = address.label
    if address.key_id is not None:
        attributes[Attribute.ID] = address.key_id
    return list(session.get_objects(attributes))


def _public_key(session: pkcs11.Session, address: Pkcs11Uri) -> VendorPublicKey:
    found = [key for key in _objects(session, address, ObjectClass.PUBLIC_KEY) if isinstance(key, pkcs11.PublicKey)]
    if len(found) != 1:
        raise SignerError(f"the token holds {len(found)} public keys beside the private one; one is required")
    public = found[0]
    if public.key_type == KeyType.RSA:
        modulus = int.from_bytes(public[Attribute.MODULUS], "big")
        return rsa.RSAPublicNumbers(int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big"), modulus).public_key()
    if public.key_type == KeyType.EC_EDWARDS:
        # The point stands bare or in an OCTET STRING, depending on the module.
        return ed25519.Ed25519PublicKey.from_public_bytes(public[Attribute.EC_POINT][-_ED25519_BYTES:])
    loaded = load_der_public_key(encode_ec_public_key(public)) if public.key_type == KeyType.EC else None
    if not isinstance(loaded, ec.EllipticCurvePublicKey):
        raise SignerError("the PKCS#11 key is of a kind that does not sign here; use P-256, P-384, Ed25519 or RSA")
    return loaded


def _sign(key: SignMixin, message: bytes, algorithm: Algorithm) -> bytes:
    if algorithm == "EdDSA":
        return key.sign(message, mechanism=Mechanism.EDDSA)
    if algorithm == "PS256":
        parameters = (Mechanism.SHA256, pkcs11.MGF.SHA256, _PSS_SALT_BYTES)
        return key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=parameters)
    if algorithm == "RS256":
        return key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS)
    # The token signs a digest: ECDSA with hashing inside is rarer among tokens.
    digest = hashlib.sha256(message) if algorithm == "ES256" else hashlib.sha384(message)
    return key.sign(digest.digest(), mechanism=Mechanism.ECDSA)
