"""Whose request it is, by address: the peer's, unless a proxy that we trust says otherwise."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """Reads client addresses. X-Forwarded-For counts only as far as trusted proxies wrote it."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        """Take addresses and networks of proxies, such as ``10.0.0.0/8``. Raises ValueError where one is neither."""
        self._trusted: tuple[_Network, ...] = tuple(ipaddress.ip_network(proxy) for proxy in trusted_proxies)

    def of(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """Return the client's address: from the right of X-Forwarded-For, the first that no trusted proxy has.

        ``peer`` is the address at the other end of the connection, ``forwarded_for`` the header's values in
        order. An entry that is not an address ends the walk: what stands left of it was written by anybody.
        """
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        address = peer
        while hops and self._is_trusted(address):
            candidate = hops.pop()
            if not _is_address(candidate):
                break
            address = candidate
        return address

    def _is_trusted(self, address: str) -> bool:
        if not self._trusted or not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
