"""Everything outside the document that a verdict rests on, as it was fetched, the failures too.

With the evidence, a verdict is a pure function: it can be made again years later, without a network.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Literal, TypeAlias, get_args

import msgspec

from schemas import digests
from schemas.errors import GreenError
from verifier.report import EvidenceUsed

Origin: TypeAlias = Literal["network", "folder"]
Part: TypeAlias = Literal["did_documents", "status_lists", "attachments"]


class Fetched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer: the bytes of ``url``, or the reason (``problem``, ``detail``) why there are none.

    ``retrieved_at`` is UTC in whole seconds, absent where nothing was asked for. ``origin`` says how far the transport vouches for the bytes:
    over the network TLS named the host, in a folder anybody may have put them.
    """

    url: str
    origin: Origin
    retrieved_at: str | None = None
    body: bytes | None = None
    media_type: str | None = None
    problem: str | None = None
    detail: str | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was gathered for one verification.

    ``did_documents`` by DID; ``status_lists`` by URL; ``attachments`` by what they must be: the digest
    of evidence bytes (digestMultibase), or the JWK thumbprint URI of a node's public key (RFC 9278).
    """

    did_documents: Mapping[str, Fetched] = {}
    status_lists: Mapping[str, Fetched] = {}
    attachments: Mapping[str, Fetched] = {}

    def joined(self, other: Evidence) -> Evidence:
        """Return both together; where both have an entry, this one's stands."""
        return Evidence(
            did_documents={**other.did_documents, **self.did_documents},
            status_lists={**other.status_lists, **self.status_lists},
            attachments={**other.attachments, **self.attachments},
        )

    def items(self) -> Iterator[tuple[Part, str, Fetched]]:
        """Yield (part, name, entry) of everything, in a fixed order."""
        for part in get_args(Part):
            for name, fetched in sorted(getattr(self, part).items()):
                yield part, name, fetched

    def used(self, named: Container[str]) -> tuple[EvidenceUsed, ...]:
        """Return the list for a report, where each came from, when, and its digest, of what a document names.

        A document names a DID, a status list, a digest or a key literally; whatever else a folder holds
        had no part in the verdict.
        """
        return tuple(_used(fetched) for _, name, fetched in self.items() if name in named)


NOTHING = Evidence()
"""No evidence at all: what is in the document must speak for itself."""


def absent(url: str, error: GreenError, *, origin: Origin, retrieved_at: str | None = None) -> Fetched:
    """Return the record of a fetch that failed: evidence of absence."""
    return Fetched(url=url, origin=origin, retrieved_at=retrieved_at, problem=error.name, detail=error.detail)


def _used(fetched: Fetched) -> EvidenceUsed:
    return EvidenceUsed(
        url=fetched.url,
        origin=fetched.origin,
        retrieved_at=fetched.retrieved_at,
        digest=None if fetched.body is None else digests.digest(fetched.body),
        problem=fetched.problem,
        detail=fetched.detail,
    )
