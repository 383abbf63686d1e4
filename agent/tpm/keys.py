"""Keys in the TPM: making, lending, reading, using. TPM 2.0 Part 3, 12, 20, 24 and 28."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agent.tpm.address import Scheme
from agent.tpm.client import KEY_GENERATION_S, Tpm
from agent.tpm.constants import Command, Handle
from agent.tpm.errors import TpmAnswerError, TpmError
from agent.tpm.sessions import flush, flushed
from agent.tpm.templates import signature_scheme
from agent.tpm.wire import EMPTY_PASSWORD, AnswerReader, Authorization
from did.algorithms import VendorPublicKey
from schemas.tpm.algorithms import MAX_DIGEST_BYTES, TpmEcc
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.public import EccKey, Public, RsaKey, parse_public
from schemas.tpm.wire import sized, uint16, uint32

_HASH_CHECK_TICKET: Final = 0x8024
_MAX_NAME_BYTES: Final = 2 + MAX_DIGEST_BYTES
_MAX_AREA_BYTES: Final = 2048
_USUAL_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class Key:
    """A key that the TPM holds.

    ``handle`` is of the TPM's memory (0x80…, to be flushed) or persistent (0x81…); ``public`` is what others know it by.
    """

    handle: int
    public: Public

    @property
    def name(self) -> bytes:
        """Its Name: digest algorithm, and digest of its public area."""
        return self.public.name


def create_primary(tpm: Tpm, template: Public, *, hierarchy: Handle = Handle.ENDORSEMENT) -> Key:
    """Return the key that a hierarchy makes from a template, the same from the same, to be flushed by the caller.

    Raises TpmError. TPM2_CreatePrimary.
    """
    no_password_no_data = sized(sized(b"") + sized(b""))
    no_outside_info, no_creation_pcrs = sized(b""), uint32(0)
    handle, answer = tpm.make(
        Command.CREATE_PRIMARY,
        (hierarchy,),
        (tpm.owner if hierarchy == Handle.OWNER else tpm.endorsement,),
        no_password_no_data + sized(template.encode()) + no_outside_info + no_creation_pcrs,
        timeout_s=KEY_GENERATION_S,
    )
    try:
        public = answer.sized("outPublic", _MAX_AREA_BYTES)
        answer.sized("creationData", _MAX_AREA_BYTES)
        answer.sized("creationHash", MAX_DIGEST_BYTES)
        answer.uint16("creationTicket.tag")
        answer.uint32("creationTicket.hierarchy")
        answer.sized("creationTicket.digest", MAX_DIGEST_BYTES)
        key = _named(handle, public, answer)
        answer.end()
    except TpmError:
        with suppress(TpmError):
            flush(tpm, handle)
        raise
    return key


@contextmanager
def lent_primary(tpm: Tpm, template: Public, *, hierarchy: Handle = Handle.ENDORSEMENT) -> Iterator[Key]:
    """Lend the key that a hierarchy makes from a template; it is flushed afterwards, also after an error."""
    key = create_primary(tpm, template, hierarchy=hierarchy)
    with flushed(tpm, key.handle):
        yield key


def read_public(tpm: Tpm, handle: int) -> Key:
    """Return the key behind a handle. Raises TpmRefusedError where there is none. TPM2_ReadPublic."""
    answer = tpm.run(Command.READ_PUBLIC, (handle,))
    key = _named(handle, answer.sized("outPublic", _MAX_AREA_BYTES), answer)
    answer.sized("qualifiedName", _MAX_NAME_BYTES)
    answer.end()
    return key


def activate_credential(
    tpm: Tpm,
    ak: Key,
    ek: Key,
    credential_blob: bytes,
    encrypted_secret: bytes,
    *,
    ek_authorization: Authorization = EMPTY_PASSWORD,
) -> bytes:
    """Return the secret that somebody encrypted to this EK for a key of that AK's Name.

    ``credential_blob`` is a TPM2B_ID_OBJECT, ``encrypted_secret`` a TPM2B_ENCRYPTED_SECRET, each with its size in
    front. Raises TpmRefusedError where they were made for other keys, TpmError. TPM2_ActivateCredential.
    """
    answer = tpm.run(
        Command.ACTIVATE_CREDENTIAL,
        (ak.handle, ek.handle),
        (EMPTY_PASSWORD, ek_authorization),
        credential_blob + encrypted_secret,
    )
    secret = answer.sized("certInfo", MAX_DIGEST_BYTES)
    answer.end()
    return secret


def sign_digest(tpm: Tpm, key: Key, digest: bytes, scheme: Scheme) -> bytes:
    """Return the TPMT_SIGNATURE of an unrestricted key over a SHA-256 digest. Raises TpmError. TPM2_Sign."""
    no_ticket = uint16(_HASH_CHECK_TICKET) + uint32(Handle.NULL) + sized(b"")
    parameters = sized(digest) + signature_scheme(scheme).encode() + no_ticket
    return tpm.run(Command.SIGN, (key.handle,), (EMPTY_PASSWORD,), parameters).rest()


def vendor_key(key: RsaKey | EccKey) -> VendorPublicKey:
    """Return a public key as `cryptography` knows it: RSA, or P-256. Raises TpmAnswerError for any other."""
    try:
        if isinstance(key, RsaKey):
            modulus = int.from_bytes(key.modulus, "big")
            return rsa.RSAPublicNumbers(key.exponent or _USUAL_EXPONENT, modulus).public_key()
        if key.curve == TpmEcc.NIST_P256:
            x, y = int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big")
            return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise TpmAnswerError("the TPM gave a public key that is none") from error
    raise TpmAnswerError("this key of the TPM is on a curve that is not used here; use P-256, or RSA of 2048 bits")


def _named(handle: int, area: bytes, answer: AnswerReader) -> Key:
    name = answer.sized("name", _MAX_NAME_BYTES)
    try:
        key = Key(handle, parse_public(area))
    except TpmStructureError as error:
        raise TpmAnswerError(f"the TPM's key cannot be used: {error.detail}") from error
    if name != key.name:
        raise answer.error("the name is not that of the public area")
    return key
