"""Everything outside the document that a verdict rests on, as it was fetched, the failures too.

With the evidence, a verdict is a pure function: it can be made again years later, without a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from schemas import digests
from schemas.errors import GreenError
from verifier.errors import HostUnreachableError
from verifier.report import EvidenceUsed

Origin: TypeAlias = Literal["network", "cache", "folder", "memory"]
_RECORDS: Final = "#records"
Part: TypeAlias = Literal["did_documents", "status_lists", "attachments", "credentials", "remembered"]


class Fetched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer: the bytes of ``url``, or the reason (``problem``, ``detail``) why there are none.

    ``retrieved_at`` is UTC in whole seconds, absent where nothing was asked for. ``origin`` says how far the transport vouches for the bytes:
    over the network TLS named the host, in a folder anybody may have put them. ``cache``: fetched over the network
    moments before, at ``retrieved_at``; ``memory``: kept from an earlier verification, which verified it; nobody but
    this verifier writes there. ``unreachable``: no connection to the host came about. Bytes together with a
    ``problem`` are those of a folder, used because the fetch failed.
    """

    url: str
    origin: Origin
    retrieved_at: str | None = None
    body: bytes | None = None
    media_type: str | None = None
    problem: str | None = None
    detail: str | None = None
    unreachable: bool = False

    @property
    def from_host(self) -> bool:
        """Whether the host that the URL names gave this, now or moments ago."""
        return self.origin in {"network", "cache"}


class KnownList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A status list that this verifier has verified: its ``issuer`` signed it, at ``issued``, as the list at ``url``.

    Issuer, URL and purpose together name a list: whoever serves a URL could have another issuer sign a list for it,
    and an issuer one of another purpose, and so drive out the memory of the first. ``issued`` and ``retrieved_at``
    are UTC in whole seconds.
    """

    issuer: str
    url: str
    purpose: str
    issued: str
    body: bytes
    retrieved_at: str | None = None
    media_type: str | None = None

    @property
    def name(self) -> str:
        """The name of this list in ``Evidence.remembered``."""
        return name_of_list(self.issuer, self.url, self.purpose)

    def as_evidence(self) -> Fetched:
        """Return the list as an entry of ``Evidence.remembered``."""
        return Fetched(
            url=self.url, origin="memory", retrieved_at=self.retrieved_at, body=self.body, media_type=self.media_type
        )


def name_of_records(root: str) -> str:
    """Return the name in ``Evidence.attachments`` of the records under a Merkle root.

    The root of a single record is its leaf hash, under which its receipt goes.
    """
    return root + _RECORDS


def name_of_list(issuer: str, url: str, purpose: str) -> str:
    """Return the name in ``Evidence.remembered`` of the list that ``issuer`` publishes at ``url`` for ``purpose``."""
    return f"{issuer} {purpose} {url}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was gathered for one verification.

    ``did_documents`` by DID; ``status_lists`` by URL; ``attachments`` by what they must be: the digest
    of evidence bytes (digestMultibase), of an enrolment record or of a carbon intensity's slots, the leaf hash of a record (its receipt), the Merkle
    root of a window's records (their lines, name_of_records), or the JWK thumbprint URI of a node's public key (RFC 9278).
    ``credentials``: window credentials by their id, for the receipts that name them.
    ``remembered``: by name_of_list, the newest version of a status list that was verified earlier.
    """

    did_documents: Mapping[str, Fetched] = {}
    status_lists: Mapping[str, Fetched] = {}
    attachments: Mapping[str, Fetched] = {}
    credentials: Mapping[str, Fetched] = {}
    remembered: Mapping[str, Fetched] = {}

    def joined(self, other: Evidence) -> Evidence:
        """Return both together; where both have an entry, this one's stands."""
        return Evidence(
            did_documents={**other.did_documents, **self.did_documents},
            status_lists={**other.status_lists, **self.status_lists},
            attachments={**other.attachments, **self.attachments},
            credentials={**other.credentials, **self.credentials},
            remembered={**other.remembered, **self.remembered},
        )

    def items(self) -> Iterator[tuple[Part, str, Fetched]]:
        """Yield (part, name, entry) of everything, in a fixed order.

        But for what is remembered just as it was fetched again: that has no part in a verdict.
        """
        for part in get_args(Part):
            yield from self._entries(part, getattr(self, part))

    def _entries(self, part: Part, names: Iterable[str]) -> Iterator[tuple[Part, str, Fetched]]:
        entries: Mapping[str, Fetched] = getattr(self, part)
        for name in sorted(names):
            offered = self.status_lists.get(entries[name].url) if part == "remembered" else None
            if offered is None or offered.body != entries[name].body:
                yield part, name, entries[name]

    def used(self, named: AbstractSet[str]) -> tuple[EvidenceUsed, ...]:
        """Return the list for a report, where each came from, when, and its digest, of what a document names.

        A document names a DID, a status list, a digest or a key literally; whatever else a folder holds
        had no part in the verdict.
        """
        return tuple(
            _used(fetched) for part in get_args(Part) for _, _, fetched in self._entries(part, self._named(part, named))
        )

    def _named(self, part: Part, named: AbstractSet[str]) -> Iterable[str]:
        """Return the names of the entries that are named, in no order: either side may be many thousands."""
        entries: Mapping[str, Fetched] = getattr(self, part)
        if part == "remembered":
            return [name for name, fetched in entries.items() if fetched.url in named]
        if len(entries) <= len(named):
            return [name for name in entries if name.removesuffix(_RECORDS) in named]
        return {name for text in named for name in (text, text + _RECORDS) if name in entries}


NOTHING = Evidence()
"""No evidence at all: what is in the document must speak for itself."""


def absent(url: str, error: GreenError, *, origin: Origin, retrieved_at: str | None = None) -> Fetched:
    """Return the record of a fetch that failed: evidence of absence."""
    return Fetched(
        url=url,
        origin=origin,
        retrieved_at=retrieved_at,
        problem=error.name,
        detail=error.detail,
        unreachable=isinstance(error, HostUnreachableError),
    )


def _used(fetched: Fetched) -> EvidenceUsed:
    return EvidenceUsed(
        url=fetched.url,
        origin=fetched.origin,
        retrieved_at=fetched.retrieved_at,
        digest=None if fetched.body is None else digests.digest(fetched.body),
        problem=fetched.problem,
        detail=fetched.detail,
    )
