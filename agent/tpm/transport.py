"""The way to a TPM: one command in, one answer out, within a time limit.

A transport that failed once is broken for good: an answer that comes late must never be taken for that of the next
command. ``open_transport`` makes a new one.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from agent.tpm.address import DEVICES, Device, Place, TcpSocket, UnixSocket
from agent.tpm.errors import TpmAnswerError, TpmBusyError, TpmError, TpmUnavailableError
from agent.tpm.wire import HEADER_BYTES, MAX_BYTES

_CONNECT_TIMEOUT_S: Final = 5.0
_EARLY_PAUSE_S: Final = 0.002


class Transport(Protocol):
    """Carries commands to a TPM and its answers back."""

    @property
    def place(self) -> str:
        """Where the TPM is, for messages."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether keys and sessions in the TPM can only be ours: nobody else uses it, and nobody tidies up."""
        ...

    def exchange(self, command: bytes, timeout_s: float) -> bytes:
        """Return the answer to ``command``, as many bytes as came.

        Raises TpmBusyError where none came within ``timeout_s``, TpmUnavailableError where the TPM is gone,
        TpmAnswerError for an answer beyond ``MAX_BYTES``. After any of them the transport is broken.
        """
        ...

    def close(self) -> None:
        """Give the TPM back. May be called again."""
        ...


def open_transport(place: Place, *, devices: Sequence[Path] = DEVICES) -> Transport:
    """Return a transport to the TPM at ``place``, by default the first of ``devices`` that is there.

    Raises TpmUnavailableError or TpmBusyError with what to do.
    """
    if isinstance(place, Device):
        return DeviceTransport(place.path or _first(devices))
    return SocketTransport(place)


class DeviceTransport:
    """A TPM behind a character device of Linux: one write is a command, one read its answer."""

    def __init__(self, path: Path) -> None:
        """Open the device. Raises TpmUnavailableError, TpmBusyError."""
        self.place = str(path)
        # The resource manager's device gives each opener a TPM that looks empty; the bare one does not.
        self.exclusive = not path.name.startswith("tpmrm")
        try:
            # Non-blocking: else the write itself waits for the TPM, and no time limit can hold.
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise _not_opened(path, error) from error
        if not stat.S_ISCHR(os.fstat(self._descriptor).st_mode):
            self.close()
            raise TpmUnavailableError(f"{path} is no device; a socket is named by tpm:unix:{path}")

    def exchange(self, command: bytes, timeout_s: float) -> bytes:
        """Return the answer to ``command``; see Transport."""
        descriptor = self._descriptor
        if descriptor is None:
            raise _broken(self.place)
        try:
            return self._exchange(descriptor, command, timeout_s)
        except OSError as error:
            self.close()
            if error.errno in {errno.EBUSY, errno.EAGAIN, errno.ETIME, errno.ETIMEDOUT}:
                raise TpmBusyError(f"{self.place}: {error.strerror}; try again in a moment") from error
            raise TpmUnavailableError(f"{self.place} was lost: {error.strerror}") from error
        except TpmError:
            self.close()
            raise

    def close(self) -> None:
        """Close the device; what was loaded through the resource manager goes with it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _exchange(self, descriptor: int, command: bytes, timeout_s: float) -> bytes:
        if os.write(descriptor, command) != len(command):
            raise TpmUnavailableError(f"{self.place} took only part of a command")
        until_s = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        answer = b""
        while not answer:
            remaining_s = until_s - time.monotonic()
            if remaining_s <= 0 or not poll.poll(remaining_s * 1000):
                raise _late(self.place, timeout_s)
            answer = os.read(descriptor, MAX_BYTES + 1)
            if not answer:
                # Some kernels call a device readable before its answer is there, and then give nothing.
                time.sleep(_EARLY_PAUSE_S)
        if len(answer) > MAX_BYTES:
            raise TpmAnswerError(f"{self.place} answered more than {MAX_BYTES} bytes")
        return answer


class SocketTransport:
    """An emulated TPM (swtpm) behind the data socket; it serves one connection at a time."""

    exclusive = True

    def __init__(self, place: UnixSocket | TcpSocket) -> None:
        """Connect. Raises TpmUnavailableError, TpmBusyError."""
        unix = isinstance(place, UnixSocket)
        self.place = str(place.path) if isinstance(place, UnixSocket) else f"{place.host}:{place.port}"
        try:
            if isinstance(place, UnixSocket):
                self._socket: socket.socket | None = _unix(place.path)
            else:
                self._socket = socket.create_connection((place.host, place.port), timeout=_CONNECT_TIMEOUT_S)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError as error:
            raise TpmBusyError(f"{self.place} does not accept a connection; does another program hold it?") from error
        except OSError as error:
            remedy = "start swtpm, and name its data socket, not the control one"
            if unix and error.errno == errno.EACCES:
                remedy = "let this user read and write it"
            raise TpmUnavailableError(f"{self.place}: {error.strerror or error}; {remedy}") from error

    def exchange(self, command: bytes, timeout_s: float) -> bytes:
        """Return the answer to ``command``; see Transport."""
        connection = self._socket
        if connection is None:
            raise _broken(self.place)
        until_s = time.monotonic() + timeout_s
        try:
            connection.settimeout(timeout_s)
            connection.sendall(command)
            header = self._receive(connection, HEADER_BYTES, until_s)
            # Without a size that can be believed nothing tells where this answer ends and the next begins.
            size = int.from_bytes(header[2:6], "big")
            if not HEADER_BYTES <= size <= MAX_BYTES:
                raise TpmAnswerError(f"{self.place} announced an answer of {size} bytes: is this a TPM's data socket?")
            return header + self._receive(connection, size - HEADER_BYTES, until_s)
        except TimeoutError as error:
            self.close()
            raise _late(self.place, timeout_s) from error
        except OSError as error:
            self.close()
            raise TpmUnavailableError(f"{self.place} was lost: {error.strerror or error}") from error
        except TpmError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self, connection: socket.socket, count: int, until_s: float) -> bytes:
        received = bytearray()
        while len(received) < count:
            remaining_s = until_s - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            connection.settimeout(remaining_s)
            part = connection.recv(count - len(received))
            if not part:
                raise TpmUnavailableError(f"{self.place} closed the connection within an answer")
            received += part
        return bytes(received)


def _unix(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_CONNECT_TIMEOUT_S)
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _first(devices: Sequence[Path]) -> Path:
    for path in devices:
        if path.exists():
            return path
    raise TpmUnavailableError(
        f"this machine shows no TPM ({' or '.join(map(str, devices))}): switch it on in the firmware (fTPM, PTT), "
        "give the virtual machine a vTPM, or the container the device (--device /dev/tpmrm0)"
    )


def _not_opened(path: Path, error: OSError) -> TpmError:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return TpmUnavailableError(
            f"{path} may not be opened by this user: add it to the group tss (usermod -aG tss USER, then log in again), "
            "or let a udev rule give it a group of yours"
        )
    if error.errno == errno.EBUSY:
        return TpmBusyError(f"{path} is held by another program; use /dev/tpmrm0, which many can open")
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return TpmUnavailableError(
            f"{path} is not there: switch the TPM on in the firmware, or give the container the device (--device {path})"
        )
    return TpmUnavailableError(f"{path} cannot be opened: {error.strerror}")


def _late(place: str, timeout_s: float) -> TpmBusyError:
    return TpmBusyError(f"{place} gave no answer in {timeout_s:g} s; another program may be holding it")


def _broken(place: str) -> TpmUnavailableError:
    return TpmUnavailableError(f"{place} failed before, and was closed; open it again")
