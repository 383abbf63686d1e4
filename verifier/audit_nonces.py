"""The issuer's log of nonces held against the windows of a bundle: each its own, and none of them without its window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from verifier.attestation.errors import NonceError
from verifier.attestation.freshness import IssuedNonce, check_freshness
from verifier.attestation.window import CheckedWindow
from verifier.notices import Notice
from verifier.report import Finding, failed, warning

_MAX_SHOWN: Final = 10


def check_nonce(window: CheckedWindow, log: Mapping[str, IssuedNonce] | None) -> Iterator[Finding]:
    """Yield whether the nonce was handed out for this window, by the issuer's log; None where there is no log."""
    header = window.header
    if header.nonce is None:
        return
    if log is None:
        yield warning(Notice.EVIDENCE_NOT_CHECKED, "there is no nonce log: that a nonce was fresh is the issuer's word")
        return
    issued = log.get(header.nonce)
    try:
        told = check_freshness(header, window.digest, issued, now_us=header.end_us)
    except NonceError as error:
        yield failed(error)
        return
    if issued is not None and issued.used_by is None:
        yield failed(NonceError("nonce: by the log, no window ever used it"))
    yield from (warning(Notice.NONCE_AFTER_END, flag.detail) for flag in told)


def windows_not_here(log: Mapping[str, IssuedNonce] | None, here: Collection[str]) -> Iterator[Finding]:
    """Yield for each node the windows that used a nonce by the log, and are not among the digests ``here``.

    The first and the last windows of a period leave no gap between numbers when they are left out.
    """
    absent: dict[str, list[str]] = defaultdict(list)
    for issued in (log or {}).values():
        if issued.used_by is not None and issued.used_by not in here:
            absent[issued.node_id].append(issued.used_by)
    for node_id in sorted(absent):
        named = sorted(set(absent[node_id]))
        more = "" if len(named) <= _MAX_SHOWN else f" and {len(named) - _MAX_SHOWN} more"
        told = f"by the nonce log, {node_id} made {len(named)} windows that are not in the bundle: "
        yield warning(Notice.WINDOWS_MISSING, told + ", ".join(named[:_MAX_SHOWN]) + more)
