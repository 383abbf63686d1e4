"""What one verdict has worked out already: a thousand credentials of a presentation name the same few documents."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from schemas.errors import GreenError, ResourceLimitError
from schemas.grid_data import GridData
from verifier.controllers import Controller
from verifier.enrolment import Enrolment
from verifier.errors import StatusRetrievalError
from verifier.evidence import KnownList
from verifier.rdf.work import Forms

T = TypeVar("T")

MAX_GRID_DATA: Final = 64
"""Documents of slots that one verdict keeps, read: each has at most 1,024 slots, most have one or two."""

MAX_STATUS_BYTES: Final = 64 * 1024 * 1024
"""Bits of status lists that one verdict keeps, inflated: each is at most 16 MB, most are 16 KB."""


class Once(Generic[T]):
    """Results by what they are results of, errors too: work that fails late must not be had twice either."""

    def __init__(self) -> None:
        self._known: dict[Hashable, T | GreenError] = {}

    def get(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return what ``work`` returned for ``key`` the first time, or raise the error that it raised."""
        if key not in self._known:
            try:
                self._known[key] = work()
            except GreenError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, GreenError):
            # Without the traceback of every earlier time.
            raise found.with_traceback(None)
        return found


class Recent(Once[T]):
    """As Once, of at most ``most`` results: the oldest gives way, and would be worked out anew."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def get(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return as Once."""
        if key not in self._known and len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        return super().get(key, work)


class Weight(StrEnum):
    """What the bits of a list decide."""

    FULL = "full"
    """Whatever they say."""
    SET_ONLY = "set only"
    """Its validity is over: what it sets is set, what it leaves clear may have been set since."""
    IN_DOUBT = "in doubt"
    """Nobody vouches for the key that signed it: what it sets leaves the matter open, what it leaves clear says nothing."""


class VerifiedList(NamedTuple):
    """A status list that verified: its URL, its date, its bits, and how it came here (as verifier.evidence.Fetched).

    Of a remembered list, ``weight`` and ``flaw``: what keeps it from counting like one that is offered now, in words.
    """

    url: str
    issued: str
    bits: bytes
    retrieved_at: str | None
    from_host: bool
    weight: Weight = Weight.FULL
    flaw: str | None = None


class Lists(NamedTuple):
    """What is known of one list: as it is offered (or why it cannot be had), and as it is remembered, if it is.

    ``remembered`` is None as well where it is the same list, or is no such list at all.
    """

    offered: VerifiedList | StatusRetrievalError
    remembered: VerifiedList | None


class Room:
    """How many bytes of status lists may still be inflated."""

    def __init__(self, size: int = MAX_STATUS_BYTES) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Count ``size`` bytes. Raises ResourceLimitError where they do not fit any more."""
        self._left -= size
        if self._left < 0:
            raise ResourceLimitError("the status lists of the presentation are too large together")


@dataclass(frozen=True)
class Memo:
    """What the credentials of one verdict share: DID documents, enrolment records, slots read, status lists verified.

    And the canonical forms of foreign ones, with the budget that these have together.

    Each is a function of the evidence, the policy and the time alone, which are the same for all of them.
    ``worth_keeping`` is an outcome: by name_of_list, the lists that verified, and that say more than what
    was remembered. Whoever asks for a verdict may hand in a Memo, a new one each time, and keep those.
    """

    controllers: Once[Controller] = field(default_factory=Once)
    status_lists: Once[Lists] = field(default_factory=Once)
    enrolments: Once[Enrolment] = field(default_factory=Once)
    grid_data: Recent[GridData] = field(default_factory=lambda: Recent(MAX_GRID_DATA))
    forms: Forms = field(default_factory=Forms)
    room: Room = field(default_factory=Room)
    worth_keeping: dict[str, KnownList] = field(default_factory=dict)
