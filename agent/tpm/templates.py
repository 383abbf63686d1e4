"""Public areas that keys are made from: endorsement keys as their makers made them, attestation keys, signing keys.

TCG EK Credential Profile 2.5, B (templates L-1, L-2, H-1 to H-7); TPM 2.0 Part 2, 12.2. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from agent.tpm.address import Scheme as SchemeName
from schemas.tpm.algorithms import TpmAlg, TpmaObject, TpmEcc
from schemas.tpm.ek_templates import EK_AREAS, OWN
from schemas.tpm.public import EccKey, Public, RsaKey, Scheme, Symmetric

SEED_BYTES: Final = 32
"""Length of what stands in ``unique``: a primary key is made anew, the same, from the same bytes there."""

_SCHEMES: Final = {"ecdsa": TpmAlg.ECDSA, "rsapss": TpmAlg.RSAPSS, "rsassa": TpmAlg.RSASSA}
_RSA_BITS: Final = 2048
_USUAL_EXPONENT: Final = 0
_NONE: Final = Scheme()

_SIGNING: Final = OWN | TpmaObject.USER_WITH_AUTH | TpmaObject.NO_DA | TpmaObject.SIGN


@dataclass(frozen=True, slots=True)
class EkTemplate:
    """How an endorsement key is made, and where its maker left what belongs to it.

    Attributes:
        name: as in the profile, such as ``L-1``.
        public: the public area that it is made from.
        certificate_index: NV index of its certificate.
        nonce_index: NV index of bytes for ``unique``, where the maker chose some; None where the profile knows none.
        template_index: NV index of a whole public area, where the maker chose one of its own.
    """

    name: str
    public: Public
    certificate_index: int
    nonce_index: int | None
    template_index: int

    def with_nonce(self, nonce: bytes) -> Public:
        """Return the public area with ``nonce`` at the beginning of ``unique``, zeros behind it. Profile, B.3."""
        key = self.public.key
        if isinstance(key, RsaKey):
            return replace(self.public, key=replace(key, modulus=nonce.ljust(len(key.modulus), b"\0")))
        return replace(self.public, key=replace(key, x=nonce.ljust(len(key.x), b"\0")))


def _with_zeros(template: Public) -> Public:
    """Return a low template: its ``unique`` is filled with zeros, that of the high ones is empty."""
    key = template.key
    if isinstance(key, RsaKey):
        return replace(template, key=replace(key, modulus=bytes(key.key_bits // 8)))
    return replace(template, key=replace(key, x=bytes(32), y=bytes(32)))


EK_TEMPLATES: Final = (
    EkTemplate("H-3", EK_AREAS["H-3"], 0x1C00016, None, 0x1C00017),
    EkTemplate("H-2", EK_AREAS["H-2"], 0x1C00014, None, 0x1C00015),
    EkTemplate("L-2", _with_zeros(EK_AREAS["L-2"]), 0x1C0000A, 0x1C0000B, 0x1C0000C),
    EkTemplate("L-1", _with_zeros(EK_AREAS["L-1"]), 0x1C00002, 0x1C00003, 0x1C00004),
    EkTemplate("H-1", EK_AREAS["H-1"], 0x1C00012, None, 0x1C00013),
    EkTemplate("H-6", EK_AREAS["H-6"], 0x1C0001C, None, 0x1C0001D),
)
"""The endorsement keys that are looked for, those first that a TPM makes and uses faster."""


def attestation_key(scheme: SchemeName, seed: bytes) -> Public:
    """Return the template of a restricted signing key: it signs what the TPM itself wrote, and nothing else."""
    return _signing_key(scheme, seed, _SIGNING | TpmaObject.RESTRICTED)


def signing_key(scheme: SchemeName, seed: bytes) -> Public:
    """Return the template of a key that signs any digest. It proves nothing about what it signs."""
    return _signing_key(scheme, seed, _SIGNING)


def signature_scheme(scheme: SchemeName) -> Scheme:
    """Return the scheme with SHA-256."""
    return Scheme(_SCHEMES[scheme], TpmAlg.SHA256)


def _signing_key(scheme: SchemeName, seed: bytes, attributes: TpmaObject) -> Public:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    how = signature_scheme(scheme)
    key: RsaKey | EccKey
    if scheme == "ecdsa":
        key = EccKey(Symmetric(), how, TpmEcc.NIST_P256, _NONE, seed, b"")
    else:
        key = RsaKey(Symmetric(), how, _RSA_BITS, _USUAL_EXPONENT, seed)
    no_policy = b""
    return Public(TpmAlg.SHA256, attributes, no_policy, key)
