"""Places that strangers share, so that who takes many leaves some: nobody is starved by another's mere number. Pure."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

_CREDENTIALS: Final = struct.Struct("3i")
USER_SHARE: Final = 9
"""One user holds at most nine tenths of the places, when nobody else holds any."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a unix socket, as the kernel saw it connect (SO_PEERCRED, unix(7)).

    ``pid`` is 0 for a process of a container whose numbers are not ours.
    """

    pid: int
    uid: int


def peer_of(connected: socket.socket) -> Peer:
    """Return who is at the other end. Raises OSError."""
    pid, uid, _ = _CREDENTIALS.unpack(
        connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size),
    )
    return Peer(pid, uid)


@dataclass(frozen=True, slots=True)
class Holder:
    """Someone who holds places: its ``name`` among its ``kind``, and how many for each place that is still free."""

    kind: str
    id: Hashable
    share: int = 1

    @property
    def name(self) -> Hashable:
        """Its name among all holders."""
        return self.kind, self.id


class Places:
    """A number of places. A holder gets one more only while it holds fewer than ``share`` times those that are free.

    So one alone gets half of them (of share 1), and leaves half of the rest to the next. Since many that take what they
    can would leave nothing in the end, each of up to ``most`` holders has ``guaranteed`` places, whatever others hold.
    """

    def __init__(self, limit: int, *, guaranteed: int = 0, most: int = 0) -> None:
        """Make ``limit`` free places."""
        self.limit = limit
        self._guaranteed = guaranteed
        self._reserved = guaranteed * most
        self._taken = 0
        self._own: Counter[Hashable] = Counter()
        self._shared: Counter[Hashable] = Counter()

    def refuses(self, holders: Sequence[Holder]) -> str:
        """Return why ``holders`` together get no more place; empty where they do. The guarantee is for the first."""
        free = self.limit - self._taken
        if free <= 0:
            return f"all {self.limit} are taken"
        if self._own[holders[0].name] < self._guaranteed:
            return ""
        free = max(0, free - self._reserved)
        for holder in holders:
            held = self._shared[holder.name]
            if held >= holder.share * free:
                more = f" beside {self._guaranteed} of its own" if self._guaranteed else ""
                return f"of {self.limit} this {holder.kind} holds {held}{more}, and {free} are left for others"
        return ""

    def take(self, holders: Sequence[Holder]) -> None:
        """Take one place for all of ``holders`` together."""
        self._taken += 1
        first = holders[0].name
        if self._own[first] < self._guaranteed:
            self._own[first] += 1
            self._reserved -= 1
        else:
            self._shared.update(holder.name for holder in holders)

    def give(self, holders: Sequence[Holder]) -> None:
        """Give one place back."""
        self._taken -= 1
        first = holders[0].name
        if self._shared[first]:
            for holder in holders:
                _less(self._shared, holder.name)
        else:
            _less(self._own, first)
            self._reserved += 1


def _less(held: Counter[Hashable], name: Hashable) -> None:
    held[name] -= 1
    if not held[name]:
        del held[name]
