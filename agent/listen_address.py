"""Where a service of the agent listens, as an operator writes it. Pure."""

from __future__ import annotations

from typing import Final

from agent.errors import SettingsError

_PORTS: Final = range(65_536)


def read_address(text: str, option: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[IPV6]:PORT``, or ``PORT`` alone, which is on the loopback.

    Raises SettingsError, which names ``option``.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    if not host or not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) not in _PORTS:  # noqa: PLR2004
        raise SettingsError(f"{option}: {text[:80]!r} is no HOST:PORT such as 127.0.0.1:9000")
    return host, int(port)
