"""Where engines are answered: from what they say on a connection to the book of requests and steps.

Requests that are open are places that leave room for others, as running work is (agent.windows.places).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from agent.attribution.steps import Scheduled
from agent.errors import AgentError, SettingsError
from agent.measurement import Counts
from agent.windows.engine import Engine, EngineRequest
from agent.windows.engine_protocol import Begin, End, EngineMessage, Report, Steps, read_message
from agent.windows.ledger_window import WindowLedger
from agent.windows.places import USER_SHARE, Holder, Places
from agent.windows.protocol import Reply

MAX_OPEN: Final = 8_192
"""Requests of engines that may be open at once. One connection gets half of those that are free."""


@dataclass(eq=False, slots=True)
class Seat:
    """A connection of an engine: its requests by the numbers that it gave them."""

    engine: Engine
    holders: tuple[Holder, ...]
    requests: dict[int, EngineRequest] = field(default_factory=dict)


class EngineDesk:
    """Answers engines. One thread calls it."""

    def __init__(self, ledger: WindowLedger, new_id: Callable[[], str], *, most: int, max_open: int = MAX_OPEN) -> None:
        """Answer for ``ledger``; of ``most`` connections each has a few requests that no other can take."""
        self._ledger = ledger
        self._new_id = new_id
        self._places = Places(max_open, guaranteed=max_open // 2 // most, most=most)

    def sit(self, connection: Hashable, user: int) -> Seat:
        """Return the seat of a connection that says it is an engine's."""
        holders = (Holder("connection", connection), Holder("user", user, USER_SHARE))
        return Seat(self._ledger.engines.connect(), holders)

    def leave(self, seat: Seat) -> None:
        """End an engine whose connection ended, and its requests."""
        for _ in seat.requests:
            self._places.give(seat.holders)
        seat.requests.clear()
        self._ledger.engines.disconnect(seat.engine)

    def answer(self, seat: Seat, line: bytes) -> Reply | None:
        """Return the answer to a line, None where none is due. Raises ParsingError for what cannot be read."""
        message = read_message(line)
        try:
            name = self._take(seat, message)
        except AgentError as error:
            return Reply(n=message.n, ok=False, problem=error.name, detail=error.detail)
        return Reply(n=message.n, ok=True, id=name) if message.n is not None else None

    def _take(self, seat: Seat, message: EngineMessage) -> str | None:
        if isinstance(message, Steps):
            self._step(seat, message)
            return None
        if isinstance(message, Begin):
            return self._begin(seat, message)
        request = seat.requests.get(message.r)
        if request is None:
            raise SettingsError(f"{message.r} is no request that began on this connection and is open")
        counts = Counts(message.input, message.output)
        if isinstance(message, Report):
            self._ledger.engines.report(request, counts)
        elif isinstance(message, End):
            del seat.requests[message.r]
            self._places.give(seat.holders)
            self._ledger.engines.end(request, counts, message.t)
        return request.inference_id

    def _begin(self, seat: Seat, message: Begin) -> str:
        if message.r in seat.requests:
            raise SettingsError(f"{message.r} is the number of a request that is open on this connection")
        if reason := self._places.refuses(seat.holders):
            raise SettingsError(f"requests of engines that are open at once: {reason}; they are counted for nobody")
        name = message.id or self._new_id()
        request = self._ledger.begin_request(seat.engine, message.model, name, message.tenant, message.t)
        self._places.take(seat.holders)
        seat.requests[message.r] = request
        return name

    def _step(self, seat: Seat, message: Steps) -> None:
        if message.dropped:
            self._ledger.engines.dropped(seat.engine, message.dropped)
        for step in message.s:
            requests = {}
            for number, tokens, context, phase in step.parts:
                known = seat.requests.get(number)
                # No inference id has a question mark: a stranger's part is nobody's.
                name = known.inference_id if known is not None else f"?{number}"
                requests[name] = Scheduled(tokens, context, "decode" if phase else "prefill")
            self._ledger.engines.step(seat.engine, step.t0, step.t1, requests)
