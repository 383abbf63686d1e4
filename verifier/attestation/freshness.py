"""Whether a window's nonce is one that was handed out for it: once, to this node, and not long ago."""

from __future__ import annotations

from msgspec import Struct

from schemas.window_header import WindowHeader
from verifier.attestation.errors import NonceError


class IssuedNonce(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A nonce as whoever handed it out remembers it: to which node, until when (µs since 1970), and its one use.

    ``used_by`` is the digest of the window that carried it, None while it is unused. Marking it used is the
    keeper's, in one step with taking the window.
    """

    nonce: str
    node_id: str
    expires_us: int
    used_by: str | None = None


def check_freshness(header: WindowHeader, digest: str, issued: IssuedNonce | None, *, now_us: int) -> None:
    """Raise NonceError unless the header's nonce is ``issued``: to this node, unexpired at ``now_us``, unused.

    ``issued`` is what the keeper found under ``header.nonce``, None where it found nothing. ``digest`` is the
    window's: the same window sent again may carry the nonce that it used. A chained window has no nonce and
    passes: that it is chained is told (chain.FlagKind.CHAINED), and a policy may refuse it.
    """
    if header.nonce is None:
        return
    if issued is None or issued.nonce != header.nonce or issued.node_id != header.node_id:
        raise NonceError("nonce: it was not handed out to this node; ask for one, or send the window as chained")
    if issued.used_by not in (None, digest):
        raise NonceError("nonce: it was used by another window; each is good for one")
    if issued.used_by is None and now_us >= issued.expires_us:
        raise NonceError("nonce: it has expired; ask for a new one, or send the window as chained")
