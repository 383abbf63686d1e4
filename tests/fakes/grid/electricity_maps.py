"""Electricity Maps as it answers: v3 and v4, latest, history and past-range."""

import json

from tests.fakes.grid.server import GridServer, Request
from tests.fakes.grid.traps import Answer, Trap, edited
from tests.fakes.grid.values import DAY_US, HOUR_US, made_up, moment, of_text

LENGTHS_US = {"5_minutes": HOUR_US // 12, "15_minutes": HOUR_US // 4, "hourly": HOUR_US, "daily": DAY_US}
TOKEN = "em-token-of-the-fake"


class FakeElectricityMaps(GridServer):
    """Knows ``zones``; ``values`` overrides a figure by its start in µs (None: null); ``estimated`` are starts.

    ``says_granularity``: whether answers name their granularity, as newer ones do.
    """

    def __init__(self, now_us: int, *, zones: tuple[str, ...] = ("DE", "FR"), says_granularity: bool = False) -> None:
        super().__init__()
        self.now_us = now_us
        self.zones = zones
        self.says_granularity = says_granularity
        self.token = TOKEN
        self.values: dict[int, object] = {}
        self.estimated: set[int] = set()

    def answer(self, request: Request) -> Answer:
        if request.headers.get("auth-token") != self.token:
            return Answer(b'{"error":"Unauthorized"}', status=401)
        version, kind, endpoint = request.path.strip("/").split("/")
        assert (version in {"v3", "v4"}, kind) == (True, "carbon-intensity"), request.path
        zone = request.query["zone"]
        if zone not in self.zones:
            if request.query.get("shouldUseFallbackCallerLookup") == "false":
                return Answer(b'{"status":"error","message":"Zone does not exist."}', status=404)
            zone = self.zones[-1]
        granularity = request.query.get("temporalGranularity", "hourly")
        length_us = LENGTHS_US[granularity]
        factor_type = request.query.get("emissionFactorType", "lifecycle")
        said = {"temporalGranularity": granularity} if self.says_granularity else {}
        if endpoint == "latest":
            start_us = self.now_us - self.now_us % length_us
            return _answer({**self._entry(zone, start_us, factor_type), "temporalGranularity": granularity})
        first_us, last_us = self._range(endpoint, request.query, length_us)
        starts_us = range(-(-first_us // length_us) * length_us, last_us, length_us)
        entries = [self._entry(zone, start_us, factor_type) for start_us in starts_us]
        return _answer({"zone": zone, ("history" if endpoint == "history" else "data"): entries, **said})

    def _range(self, endpoint: str, query: dict[str, str], length_us: int) -> tuple[int, int]:
        if endpoint == "history":
            end_us = self.now_us - self.now_us % length_us + length_us
            return end_us - DAY_US, end_us
        assert endpoint == "past-range"
        start_us, end_us = of_text(query["start"]), of_text(query["end"])
        assert end_us - start_us <= 10 * DAY_US, "at most ten days"
        return start_us, end_us

    def _entry(self, zone: str, start_us: int, factor_type: str) -> dict[str, object]:
        estimated = start_us in self.estimated or start_us + 2 * HOUR_US > self.now_us
        return {
            "zone": zone,
            "carbonIntensity": self.values.get(start_us, made_up(zone, start_us)),
            "datetime": _text(start_us),
            "updatedAt": _text(start_us + 2 * HOUR_US),
            "createdAt": _text(start_us - DAY_US),
            "emissionFactorType": factor_type,
            "isEstimated": estimated,
            "estimationMethod": "TIME_SLICER_AVERAGE" if estimated else None,
        }


def sandbox() -> Trap:
    """A sandbox token's answer: invented, and said so in the method alone."""

    def change(members: dict) -> None:
        for entry in members.get("history", members.get("data", [members])):
            entry.update(isEstimated=True, estimationMethod="SANDBOX_MODE_DATA")

    return edited(change)


def callers_zone(zone: str) -> Trap:
    """An answer for the zone of the caller's IP address."""

    def change(members: dict) -> None:
        for entry in [members, *members.get("history", members.get("data", []))]:
            entry["zone"] = zone

    return edited(change)


def coarser(steps: int) -> Trap:
    """Each ``steps``-th figure alone, as a contract without the granularity is answered."""

    def change(members: dict) -> None:
        name = "history" if "history" in members else "data"
        members[name] = members[name][::steps]

    return edited(change)


def _text(time_us: int) -> str:
    return moment(time_us).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _answer(members: dict[str, object]) -> Answer:
    return Answer(json.dumps(members).encode(), content_type="application/json; charset=utf-8")
