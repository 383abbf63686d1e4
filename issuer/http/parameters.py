"""The query parameters that several routes have, with what the documentation says of them."""

from __future__ import annotations

from typing import Annotated, Final

from litestar.params import QueryParameter

_PAGE_LIMIT: Final = 1000
_CURSOR_CHARACTERS: Final = 512

Tenant = Annotated[
    str | None,
    QueryParameter(description="Whose data; only a key of every tenant may, and for a single inference must, say."),
]
Since = Annotated[
    str | None, QueryParameter(description="Only periods that end at or after this date or UTC time.", max_length=32)
]
Until = Annotated[
    str | None, QueryParameter(description="Only periods that end before this date or UTC time.", max_length=32)
]
ModelId = Annotated[str | None, QueryParameter(description="Only this model; it may contain a slash.", max_length=256)]
NodeId = Annotated[str | None, QueryParameter(description="Only this node.", max_length=64)]
Limit = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=_PAGE_LIMIT)]
Cursor = Annotated[
    str | None, QueryParameter(description="`next_cursor` of the page before.", max_length=_CURSOR_CHARACTERS)
]
Alg = Annotated[str | None, QueryParameter(description="The algorithm that the reader insists on.", max_length=16)]

ReportPeriod = Annotated[
    str | None,
    QueryParameter(
        description="A year, quarter, month or day of UTC: 2026, 2026-Q4, 2026-10, 2026-10-21.", max_length=10
    ),
]
ReportGranularity = Annotated[
    str, QueryParameter(description="The slots: `hour`, `day`, `month` or `whole`.", max_length=8)
]
ReportPer = Annotated[
    str | None,
    QueryParameter(description="Rows for each `tenant`, `model`, `node`, or several with commas.", max_length=32),
]
ReportKind = Annotated[
    str, QueryParameter(description="`measured`, or `simulated` figures and no others.", max_length=16)
]
ReportForm = Annotated[str, QueryParameter(description="`csv` or `json`.", max_length=8)]
