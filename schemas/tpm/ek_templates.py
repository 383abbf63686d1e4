"""The public areas that a TPM's endorsement keys are made from: TCG EK Credential Profile 2.5, B.3 and B.4.

``unique`` is empty in all of them: there a key has itself, and a template what the profile fills in (agent.tpm.templates).
"""

from __future__ import annotations

from typing import Final

from schemas.tpm.algorithms import TpmAlg, TpmaObject, TpmEcc
from schemas.tpm.public import EccKey, Public, RsaKey, Scheme, Symmetric

OWN: Final = TpmaObject.FIXED_TPM | TpmaObject.FIXED_PARENT | TpmaObject.SENSITIVE_DATA_ORIGIN
"""What every key has that a TPM made and never lets out."""
LOW: Final = OWN | TpmaObject.ADMIN_WITH_POLICY | TpmaObject.RESTRICTED | TpmaObject.DECRYPT
"""The attributes of the templates L-1 and L-2."""
HIGH: Final = LOW | TpmaObject.USER_WITH_AUTH
"""The attributes of the templates from H-1 on."""

# Policy A: the endorsement hierarchy's password. Policy B: that, or what an NV index says. Profile 2.5, B.6.
_POLICY_A: Final = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_POLICY_B_SHA256: Final = bytes.fromhex("ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0")
_POLICY_B_SHA384: Final = bytes.fromhex(
    "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12"
)

_AES_128: Final = Symmetric(TpmAlg.AES, 128, TpmAlg.CFB)
_AES_256: Final = Symmetric(TpmAlg.AES, 256, TpmAlg.CFB)
_NONE: Final = Scheme()
_RSA_2048: Final = RsaKey(_AES_128, _NONE, 2048, 0, b"")
_RSA_3072: Final = RsaKey(_AES_256, _NONE, 3072, 0, b"")
_P256: Final = EccKey(_AES_128, _NONE, TpmEcc.NIST_P256, _NONE, b"", b"")
_P384: Final = EccKey(_AES_256, _NONE, TpmEcc.NIST_P384, _NONE, b"", b"")

EK_AREAS: Final = {
    "L-1": Public(TpmAlg.SHA256, LOW, _POLICY_A, _RSA_2048),
    "L-2": Public(TpmAlg.SHA256, LOW, _POLICY_A, _P256),
    "H-1": Public(TpmAlg.SHA256, HIGH, _POLICY_B_SHA256, _RSA_2048),
    "H-2": Public(TpmAlg.SHA256, HIGH, _POLICY_B_SHA256, _P256),
    "H-3": Public(TpmAlg.SHA384, HIGH, _POLICY_B_SHA384, _P384),
    "H-6": Public(TpmAlg.SHA384, HIGH, _POLICY_B_SHA384, _RSA_3072),
}
"""By the profile's name."""
