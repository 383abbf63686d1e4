"""What choosing by stored slots adds to intake: reading them (seldom), choosing, and both for a whole day of PT5M.

python bench/grid_choice.py
"""

from __future__ import annotations

import asyncio
import tempfile
import time

from issuer.carbon import choose as choosing
from issuer.carbon.choose import Period
from issuer.carbon.known import KnownGrid
from issuer.store import Store
from tests.fakes.grid_provider import OFFER, FakeProvider, sources
from tests.fakes.grid_slots import DAY_US, NOON_US, stored

MINUTE_US = 60_000_000


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/green.db")
        await store.migrate()
        fine = [stored(NOON_US + part * 5 * MINUTE_US, granularity="PT5M") for part in range(10 * 288)]
        await store.grid.put(fine)
        known = KnownGrid(store.grid, sources(("DEU", ["em:DE"]), em=FakeProvider(OFFER)))
        for what, length_us in (
            ("a record of 3 s", 3_000_000),
            ("a window of an hour", 3_600_000_000),
            ("a day", DAY_US),
        ):
            period = Period(start_us=NOON_US + 7, end_us=NOON_US + 7 + length_us, it_mj=1_000_003)
            cold = await _timed(known, period, 20, forget=True)
            warm = await _timed(known, period, 200, forget=False)
            print(f"{what}: first of its hour {cold:.2f} ms, every other one {warm:.2f} ms")
        await store.close()


async def _timed(known: KnownGrid, period: Period, count: int, *, forget: bool) -> float:
    taken = []
    for _ in range(count):
        if forget:
            known.forget()
            choosing._encoded.cache_clear()  # noqa: SLF001 - a cold start is what is measured
        started = time.perf_counter()
        found = await known.of("DEU", period.start_us, period.end_us)
        chosen = found.chosen(period, NOON_US + 20 * DAY_US)
        taken.append(time.perf_counter() - started)
        assert chosen.document is not None
    return sorted(taken)[count // 2] * 1000


asyncio.run(main())
