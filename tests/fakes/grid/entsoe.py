"""ENTSO-E's platform as it answers: generation per type as XML, and acknowledgements where it refuses."""

from datetime import UTC, datetime

from tests.fakes.grid.server import GridServer, Request
from tests.fakes.grid.traps import Answer
from tests.fakes.grid.values import HOUR_US, MINUTE_US, moment

TOKEN = "11111111-2222-3333-4444-555555555555"
ZONE = "10Y1001A1001A82H"
LENGTHS_US = {"PT15M": 15 * MINUTE_US, "PT60M": HOUR_US}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


class FakeEntsoe(GridServer):
    """``generation`` says what a type generates at a time (MW, None: nothing published); ``consumption`` what it takes.

    ``curve``: "A01" writes each position, "A03" leaves out what repeats the one before.
    """

    def __init__(self, *, resolution: str = "PT15M", curve: str = "A01", until_us: int = 2**60) -> None:
        super().__init__()
        self.resolution = resolution
        self.curve = curve
        self.until_us = until_us
        self.zone = ZONE
        self.generation = {"B04": lambda _us: 3000, "B14": lambda _us: 1000, "B16": lambda us: us // HOUR_US % 24 * 100}
        self.consumption = {"B10": lambda _us: 700}

    def answer(self, request: Request) -> Answer:
        assert request.path == "/api"
        query = request.query
        if query.get("securityToken") != TOKEN:
            return Answer(b"<html>Unauthorized</html>", status=401, content_type="text/html")
        assert (query["documentType"], query["processType"]) == ("A75", "A16")
        if query["in_Domain"] != self.zone:
            return acknowledgement("No matching data found", status=200)
        start_us, end_us = _of_stamp(query["periodStart"]), min(_of_stamp(query["periodEnd"]), self.until_us)
        if start_us >= end_us:
            return acknowledgement("No matching data found for Data item Actual Generation Per Production Type")
        series = [self._series(kind, of, "in", start_us, end_us) for kind, of in self.generation.items()]
        series += [self._series(kind, of, "out", start_us, end_us) for kind, of in self.consumption.items()]
        text = (
            f'{_HEAD}<GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">'
            "<mRID>731ff11e</mRID><revisionNumber>1</revisionNumber><type>A75</type>"
            "<process.processType>A16</process.processType>"
            f"<createdDateTime>{_text(end_us)}</createdDateTime>{''.join(series)}</GL_MarketDocument>"
        )
        return Answer(text.encode(), content_type="text/xml")

    def _series(self, kind: str, of, direction: str, start_us: int, end_us: int) -> str:
        length_us = LENGTHS_US[self.resolution]
        spans: list[list[tuple[int, int]]] = [[]]
        for time_us in range(start_us, end_us, length_us):
            power_mw = of(time_us)
            if power_mw is None:
                spans.append([])
            else:
                spans[-1].append((time_us, power_mw))
        periods = "".join(self._period(span, length_us) for span in spans if span)
        if not periods:
            return ""
        return (
            "<TimeSeries><mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>"
            f'<{direction}BiddingZone_Domain.mRID codingScheme="A01">{self.zone}</{direction}BiddingZone_Domain.mRID>'
            f"<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>{self.curve}</curveType>"
            f"<MktPSRType><psrType>{kind}</psrType></MktPSRType>{periods}</TimeSeries>"
        )

    def _period(self, span: list[tuple[int, int]], length_us: int) -> str:
        points, before = [], None
        for position, (_time_us, power_mw) in enumerate(span, start=1):
            if self.curve == "A01" or power_mw != before:
                points.append(f"<Point><position>{position}</position><quantity>{power_mw}</quantity></Point>")
            before = power_mw
        return (
            f"<Period><timeInterval><start>{_text(span[0][0])}</start><end>{_text(span[-1][0] + length_us)}</end>"
            f"</timeInterval><resolution>{self.resolution}</resolution>{''.join(points)}</Period>"
        )


def acknowledgement(text: str, *, status: int = 400, code: str = "999") -> Answer:
    """What the platform answers where it does not: reason 999 for nearly everything."""
    xml = (
        f'{_HEAD}<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">'
        f"<mRID>be3917c7</mRID><Reason><code>{code}</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    )
    return Answer(xml.encode(), status=status, content_type="text/xml")


def _of_stamp(text: str) -> int:
    return int(datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC).timestamp()) * 1_000_000


def _text(time_us: int) -> str:
    return moment(time_us).strftime("%Y-%m-%dT%H:%MZ")
