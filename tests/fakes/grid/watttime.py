"""WattTime as it answers: a login for a token, and history in pounds per megawatt-hour."""

import base64
import json
import threading

from tests.fakes.grid.server import GridServer, Request
from tests.fakes.grid.traps import Answer
from tests.fakes.grid.values import DAY_US, MINUTE_US, made_up, moment, of_text

LOGIN = "someone:a pass:word"


class FakeWattTime(GridServer):
    """Its tokens are counted; ``expire()`` makes the current one worthless. ``values`` overrides a figure by its start."""

    def __init__(self, *, regions: tuple[str, ...] = ("CAISO_NORTH",), period_s: int = 300) -> None:
        super().__init__()
        self.regions = regions
        self.period_s = period_s
        self.values: dict[int, object] = {}
        self.imputed: set[int] = set()
        self.logins = 0
        self._valid = True
        self._counting = threading.Lock()

    def expire(self) -> None:
        with self._counting:
            self._valid = False

    def answer(self, request: Request) -> Answer:
        if request.path == "/login":
            return self._login(request)
        assert request.path == "/v3/historical", request.path
        if request.headers.get("authorization") != f"Bearer {self.token}" or not self._valid:
            return Answer(b'{"error":"token expired"}', status=401)
        query = request.query
        if query["region"] not in self.regions:
            return Answer(b'{"error":"INVALID_SCOPE"}', status=403)
        start_us, end_us = of_text(query["start"]), of_text(query["end"])
        assert end_us - start_us <= 32 * DAY_US, "at most 32 days"
        length_us = self.period_s * 1_000_000
        # The end is included, as it is there.
        points = [
            self._point(query["region"], time_us, query)
            for time_us in range(-(-start_us // length_us) * length_us, end_us + 1, length_us)
        ]
        meta = {
            "data_point_period_seconds": self.period_s,
            "region": query["region"],
            "signal_type": query["signal_type"],
            "units": "lbs_co2_per_mwh",
            "model": {"date": "2026-03-01"},
            "warnings": [],
        }
        return Answer(json.dumps({"data": points, "meta": meta}).encode())

    @property
    def token(self) -> str:
        return f"header.{self.logins}.signature"

    def _login(self, request: Request) -> Answer:
        basic = "Basic " + base64.b64encode(LOGIN.encode()).decode()
        if request.headers.get("authorization") != basic:
            return Answer(b'{"error":"unauthorized"}', status=401)
        with self._counting:
            self.logins += 1
            self._valid = True
        return Answer(json.dumps({"token": self.token}).encode())

    def _point(self, region: str, time_us: int, query: dict[str, str]) -> dict[str, object]:
        point: dict[str, object] = {
            "point_time": moment(time_us).isoformat(),
            "value": self.values.get(time_us, made_up(region, time_us) + (time_us // MINUTE_US % 10) / 10),
        }
        if query.get("include_imputed_marker") == "true":
            point["imputed_data_used"] = time_us in self.imputed
        return point
