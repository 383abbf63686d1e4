"""Whether a window's nonce is one that was handed out for it: once, to this node, and not long ago."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from schemas.window_header import WindowHeader
from verifier.attestation.chain_state import Flag, FlagKind
from verifier.attestation.errors import NonceError

NONCE_VALIDITY_US: Final = 3_600_000_000
"""How long a nonce is good, from when it was handed out: one hour, for every node."""

_LATE_US: Final = 60_000_000
"""A window is closed and given its nonce within its own length and this, as far as two clocks may differ."""


class IssuedNonce(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A nonce as whoever handed it out remembers it: to which node, until when (µs since 1970), and its one use.

    It was handed out ``NONCE_VALIDITY_US`` before it expires. ``used_by`` is the digest of the window that carried it, None while it is unused. Marking it used is the
    keeper's, in one step with taking the window.
    """

    nonce: str
    node_id: str
    expires_us: int
    used_by: str | None = None


def check_freshness(header: WindowHeader, digest: str, issued: IssuedNonce | None, *, now_us: int) -> list[Flag]:
    """Return what the nonce tells; raise NonceError unless it is ``issued``: to this node, unexpired at ``now_us``, unused.

    ``issued`` is what the keeper found under ``header.nonce``, None where it found nothing. ``digest`` is the
    window's: the same window sent again may carry the nonce that it used. A chained window has no nonce and
    passes: that it is chained is told (chain.FlagKind.CHAINED), and a policy may refuse it. One that was handed out
    when the window had long been over says nothing of when it was made: that is told.
    """
    if header.nonce is None:
        return []
    if issued is None or issued.nonce != header.nonce or issued.node_id != header.node_id:
        raise NonceError("nonce: it was not handed out to this node; ask for one, or send the window as chained")
    if issued.used_by not in (None, digest):
        raise NonceError("nonce: it was used by another window; each is good for one")
    if issued.used_by is None and now_us >= issued.expires_us:
        raise NonceError("nonce: it has expired; ask for a new one, or send the window as chained")
    late_us = issued.expires_us - NONCE_VALIDITY_US - header.end_us
    if late_us <= header.duration_us + _LATE_US:
        return []
    detail = f"its nonce was handed out {late_us} µs after the window's end, and shows nothing of when it was made"
    return [Flag(FlagKind.NONCE_AFTER_END, detail)]
