"""Numbers of TPM 2.0 Part 2 that commands alone use; those of attestation stand in ``schemas.tpm.algorithms``."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Command(IntEnum):
    """TPM_CC, Part 2, 6.5.2."""

    CREATE_PRIMARY = 0x131
    ACTIVATE_CREDENTIAL = 0x147
    NV_READ = 0x14E
    POLICY_SECRET = 0x151
    QUOTE = 0x158
    SIGN = 0x15D
    FLUSH_CONTEXT = 0x165
    NV_READ_PUBLIC = 0x169
    READ_PUBLIC = 0x173
    START_AUTH_SESSION = 0x176
    GET_CAPABILITY = 0x17A
    PCR_READ = 0x17E
    READ_CLOCK = 0x181
    PCR_EXTEND = 0x182

    @property
    def title(self) -> str:
        """The command's name in the specification, such as ``TPM2_PCR_Extend``."""
        words = (f"{word}_" if word in {"PCR", "NV"} else word.capitalize() for word in self.name.split("_"))
        return "TPM2_" + "".join(words)


class Handle(IntEnum):
    """TPM_RH and TPM_RS, Part 2, 7.4."""

    OWNER = 0x40000001
    NULL = 0x40000007
    PASSWORD = 0x40000009
    ENDORSEMENT = 0x4000000B


class NvAttribute(IntFlag):
    """TPMA_NV, Part 2, 13.4."""

    AUTH_WRITE = 1 << 2
    OWNER_READ = 1 << 17
    AUTH_READ = 1 << 18
    NO_DA = 1 << 25
    WRITTEN = 1 << 29


class Capability(IntEnum):
    """TPM_CAP, Part 2, 6.12."""

    HANDLES = 1
