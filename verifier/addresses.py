"""Which URLs and addresses a verifier may contact on behalf of a stranger's document.

The table is explicit: ``ipaddress.is_global`` is true for NAT64 and 6to4, through which the private
network can be reached (security.md requirement 8).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple, TypeAlias

from verifier.errors import FetchBlockedError, MalformedTermError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH: Final = 2048
_SAFE_PORTS_FROM: Final = 1024
_MAX_PORT: Final = 65535

_DENIED: Final = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("::ffff:0:0/96", "embedded IPv4"),
        ("::/96", "embedded IPv4"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("2001::/23", "protocol assignments, Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local, cloud metadata"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
# All global unicast IPv6 is assigned from here (RFC 4291 §2.4, IANA): the rest is not the public network.
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][!$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?",
    re.ASCII,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)


class Target(NamedTuple):
    """The parts of a URL that may be fetched. ``host`` in lower case, without brackets; ``port`` as written."""

    scheme: str
    host: str
    port: int | None
    path: str


def target_of(url: str) -> Target:
    """Return the parts of an http or https URL.

    Raises MalformedTermError for user information, fragments, backslashes, white space, and whatever
    URL parsers read in different ways; FetchBlockedError for other schemes and for ports of
    other protocols.
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_LENGTH else None
    if match is None:
        if _SCHEME.match(url) and not re.match(r"https?:", url, re.IGNORECASE):
            raise FetchBlockedError(f"{url[:60]!r} is not an https URL")
        raise MalformedTermError(f"{url[:60]!r} is not a plain https URL (no user, fragment, space or backslash)")
    host = match["host"].lower()
    if not host.startswith("[") and not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise MalformedTermError(f"{host[:60]!r} is not a host name")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not (port in {80, 443} or _SAFE_PORTS_FROM <= port <= _MAX_PORT):
        raise FetchBlockedError(f"port {port} belongs to another protocol than https")
    target = match["target"] or "/"
    return Target(match["scheme"], host.strip("[]"), port, target if target.startswith("/") else f"/{target}")


def judge(address: str) -> str | None:
    """Return why an address may not be contacted, or None if it is on the public network.

    ``address`` is a numeric address as the resolver gives it; a scope such as ``%eth0`` marks a local one.
    """
    if "%" in address:
        return "link-local"
    found = ipaddress.ip_address(address)
    for network, reason in _DENIED:
        if found.version == network.version and found in network:
            return reason
    return None if found.version == 4 or found in _GLOBAL_UNICAST else "not global unicast"  # noqa: PLR2004 - IPv4


def is_loopback(address: str) -> bool:
    """Return whether a numeric address is this machine's own (127.0.0.0/8, ::1)."""
    return "%" not in address and ipaddress.ip_address(address).is_loopback
