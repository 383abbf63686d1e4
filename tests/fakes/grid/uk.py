"""The Carbon Intensity API of Great Britain as it answers: the half hour before what was asked for comes along."""

import json

from tests.fakes.grid.server import GridServer, Request
from tests.fakes.grid.traps import Answer
from tests.fakes.grid.values import DAY_US, MINUTE_US, made_up, moment, of_text

HALF_HOUR_US = 30 * MINUTE_US


class FakeUk(GridServer):
    """``values`` overrides an actual by its start in µs (None: null); what is after ``now_us`` is forecast alone."""

    def __init__(self, now_us: int) -> None:
        super().__init__()
        self.now_us = now_us
        self.values: dict[int, object] = {}

    def answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        assert parts[0] == "intensity"
        if len(parts) == 1:
            starts_us = [self.now_us - self.now_us % HALF_HOUR_US]
        else:
            start_us, end_us = of_text(parts[1]), of_text(parts[2])
            if end_us - start_us > 14 * DAY_US:
                return Answer(b'{"error":{"code":"400 Bad Request","message":"at most 14 days"}}', status=400)
            # A time belongs to the half hour that it ends.
            first_us = -(-start_us // HALF_HOUR_US) * HALF_HOUR_US - HALF_HOUR_US
            starts_us = list(range(first_us, end_us, HALF_HOUR_US))
        entries = [self._entry(start_us) for start_us in starts_us]
        return Answer(json.dumps({"data": entries}).encode())

    def _entry(self, start_us: int) -> dict[str, object]:
        actual = made_up("GB", start_us) if start_us + HALF_HOUR_US <= self.now_us else None
        return {
            "from": _text(start_us),
            "to": _text(start_us + HALF_HOUR_US),
            "intensity": {
                "forecast": made_up("GB forecast", start_us),
                "actual": self.values.get(start_us, actual),
                "index": "moderate",
            },
        }


def _text(time_us: int) -> str:
    return moment(time_us).strftime("%Y-%m-%dT%H:%MZ")
