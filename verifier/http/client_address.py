"""Whose request it is, by address: the peer's, unless a proxy that we trust says otherwise."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Some proxies write the port too: 192.0.2.1:4711, and [2001:db8::1]:4711 or [2001:db8::1] (RFC 7239 §6).
_WITH_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5})", re.ASCII)


class ClientAddresses:
    """Reads client addresses. X-Forwarded-For counts only as far as trusted proxies wrote it."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        """Take addresses and networks of proxies, such as ``10.0.0.0/8``. Raises ValueError where one is neither."""
        self._trusted: tuple[_Network, ...] = tuple(ipaddress.ip_network(proxy) for proxy in trusted_proxies)

    def of(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """Return the client's address: from the right of X-Forwarded-For, the first that no trusted proxy has.

        ``peer`` is the address at the other end of the connection, ``forwarded_for`` the header's values in
        order. An entry that is not an address ends the walk: what stands left of it was written by anybody.
        An IPv4 address inside IPv6 (::ffff:192.0.2.1) is that IPv4 address; a port is left out.
        """
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        address = _address(peer)
        if address is None:
            return peer
        while hops and self._is_trusted(address):
            candidate = _address(hops.pop())
            if candidate is None:
                break
            address = candidate
        return str(address)

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> _Address | None:
    """Return the address in ``text``, without its port and as IPv4 where it is one (RFC 4291 §2.5.5.2), or None."""
    with_port = _WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address(text if with_port is None else with_port[1] or with_port[2])
    except ValueError:
        return None
    # A server that listens on both kinds sees IPv4 clients so.
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
