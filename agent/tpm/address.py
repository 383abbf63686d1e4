"""Where the TPM is: ``tpm:``, ``tpm:/dev/tpmrm0``, ``tpm:unix:/path/socket``, ``tpm:tcp:127.0.0.1:2321``. Pure.

Parameters follow a question mark, joined by ``&``; paths are absolute, and percent-encoded where they hold ``%``, ``?``, ``&``, ``#``:

    handle=0x81000010          a key that lies in the TPM under a persistent handle
    seed=PATH                  a key that is made anew from the seed in a file
    scheme=ecdsa|rsassa|rsapss how it signs; of a new key, what it becomes
    owner-auth-file=PATH       where the owner hierarchy's password is read, if it has one
    endorsement-auth-file=PATH the same of the endorsement hierarchy
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import unquote

from agent.config import is_loopback
from agent.tpm.errors import TpmAddressError

SCHEME: Final = "tpm:"
DEVICES: Final = (Path("/dev/tpmrm0"), Path("/dev/tpm0"))
"""Where Linux puts a TPM: with its resource manager, and bare. The first that is there is taken."""

Scheme: TypeAlias = Literal["ecdsa", "rsapss", "rsassa"]
"""How a key signs: ECDSA on P-256, RSAPSS or RSASSA with 2048 bits; always with SHA-256."""
SCHEMES: Final[tuple[Scheme, ...]] = get_args(Scheme)

_PERSISTENT: Final = range(0x81000000, 0x82000000)
_MAX_PORT: Final = 65535
_MAX_SOCKET_PATH: Final = 107
"""Bytes of the path of a unix socket on Linux (unix(7))."""
_PARAMETERS: Final = ("handle", "seed", "scheme", "owner-auth-file", "endorsement-auth-file")
_HANDLE: Final = re.compile(r"0[xX][0-9a-fA-F]{8}")


@dataclass(frozen=True, slots=True)
class Device:
    """A character device; no path: the first of ``DEVICES`` that is there."""

    path: Path | None = None


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """The data socket of an emulator (swtpm) in the file system."""

    path: Path


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """The data socket of an emulator (swtpm) on this machine's loopback."""

    host: str
    port: int


Place: TypeAlias = Device | UnixSocket | TcpSocket


@dataclass(frozen=True, slots=True)
class TpmAddress:
    """A TPM, and what to use in it."""

    place: Place = Device()
    handle: int | None = None
    seed: Path | None = None
    scheme: Scheme | None = None
    owner_auth_file: Path | None = None
    endorsement_auth_file: Path | None = None


def parse(uri: str) -> TpmAddress:
    """Return the address that a ``tpm:`` URI names.

    Raises TpmAddressError saying what is not understood. A TCP host other than loopback is refused: a TPM elsewhere
    says nothing about this machine, and its wire is open to anyone on the way.
    """
    if uri[: len(SCHEME)].lower() != SCHEME:
        raise TpmAddressError("a TPM is named by tpm:, tpm:/dev/tpmrm0, tpm:unix:PATH or tpm:tcp:127.0.0.1:PORT")
    target, _, query = uri[len(SCHEME) :].partition("?")
    values = _parameters(query)
    if "handle" in values and "seed" in values:
        raise TpmAddressError("handle and seed name two keys; give one of them")
    return TpmAddress(
        place=_place(target),
        handle=_handle(values["handle"]) if "handle" in values else None,
        seed=_path(values, "seed"),
        scheme=read_scheme(values["scheme"]) if "scheme" in values else None,
        owner_auth_file=_path(values, "owner-auth-file"),
        endorsement_auth_file=_path(values, "endorsement-auth-file"),
    )


def read_scheme(text: str) -> Scheme:
    """Return ``text`` as a scheme. Raises TpmAddressError."""
    for scheme in SCHEMES:
        if text == scheme:
            return scheme
    raise TpmAddressError(f"scheme {text[:20]!r} is not known; one of {', '.join(SCHEMES)} is")


def _parameters(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name not in _PARAMETERS or not value or name in values:
            # The value is not shown: somebody may have written a password there.
            raise TpmAddressError(
                f"{name[:40]!r} is not understood in a tpm: address, or stands twice or empty; "
                f"known are {', '.join(_PARAMETERS)}"
            )
        values[name] = unquote(value)
    return values


def _place(target: str) -> Place:
    kind, separator, rest = target.partition(":")
    if not target:
        return Device()
    if target.startswith("//"):
        raise TpmAddressError("a TPM is named without a host: tpm:/dev/tpmrm0")
    if target.startswith("/"):
        return Device(Path(unquote(target)))
    if separator and kind == "unix":
        path = unquote(rest)
        if not path.startswith("/") or len(path.encode()) > _MAX_SOCKET_PATH:
            raise TpmAddressError(f"the path of a socket is absolute and has at most {_MAX_SOCKET_PATH} bytes")
        return UnixSocket(Path(path))
    if separator and kind == "tcp":
        return _tcp(rest)
    raise TpmAddressError(
        f"tpm:{target[:40]} is not understood; use tpm:, tpm:/dev/tpmrm0, tpm:unix:/PATH or tpm:tcp:127.0.0.1:PORT"
    )


def _tcp(rest: str) -> TcpSocket:
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _MAX_PORT:
        raise TpmAddressError("a TPM's TCP socket is named by tpm:tcp:127.0.0.1:PORT")
    if not is_loopback(host):
        raise TpmAddressError(
            f"tpm:tcp: reaches an emulator on this machine's loopback only, not {host[:60]!r}: "
            "a TPM elsewhere says nothing about this machine"
        )
    return TcpSocket(host, int(port))


def _handle(text: str) -> int:
    handle = int(text, 16) if _HANDLE.fullmatch(text) else 0
    if handle not in _PERSISTENT:
        raise TpmAddressError(f"handle {text[:20]!r} is not one of 0x81000000 to 0x81ffffff")
    return handle


def _path(values: dict[str, str], name: str) -> Path | None:
    if name not in values:
        return None
    path = Path(values[name])
    if not path.is_absolute():
        # An address stands in settings that are read from every folder.
        raise TpmAddressError(f"{name} is an absolute path")
    return path
