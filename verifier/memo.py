"""What one verdict has worked out already: a thousand credentials of a presentation name the same few documents."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from schemas.errors import GreenError, ResourceLimitError
from schemas.status import StatusListCredential
from verifier.controllers import Controller

T = TypeVar("T")

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
    """What the credentials of one verdict share: DID documents that were read, status lists that were verified.

    Each is a function of the evidence, the policy and the time alone, which are the same for all of them.
    """

    controllers: Once[Controller] = field(default_factory=Once)
    status_lists: Once[tuple[StatusListCredential, bytes]] = field(default_factory=Once)
    room: Room = field(default_factory=Room)
