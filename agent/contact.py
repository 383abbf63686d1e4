"""When the issuer was last heard and what it said, kept in the home for ``green-agent status``."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from agent.clock import Clock
from agent.retry import Acknowledged, Later, Verdict
from schemas import times

_log = logging.getLogger(__name__)


class Contact(Struct, frozen=True, kw_only=True):
    """The last contact with the issuer. Times are UTC in whole seconds; empty means never."""

    acknowledged: int = 0
    """Records acknowledged since the file was begun."""
    last_acknowledged: str = ""
    last_failure: str = ""
    failure: str = ""
    """What went wrong then, in one line."""
    for_operator: str = ""
    """What the issuer's operator is asked to decide before anything more is taken, in one line; empty where nothing."""


def read(path: Path) -> Contact:
    """Return the contact kept at ``path``, an empty one where there is none or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Contact)
    except (OSError, msgspec.MsgspecError):
        return Contact()


class ContactBook:
    """Keeps the contact at a path up to date."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Go on from what ``path`` holds."""
        self._path = path
        self._clock = clock

    def note(self, verdict: Verdict) -> None:
        """Note what the issuer's answer, or its silence, meant. A file that cannot be written is only logged."""
        now = times.render_seconds(times.from_microseconds(self._clock.wall_ns() // 1000))
        before = read(self._path)
        if isinstance(verdict, Acknowledged):
            after = msgspec.structs.replace(
                before, acknowledged=before.acknowledged + 1, last_acknowledged=now, for_operator=""
            )
        else:
            after = msgspec.structs.replace(before, last_failure=now, failure=verdict.reason)
            if isinstance(verdict, Later) and verdict.for_operator:
                after = msgspec.structs.replace(after, for_operator=verdict.reason)
        # A note, not a record: replaced whole, but not fsynced.
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(msgspec.json.encode(after))
            part.replace(self._path)
        except OSError:
            _log.warning("the last contact could not be noted", exc_info=True)
