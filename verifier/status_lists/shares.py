"""Who holds how much of a memory that strangers fill, and what goes first when it is full.

Anybody can make an issuer (a did:key costs nothing) and have its lists looked up, but each list lies on a host. So
what is counted is the host's domain, and whoever holds most gives something up: to drive out a list, a stranger
needs as many domains as there is room for lists.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

LEAST_BYTES: Final = 32 * 1024
"""What anything counts for at least, so that bytes bound the number too."""

_IPV6_SITE_BITS: Final = 48
_REGISTRIES: Final = frozenset({"ac", "co", "com", "edu", "go", "gov", "gv", "ne", "net", "or", "org"})


class Held(NamedTuple):
    """One thing in memory: its name, whose it is, its bytes, and when it was last used (any number that grows)."""

    name: str
    holder: str
    size: int
    used: float


def charge(size: int) -> int:
    """Return what something of ``size`` bytes counts for."""
    return max(size, LEAST_BYTES)


def holder_of(url: str) -> str:
    """Return whose share a URL counts on: the domain that its host stands under, as far as its name tells.

    That is the last two labels, three under registries such as ``co.uk``; for IPv6 the site's network.
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".")
        count = 3 if len(labels[-1]) == 2 and labels[-2:-1] and labels[-2] in _REGISTRIES else 2  # noqa: PLR2004 - a country's code
        return ".".join(labels[-count:])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False))
    return str(address)


def surplus(held: Iterable[Held], *, max_bytes: int, keeping: str) -> list[str]:
    """Return the names of what has to go for the rest to fit: of whoever holds most, what was used longest ago.

    ``keeping``, which has just come, stays.
    """
    total = 0
    sizes: defaultdict[str, int] = defaultdict(int)
    of: defaultdict[str, list[Held]] = defaultdict(list)
    for one in sorted(held, key=lambda one: one.used, reverse=True):
        total += charge(one.size)
        sizes[one.holder] += charge(one.size)
        if one.name != keeping:
            of[one.holder].append(one)
    gone: list[str] = []
    while total > max_bytes and any(of.values()):
        holder = max((holder for holder, things in of.items() if things), key=lambda holder: sizes[holder])
        oldest = of[holder].pop()
        total -= charge(oldest.size)
        sizes[holder] -= charge(oldest.size)
        gone.append(oldest.name)
    return gone
