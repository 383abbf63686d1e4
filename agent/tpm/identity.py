"""What enrolment needs of a TPM: the endorsement key with its certificate, the attestation key, the activation.

The endorsement key (EK) is the TPM's own, and its maker's certificate says whose. The attestation key (AK) signs; it
is made in the endorsement hierarchy from 32 random bytes that the agent keeps in a file, so that it is the same after
every start and takes no place in the TPM. Those bytes are no secret: without the TPM they make nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from agent.files import make_folder, write_file
from agent.tpm import templates
from agent.tpm.address import Scheme
from agent.tpm.certificates import certifies, first_certificate, split_certificates
from agent.tpm.client import Tpm
from agent.tpm.constants import Handle
from agent.tpm.errors import TpmChangedError, TpmError, TpmRefusedError, TpmUnsuitableError
from agent.tpm.info import NV_INDICES, handles
from agent.tpm.keys import Key, activate_credential, lent_primary
from agent.tpm.nv import nv_read
from agent.tpm.sessions import endorsement_session
from agent.tpm.templates import EK_TEMPLATES, SEED_BYTES, EkTemplate
from schemas import base64url
from schemas.errors import FormatError
from schemas.tpm.algorithms import TpmaObject
from schemas.tpm.public import Public, parse_public

INTERMEDIATES: Final = range(0x1C00100, 0x1C00200)
"""NV indices where makers leave the certificates above the EK's. TCG EK Credential Profile 2.5, 2.2.1.5."""

# What a TPM says to a template of a key that it cannot make.
_UNKNOWN_KIND: Final = frozenset(
    {
        "TPM_RC_CURVE",
        "TPM_RC_HASH",
        "TPM_RC_KEY_SIZE",
        "TPM_RC_SCHEME",
        "TPM_RC_SYMMETRIC",
        "TPM_RC_TYPE",
        "TPM_RC_VALUE",
    }
)
_MAX_FILE_BYTES: Final = 4096

Purpose = Literal["attestation", "signing"]


@dataclass(frozen=True, slots=True)
class EndorsementKey:
    """The TPM's own key, as enrolment sends it.

    Attributes:
        template: what it is made from.
        public: its public area.
        certificate: its maker's certificate, DER, without the padding that follows it in NV.
        intermediates: certificates above it that the maker left in the TPM, DER; often none.
    """

    template: Public
    public: Public
    certificate: bytes
    intermediates: tuple[bytes, ...]


class KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key of ours as its file keeps it: from what it is made again, and the Name that it then has (base64url)."""

    v: Literal[1]
    purpose: Purpose
    scheme: Scheme
    seed: str
    name: str

    @property
    def template(self) -> Public:
        """The public area that the key is made from."""
        make = templates.attestation_key if self.purpose == "attestation" else templates.signing_key
        return make(self.scheme, base64url.decode(self.seed))


def endorsement_key(tpm: Tpm, certificate: bytes | None = None) -> EndorsementKey:
    """Return the endorsement key that has a certificate in the TPM, or the one that ``certificate`` (DER) is for.

    Raises TpmUnsuitableError where there is none, TpmError.
    """
    stored = {template: certificate or nv_read(tpm, template.certificate_index) for template in EK_TEMPLATES}
    present = {template: content for template, content in stored.items() if content}
    for template, content in present.items():
        own = first_certificate(content)
        area = _template(tpm, template) if own else None
        public = _made_from(tpm, area) if area else None
        if own and area and public and certifies(own, public):
            return EndorsementKey(area, public, own, _intermediates(tpm))
    if certificate is not None:
        raise TpmUnsuitableError("the EK certificate that was given is not for a key of this TPM")
    if present:
        places = ", ".join(f"0x{template.certificate_index:x}" for template in present)
        raise TpmUnsuitableError(
            f"what lies at NV index {places} is no certificate of a key that this TPM makes: it is damaged, or the "
            "seeds were changed (TPM2_ChangeEPS); ask the TPM's maker for a certificate, and give it as a file"
        )
    raise TpmUnsuitableError(
        f"the TPM at {tpm.place} holds no EK certificate: some makers publish them by the key's digest; "
        "get it from there, and give it as a file"
    )


def make_key(
    tpm: Tpm,
    path: Path,
    scheme: Scheme,
    *,
    purpose: Purpose = "attestation",
    randomness: Callable[[int], bytes] = os.urandom,
) -> Public:
    """Return the public area of a new key of ours, its file written durably (mode 0600); an older one is replaced.

    Raises TpmError, OSError.
    """
    seed = base64url.encode(randomness(SEED_BYTES))
    file = KeyFile(v=1, purpose=purpose, scheme=scheme, seed=seed, name="")
    with lent_primary(tpm, file.template, hierarchy=_hierarchy(purpose)) as key:
        public = key.public
    make_folder(path.parent)
    named = msgspec.structs.replace(file, name=base64url.encode(public.name))
    write_file(path, msgspec.json.encode(named) + b"\n")
    return public


def read_key_file(path: Path, purpose: Purpose = "attestation") -> KeyFile:
    """Return what a key's file says. Raises TpmError where it is missing, damaged, or of another purpose."""
    try:
        with path.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES)
        file = msgspec.json.decode(content, type=KeyFile)
        seed, name = base64url.decode(file.seed), base64url.decode(file.name)
    except OSError as error:
        raise TpmError(f"{path}, the seed of the TPM's key, cannot be read: {error.strerror}; enrol again") from error
    except (msgspec.DecodeError, FormatError) as error:
        raise TpmError(f"{path} is not the seed of a TPM's key, or damaged: restore it, or enrol again") from error
    if len(seed) != SEED_BYTES or not name:
        raise TpmError(f"{path} is damaged: its seed has not {SEED_BYTES} bytes; restore it, or enrol again")
    if file.purpose != purpose:
        raise TpmError(f"{path} is of a key for {file.purpose}; one for {purpose} is needed")
    return file


@contextmanager
def lent_key(tpm: Tpm, path: Path, *, purpose: Purpose = "attestation") -> Iterator[Key]:
    """Lend the key of a file, made again; it is flushed afterwards, also after an error.

    Raises TpmChangedError where the TPM makes another key from the same file, TpmError.
    """
    file = read_key_file(path, purpose)
    with lent_primary(tpm, file.template, hierarchy=_hierarchy(purpose)) as key:
        if key.name != base64url.decode(file.name):
            raise TpmChangedError(
                f"the TPM at {tpm.place} makes another key from {path} than before: it is another TPM, or its "
                "hierarchy was given a new seed. Its issuer knows only the old key: enrol again"
            )
        yield key


def answer_activation(
    tpm: Tpm, ek: EndorsementKey, ak: Key, *, credential_blob: bytes, encrypted_secret: bytes
) -> bytes:
    """Return the secret that the issuer encrypted to the EK for the AK's Name: the proof that one TPM holds both.

    ``credential_blob`` is a TPM2B_ID_OBJECT, ``encrypted_secret`` a TPM2B_ENCRYPTED_SECRET, each with its size in
    front. Raises TpmRefusedError where they were made for other keys or changed, TpmError. The EK, and the session
    that entitles to it, are flushed in any case.
    """
    with lent_primary(tpm, ek.template) as key:
        if key.public != ek.public:
            raise TpmChangedError(f"the TPM at {tpm.place} makes another endorsement key than before; enrol again")
        # The newer endorsement keys are used by their own, empty, password.
        if key.public.attributes & TpmaObject.USER_WITH_AUTH:
            return activate_credential(tpm, ak, key, credential_blob, encrypted_secret)
        with endorsement_session(tpm) as entitled:
            return activate_credential(tpm, ak, key, credential_blob, encrypted_secret, ek_authorization=entitled)


def _hierarchy(purpose: Purpose) -> Handle:
    # Of any other hierarchy, the counters in a quote are obfuscated. A signing key goes with its owner.
    return Handle.ENDORSEMENT if purpose == "attestation" else Handle.OWNER


def _template(tpm: Tpm, template: EkTemplate) -> Public:
    own = nv_read(tpm, template.template_index)
    if own is not None:
        try:
            return parse_public(own)
        except FormatError as error:
            raise TpmUnsuitableError(
                f"the EK template at NV index 0x{template.template_index:x} cannot be read: {error.detail}"
            ) from error
    nonce = None if template.nonce_index is None else nv_read(tpm, template.nonce_index)
    return template.public if nonce is None else template.with_nonce(nonce)


def _made_from(tpm: Tpm, template: Public) -> Public | None:
    """Return the public area of the key that the TPM makes from a template, None where it does not know the kind."""
    try:
        with lent_primary(tpm, template) as key:
            return key.public
    except TpmRefusedError as error:
        if error.code_name in _UNKNOWN_KIND:
            return None
        raise


def _intermediates(tpm: Tpm) -> tuple[bytes, ...]:
    # A certificate may go on in the next index.
    indices = [index for index in handles(tpm, NV_INDICES) if index in INTERMEDIATES]
    return split_certificates(b"".join(nv_read(tpm, index) or b"" for index in indices))
