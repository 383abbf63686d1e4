"""A program that reserves and issues without end, and says so on standard output: it is there to be killed.

    python -m tests.fakes.issuing_loop DATABASE_URL FIRST_NUMBER

Each line "NUMBER ID LIST INDEX" acknowledges the credential of inference NUMBER after it was stored.
"""

from __future__ import annotations

import asyncio
import sys

from issuer.store import Store
from tests.fakes.stored import build, issued, reservation


async def run(url: str, number: int) -> None:
    """Issue credentials one after the other, from this number on."""
    store = Store.open(url, list_size=64)
    while True:
        request = {"inference_id": f"i{number}", "record": b"record %d" % number, "record_digest": f"u{number}"}
        stored = await issued(store, **request)
        again = await store.credentials.reserve(reservation(**request), build)
        if (again.id, again.document) != (stored.id, stored.document):
            raise SystemExit(f"{number} came back differently")
        sys.stdout.write(f"{number} {stored.id} {stored.list_id} {stored.index}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
