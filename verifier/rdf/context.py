"""The contexts a document may have: an exact, ordered list of pinned ones (JSON-LD 1.1 §3.1, security.md 3).

A context decides what every term means, so whoever chooses it chooses what was signed: a look-alike that
swaps energy and emissions, a ``@vocab`` that makes anything defined, a ``null`` that makes nothing signed.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from contexts import green_compute
from contexts.pinned import CREDENTIALS_V1, CREDENTIALS_V2, JWS_2020, PINNED, STATUS_LIST_2021
from schemas.strict_json import Json, JsonObject
from verifier.errors import UntrustedContextError

MAX_ENTRIES: Final = 16
_STATUS_LIST: Final = (CREDENTIALS_V1, JWS_2020, STATUS_LIST_2021)
_PRESENTATION: Final = (CREDENTIALS_V1, JWS_2020)


class Profile(enum.Enum):
    """What kind of document a list of contexts is judged for."""

    GREEN_COMPUTE = "green-compute"
    """One of our credentials: three W3C contexts and our own, by URL or inline."""
    STATUS_LIST = "status-list"
    """A StatusList2021Credential: the three W3C contexts."""
    PRESENTATION = "presentation"
    """A presentation: two W3C contexts, then any pinned ones."""
    FOREIGN = "foreign"
    """Any other credential: the W3C's first, then any pinned ones."""


def check_contexts(document: JsonObject, profile: Profile) -> None:
    """Return if the document's contexts are those of ``profile``, and no other stands anywhere in it.

    The credentials in a presentation have contexts of their own, judged here as FOREIGN; what they are is
    for their own verification to say. Raises UntrustedContextError.
    """
    value = document.get("@context")
    entries = value if isinstance(value, list) else [value]
    if profile is Profile.GREEN_COMPUTE:
        _check_exact(value, _STATUS_LIST, entries[:-1])
        if not green_compute.is_ours(entries[-1]):
            raise UntrustedContextError("@context: the last must be the Green Compute context, by URL or inline")
    elif profile is Profile.STATUS_LIST:
        _check_exact(value, _STATUS_LIST, entries)
    elif profile is Profile.PRESENTATION:
        _check_exact(value, _PRESENTATION, entries[: len(_PRESENTATION)])
    elif entries[:1] not in ([CREDENTIALS_V1], [CREDENTIALS_V2]):
        raise UntrustedContextError("@context: the first must be the W3C credentials context, version 1 or 2")
    _check_pinned(entries)
    _check_inside(document, presentation=profile is Profile.PRESENTATION)


def _check_exact(value: Json, required: Sequence[str], entries: Sequence[Json]) -> None:
    if not isinstance(value, list) or list(entries) != list(required):
        raise UntrustedContextError(
            f"@context: a list is required that starts with {', '.join(required)}, in this order"
        )


def _check_pinned(entries: Sequence[Json]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise UntrustedContextError(f"@context: at most {MAX_ENTRIES} entries are read")
    for entry in entries:
        if isinstance(entry, str):
            if entry not in PINNED:
                raise UntrustedContextError(f"@context: {ascii(entry)[:120]} is not pinned, and nothing is fetched")
        elif not green_compute.is_ours(entry):
            raise UntrustedContextError("@context: an inline context must be the Green Compute context, unchanged")


def _check_inside(document: JsonObject, *, presentation: bool) -> None:
    for name, member in document.items():
        if name == "@context":
            continue
        if presentation and name == "verifiableCredential":
            for credential in member if isinstance(member, list) else [member]:
                if isinstance(credential, dict):
                    check_contexts(credential, Profile.FOREIGN)
        elif _has_context(member):
            raise UntrustedContextError(f"{name[:100]}: a context inside of a document would change a part's meaning")


def _has_context(value: Json) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "@context" in item:
                return True
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
