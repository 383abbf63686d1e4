"""Which version of a status list may take another's place in memory: a later one that takes no revocation back."""

from __future__ import annotations

from typing import Final

from schemas import status, strict_json
from schemas.errors import GreenError
from verifier.document import objects
from verifier.evidence import KnownList

MAX_LIST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a status list that are read, as JSON."""


def supersedes(new: KnownList, known: KnownList) -> bool:
    """Return whether ``new`` may take the place of ``known``: not issued earlier, and clearing no revocation."""
    if new.issued < known.issued:
        return False
    return new.body == known.body or new.purpose != "revocation" or not clears(_bits(known), _bits(new))


def better(first: KnownList, second: KnownList) -> KnownList:
    """Return which of two versions of a list to remember: the later one, unless it takes a revocation back."""
    if supersedes(second, first):
        return second
    # Where neither may take the other's place, the later one takes back what the earlier one says.
    return first if supersedes(first, second) else min(first, second, key=lambda listed: listed.issued)


def clears(before: bytes, after: bytes) -> bool:
    """Return whether a bit that is set in ``before`` is not set in ``after``, or not there."""
    size = max(len(before), len(after))
    first, second = (int.from_bytes(bits.ljust(size, b"\0")) for bits in (before, after))
    return bool(first & ~second)


def _bits(listed: KnownList) -> bytes:
    """Return the bits of a list that was verified; none where it cannot be read, so that it drives out nothing."""
    try:
        value = strict_json.parse_object(listed.body, max_bytes=MAX_LIST_BYTES)
        (subject,) = objects(value.get("credentialSubject"))
        return status.decode_list(str(subject.get("encodedList")))
    except (GreenError, ValueError):
        return b""
