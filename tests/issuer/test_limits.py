"""The issuer's own refusal of what comes too often; the limit itself is the verifier's."""

from __future__ import annotations

import pytest

from issuer.http.errors import RateLimitedError
from issuer.limits import RateLimit


def test_who_asks_too_often_is_told_who_and_when_to_come_back():
    limit = RateLimit(2, subject="API key", monotonic_s=lambda: 1000.0)
    limit.take("a")
    limit.take("a")
    with pytest.raises(RateLimitedError, match="2 requests a minute for this API key") as refused:
        limit.take("a")
    assert refused.value.headers == {"retry-after": "30"}


def test_one_can_ask_whether_there_is_room_and_take_it():
    limit = RateLimit(1, subject="node", monotonic_s=lambda: 1000.0)
    assert limit.has_room("a")
    assert not limit.has_room("a")
    assert limit.has_room("b")
