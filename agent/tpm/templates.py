"""Public areas that keys are made from: endorsement keys as their makers made them, attestation keys, signing keys.

TCG EK Credential Profile 2.5, B (templates L-1, L-2, H-1 to H-7); TPM 2.0 Part 2, 12.2. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from agent.tpm.address import Scheme as SchemeName
from schemas.tpm.algorithms import TpmAlg, TpmaObject, TpmEcc
from schemas.tpm.public import EccKey, Public, RsaKey, Scheme, Symmetric

SEED_BYTES: Final = 32
"""Length of what stands in ``unique``: a primary key is made anew, the same, from the same bytes there."""

_SCHEMES: Final = {"ecdsa": TpmAlg.ECDSA, "rsapss": TpmAlg.RSAPSS, "rsassa": TpmAlg.RSASSA}
_RSA_BITS: Final = 2048
_HIGH_RSA_BITS: Final = 3072
_USUAL_EXPONENT: Final = 0
_AES_128: Final = Symmetric(TpmAlg.AES, 128, TpmAlg.CFB)
_AES_256: Final = Symmetric(TpmAlg.AES, 256, TpmAlg.CFB)
_NONE: Final = Scheme()

# PolicySecret(endorsement hierarchy); of the newer ones PolicyOR of that and an NV index.
_POLICY_A: Final = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_POLICY_B_SHA256: Final = bytes.fromhex("ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0")
_POLICY_B_SHA384: Final = bytes.fromhex(
    "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12"
)

_OWN: Final = TpmaObject.FIXED_TPM | TpmaObject.FIXED_PARENT | TpmaObject.SENSITIVE_DATA_ORIGIN
_LOW: Final = _OWN | TpmaObject.ADMIN_WITH_POLICY | TpmaObject.RESTRICTED | TpmaObject.DECRYPT
_HIGH: Final = _LOW | TpmaObject.USER_WITH_AUTH
_SIGNING: Final = _OWN | TpmaObject.USER_WITH_AUTH | TpmaObject.NO_DA | TpmaObject.SIGN

# ``unique`` of the low templates is filled with zeros, of the high ones empty.
_RSA_2048: Final = RsaKey(_AES_128, _NONE, _RSA_BITS, _USUAL_EXPONENT, b"")
_RSA_3072: Final = RsaKey(_AES_256, _NONE, _HIGH_RSA_BITS, _USUAL_EXPONENT, b"")
_P256: Final = EccKey(_AES_128, _NONE, TpmEcc.NIST_P256, _NONE, b"", b"")
_P384: Final = EccKey(_AES_256, _NONE, TpmEcc.NIST_P384, _NONE, b"", b"")
_LOW_RSA_2048: Final = replace(_RSA_2048, modulus=bytes(256))
_LOW_P256: Final = replace(_P256, x=bytes(32), y=bytes(32))


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


_L1: Final = Public(TpmAlg.SHA256, _LOW, _POLICY_A, _LOW_RSA_2048)
_L2: Final = Public(TpmAlg.SHA256, _LOW, _POLICY_A, _LOW_P256)
_H1: Final = Public(TpmAlg.SHA256, _HIGH, _POLICY_B_SHA256, _RSA_2048)
_H2: Final = Public(TpmAlg.SHA256, _HIGH, _POLICY_B_SHA256, _P256)
_H3: Final = Public(TpmAlg.SHA384, _HIGH, _POLICY_B_SHA384, _P384)
_H6: Final = Public(TpmAlg.SHA384, _HIGH, _POLICY_B_SHA384, _RSA_3072)

EK_TEMPLATES: Final = (
    EkTemplate("H-3", _H3, 0x1C00016, None, 0x1C00017),
    EkTemplate("H-2", _H2, 0x1C00014, None, 0x1C00015),
    EkTemplate("L-2", _L2, 0x1C0000A, 0x1C0000B, 0x1C0000C),
    EkTemplate("L-1", _L1, 0x1C00002, 0x1C00003, 0x1C00004),
    EkTemplate("H-1", _H1, 0x1C00012, None, 0x1C00013),
    EkTemplate("H-6", _H6, 0x1C0001C, None, 0x1C0001D),
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
