"""What a TPM's response codes say: their names, and which are worth another try. TPM 2.0 Part 2, 6.6. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SUCCESS: Final = 0x000
BAD_TAG: Final = 0x01E
"""What a TPM 1.2 answers to a command of a TPM 2.0."""

_FORMAT_ONE: Final = 0x080
_PARAMETER: Final = 0x040
_SESSION: Final = 0x800
_VENDOR: Final = 0x400
# Linux puts the layer that answered above the code (11: its resource manager).
_CODE_MASK: Final = 0xFFF

_FORMAT_ZERO: Final[Mapping[int, str]] = {
    BAD_TAG: "TPM_RC_BAD_TAG",
    0x100: "TPM_RC_INITIALIZE",
    0x101: "TPM_RC_FAILURE",
    0x103: "TPM_RC_SEQUENCE",
    0x10B: "TPM_RC_PRIVATE",
    0x119: "TPM_RC_HMAC",
    0x120: "TPM_RC_DISABLED",
    0x121: "TPM_RC_EXCLUSIVE",
    0x124: "TPM_RC_AUTH_TYPE",
    0x125: "TPM_RC_AUTH_MISSING",
    0x126: "TPM_RC_POLICY",
    0x127: "TPM_RC_PCR",
    0x128: "TPM_RC_PCR_CHANGED",
    0x12D: "TPM_RC_UPGRADE",
    0x12E: "TPM_RC_TOO_MANY_CONTEXTS",
    0x12F: "TPM_RC_AUTH_UNAVAILABLE",
    0x130: "TPM_RC_REBOOT",
    0x131: "TPM_RC_UNBALANCED",
    0x142: "TPM_RC_COMMAND_SIZE",
    0x143: "TPM_RC_COMMAND_CODE",
    0x144: "TPM_RC_AUTHSIZE",
    0x145: "TPM_RC_AUTH_CONTEXT",
    0x146: "TPM_RC_NV_RANGE",
    0x147: "TPM_RC_NV_SIZE",
    0x148: "TPM_RC_NV_LOCKED",
    0x149: "TPM_RC_NV_AUTHORIZATION",
    0x14A: "TPM_RC_NV_UNINITIALIZED",
    0x14B: "TPM_RC_NV_SPACE",
    0x14C: "TPM_RC_NV_DEFINED",
    0x150: "TPM_RC_BAD_CONTEXT",
    0x151: "TPM_RC_CPHASH",
    0x152: "TPM_RC_PARENT",
    0x153: "TPM_RC_NEEDS_TEST",
    0x154: "TPM_RC_NO_RESULT",
    0x155: "TPM_RC_SENSITIVE",
    0x901: "TPM_RC_CONTEXT_GAP",
    0x902: "TPM_RC_OBJECT_MEMORY",
    0x903: "TPM_RC_SESSION_MEMORY",
    0x904: "TPM_RC_MEMORY",
    0x905: "TPM_RC_SESSION_HANDLES",
    0x906: "TPM_RC_OBJECT_HANDLES",
    0x907: "TPM_RC_LOCALITY",
    0x908: "TPM_RC_YIELDED",
    0x909: "TPM_RC_CANCELED",
    0x90A: "TPM_RC_TESTING",
    **{0x910 + handle: f"TPM_RC_REFERENCE_H{handle}" for handle in range(7)},
    **{0x918 + session: f"TPM_RC_REFERENCE_S{session}" for session in range(7)},
    0x920: "TPM_RC_NV_RATE",
    0x921: "TPM_RC_LOCKOUT",
    0x922: "TPM_RC_RETRY",
    0x923: "TPM_RC_NV_UNAVAILABLE",
}
_FORMAT_ONE_NAMES: Final[Mapping[int, str]] = {
    0x01: "TPM_RC_ASYMMETRIC",
    0x02: "TPM_RC_ATTRIBUTES",
    0x03: "TPM_RC_HASH",
    0x04: "TPM_RC_VALUE",
    0x05: "TPM_RC_HIERARCHY",
    0x07: "TPM_RC_KEY_SIZE",
    0x08: "TPM_RC_MGF",
    0x09: "TPM_RC_MODE",
    0x0A: "TPM_RC_TYPE",
    0x0B: "TPM_RC_HANDLE",
    0x0C: "TPM_RC_KDF",
    0x0D: "TPM_RC_RANGE",
    0x0E: "TPM_RC_AUTH_FAIL",
    0x0F: "TPM_RC_NONCE",
    0x10: "TPM_RC_PP",
    0x12: "TPM_RC_SCHEME",
    0x15: "TPM_RC_SIZE",
    0x16: "TPM_RC_SYMMETRIC",
    0x17: "TPM_RC_TAG",
    0x18: "TPM_RC_SELECTOR",
    0x1A: "TPM_RC_INSUFFICIENT",
    0x1B: "TPM_RC_SIGNATURE",
    0x1C: "TPM_RC_KEY",
    0x1D: "TPM_RC_POLICY_FAIL",
    0x1F: "TPM_RC_INTEGRITY",
    0x20: "TPM_RC_TICKET",
    0x21: "TPM_RC_RESERVED_BITS",
    0x22: "TPM_RC_BAD_AUTH",
    0x23: "TPM_RC_EXPIRED",
    0x24: "TPM_RC_POLICY_CC",
    0x25: "TPM_RC_BINDING",
    0x26: "TPM_RC_CURVE",
    0x27: "TPM_RC_ECC_POINT",
}

PASSING: Final = frozenset(
    {"TPM_RC_YIELDED", "TPM_RC_CANCELED", "TPM_RC_TESTING", "TPM_RC_NV_RATE", "TPM_RC_RETRY", "TPM_RC_NV_UNAVAILABLE"}
)
"""The command was not done and may be sent again as it is, a moment later."""

FULL: Final = frozenset(
    {
        "TPM_RC_OBJECT_MEMORY",
        "TPM_RC_SESSION_MEMORY",
        "TPM_RC_MEMORY",
        "TPM_RC_SESSION_HANDLES",
        "TPM_RC_OBJECT_HANDLES",
    }
)
"""No room for one more key or session: others hold it, and may give it up."""

FAILED: Final[Mapping[str, str]] = {
    "TPM_RC_INITIALIZE": "it was not started: firmware or swtpm (--flags startup-clear) does that",
    "TPM_RC_FAILURE": "it is in failure mode: switch the machine off and on; if that does not help, it is broken",
    "TPM_RC_UPGRADE": "its firmware is being replaced",
    "TPM_RC_REBOOT": "it wants the machine to be rebooted",
    "TPM_RC_DISABLED": "this hierarchy is switched off in the firmware",
}
"""The TPM does nothing at all any more, and what to do about it."""


def name_of(code: int) -> str:
    """Return the name of a response code, without the position of the parameter, handle or session at fault."""
    code &= _CODE_MASK
    if code & _FORMAT_ONE:
        return _FORMAT_ONE_NAMES.get(code & 0x3F, f"0x{code:03x}")
    if code & _VENDOR:
        return f"vendor code 0x{code:03x}"
    return _FORMAT_ZERO.get(code, f"0x{code:03x}")


def describe(code: int) -> str:
    """Return name, position and number of a response code, such as ``TPM_RC_VALUE (parameter 2, 0x2c4)``."""
    place = _place(code & _CODE_MASK)
    return f"{name_of(code)} ({place + ', ' if place else ''}0x{code:03x})"


def _place(code: int) -> str:
    if not code & _FORMAT_ONE:
        return ""
    if code & _PARAMETER:
        return f"parameter {code >> 8}"
    number = code >> 8 & 0x7
    if not number:
        return ""
    return f"session {number}" if code & _SESSION else f"handle {number}"
