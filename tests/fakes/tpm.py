"""A TPM whose answers are written by hand, and an independent look at what a real one signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent.tpm.client import Tpm
from agent.tpm.constants import Handle
from schemas.tpm.algorithms import TpmAlg, TpmEcc
from schemas.tpm.public import Public, RsaKey
from schemas.tpm.signature import EccSignature, parse_signature
from schemas.tpm.wire import sized, uint16, uint32

_CURVES = {TpmEcc.NIST_P256: ec.SECP256R1(), TpmEcc.NIST_P384: ec.SECP384R1()}


class MakersCommand(IntEnum):
    """What a TPM's maker or owner does, and the agent never."""

    EVICT_CONTROL = 0x120
    CLEAR = 0x126
    NV_DEFINE_SPACE = 0x12A
    NV_WRITE = 0x137
    PCR_RESET = 0x13D

    @property
    def title(self) -> str:
        return self.name


LOCKOUT = 0x4000000A
"""The hierarchy that clears a TPM."""


def evict_control(tpm: Tpm, key: int, persistent: int) -> None:
    """Keep the key of handle ``key`` under a persistent handle; of a persistent one: remove it."""
    tpm.run(MakersCommand.EVICT_CONTROL, (Handle.OWNER, key), (tpm.owner,), uint32(persistent))


def answer(code: int = 0, body: bytes = b"", *, tag: int = 0x8001, size: int | None = None) -> bytes:
    """Return an answer without sessions; ``size`` lies where it is given."""
    return uint16(tag) + uint32(10 + len(body) if size is None else size) + uint32(code) + body


def session_answer(parameters: bytes = b"", handle: bytes = b"", *, authorizations: int = 1) -> bytes:
    """Return a successful answer to a command that carried passwords."""
    acknowledged = (sized(b"") + b"\0" + sized(b"")) * authorizations
    return answer(body=handle + uint32(len(parameters)) + parameters + acknowledged, tag=0x8002)


@dataclass
class ScriptedTransport:
    """Gives prepared answers, the last one again and again; an exception is raised. Remembers the commands."""

    answers: Iterable[bytes | Exception | Callable[[bytes], bytes]]
    place: str = "script"
    exclusive: bool = False
    commands: list[bytes] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self._answers = list(self.answers)

    def exchange(self, command: bytes, timeout_s: float) -> bytes:
        self.commands.append(command)
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, bytes) else given(command)

    def close(self) -> None:
        self.closed = True


class HandTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


def scripted(*answers: bytes | Exception, time: HandTime | None = None) -> tuple[Tpm, ScriptedTransport]:
    """Return a TPM that gives these answers, and the transport that saw its commands."""
    transport, clock = ScriptedTransport(answers), time or HandTime()
    return Tpm(transport, sleep=clock.sleep, monotonic=clock.monotonic), transport


class Meddling:
    """A transport to a real TPM with a hand in between: ``before`` and ``after`` see each command by its code."""

    def __init__(self, transport, *, before=None, after=None) -> None:
        self._transport = transport
        self._before, self._after = before, after
        self.place, self.exclusive = transport.place, transport.exclusive

    def exchange(self, command: bytes, timeout_s: float) -> bytes:
        code = int.from_bytes(command[6:10], "big")
        if self._before is not None:
            self._before(code, self._transport)
        given = self._transport.exchange(command, timeout_s)
        return given if self._after is None else self._after(code, given)

    def close(self) -> None:
        self._transport.close()


def vendor_key(public: Public) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Return the key of a public area as `cryptography` knows it."""
    key = public.key
    if isinstance(key, RsaKey):
        return rsa.RSAPublicNumbers(key.exponent or 65537, int.from_bytes(key.modulus, "big")).public_key()
    x, y = int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big")
    return ec.EllipticCurvePublicNumbers(x, y, _CURVES[TpmEcc(key.curve)]).public_key()


def signature_holds(public: Public, message: bytes, signature: bytes) -> bool:
    """Return whether a TPMT_SIGNATURE with SHA-256 holds, by `cryptography` alone."""
    key, made, sha256 = vendor_key(public), parse_signature(signature), hashes.SHA256()
    assert made.hash_algorithm == TpmAlg.SHA256
    try:
        if isinstance(made, EccSignature):
            r, s = int.from_bytes(made.r, "big"), int.from_bytes(made.s, "big")
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(sha256))
        elif made.scheme == TpmAlg.RSAPSS:
            key.verify(made.value, message, padding.PSS(padding.MGF1(sha256), padding.PSS.AUTO), sha256)
        else:
            key.verify(made.value, message, padding.PKCS1v15(), sha256)
    except InvalidSignature:
        return False
    return True
