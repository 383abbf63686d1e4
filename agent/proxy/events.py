"""An answer in parts, as server-sent events: watched on its way, never held back but for the line that ends it. Pure.

WHATWG HTML §9.2: lines end with LF or CRLF, an empty line ends an event, a line that begins with a colon is a comment,
which clients ignore. ``data: [DONE]`` ends the streams of OpenAI's older paths; others just end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.measurement import UNCOUNTED, Counts
from agent.proxy.bodies import counts_of

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Of a longer line the tokens are not read; it is passed on like every other."""

_DATA: Final = b"data:"
_ENDS: Final = (b"data: [DONE]", b"data:[DONE]")


@dataclass(frozen=True, slots=True)
class Passed:
    """What goes on now, and, where the end of the stream was met, what comes after the figures."""

    now: bytes
    rest: bytes | None = None


class EventStream:
    """Watches one stream."""

    def __init__(self) -> None:
        """Begin where a stream begins: between two events."""
        self.counts: Counts = UNCOUNTED
        self._line = bytearray()
        self._too_long = False
        self._between = True
        self._held = b""

    def feed(self, chunk: bytes) -> Passed:
        """Return what to pass on of a piece of the stream.

        Held back is only the beginning of a line that may turn out to be the end of the stream, 13 bytes at most.
        """
        data, self._held = self._held + chunk, b""
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            piece = data[begin:end]
            if self._between and not self._line and piece.removesuffix(b"\r") in _ENDS:
                return Passed(data[:begin], data[begin:])
            self._add(piece)
            self._end_line()
            begin = end + 1
        tail = data[begin:]
        if tail and self._between and not self._line and _may_end(tail):
            self._held = tail
            return Passed(data[:begin])
        self._add(tail)
        return Passed(data)

    def end(self) -> tuple[bytes, bool]:
        """Return what was still held when the stream ended, and whether a comment may stand before or after it.

        In the midst of an event it may not: the end of one that was cut off must not look like that of a whole one.
        """
        held, self._held = self._held, b""
        whole = held.removesuffix(b"\r") in _ENDS
        return held, self._between and not self._line and (whole or not held)

    def _add(self, piece: bytes) -> None:
        if len(self._line) + len(piece) > MAX_LINE_BYTES:
            self._too_long = True
            del self._line[1:]
        if self._too_long:
            # One byte is kept: the line is not empty.
            self._line += piece[: max(0, 1 - len(self._line))]
        else:
            self._line += piece

    def _end_line(self) -> None:
        line = bytes(self._line).removesuffix(b"\r")
        if not self._too_long and line.startswith(_DATA) and b'"usage"' in line:
            counts = counts_of(line.removeprefix(_DATA))
            self.counts = counts if counts != UNCOUNTED else self.counts
        self._between = not line and not self._too_long
        self._line.clear()
        self._too_long = False


def _may_end(tail: bytes) -> bool:
    return any(end.startswith(tail) or tail == end + b"\r" for end in _ENDS)
