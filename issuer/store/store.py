"""The store: one database, one small object for each subject."""

from __future__ import annotations

import random
from typing import Final

from sqlalchemy import select

from issuer.store.api_keys import ApiKeys
from issuer.store.credentials import Credentials
from issuer.store.database import BUSY_TIMEOUT_S, Database, Randomness
from issuer.store.enrolments import Enrolments
from issuer.store.grid import Grid
from issuer.store.grid_feeds import GridFeeds, Leases
from issuer.store.issuers import Issuers
from issuer.store.keys import Keys
from issuer.store.log import Log
from issuer.store.migrate import check_version, current_revision, upgrade
from issuer.store.models import ISSUER
from issuer.store.nodes import Nodes
from issuer.store.provisional import ProvisionalClaims
from issuer.store.receipts import Receipts
from issuer.store.reports import Reports
from issuer.store.status import Status
from issuer.store.status_lists import StatusLists
from issuer.store.tenants import Tenants
from issuer.store.tpms import Tpms
from issuer.store.window_pages import WindowPages
from issuer.store.windows import Windows

LIST_SIZE: Final = 131_072
"""Bits of a status list; StatusList2021 asks for at least 16 KB."""

FILL_LIMIT: Final = 0.5
"""Share of a list that is given out: a random free index is then found in two draws, and hides in a crowd."""


class Store:
    """Everything that the issuer remembers. A method that writes has made it durable when it returns."""

    def __init__(self, database: Database, *, randomness: Randomness, list_size: int, fill_limit: float) -> None:
        self._database = database
        lists = StatusLists(database, randomness, size=list_size, fill_limit=fill_limit)
        self.notices = database.notices
        self.issuers = Issuers(database)
        self.keys = Keys(database)
        self.tenants = Tenants(database)
        self.nodes = Nodes(database)
        self.enrolments = Enrolments(database)
        self.api_keys = ApiKeys(database)
        self.credentials = Credentials(database, lists, randomness)
        self.windows = Windows(database, self.credentials)
        self.receipts = Receipts(database)
        self.window_pages = WindowPages(database)
        self.tpms = Tpms(database)
        self.status = Status(database)
        self.log = Log(database)
        self.grid = Grid(database)
        self.grid_feeds = GridFeeds(database)
        self.leases = Leases(database)
        self.provisional = ProvisionalClaims(database)
        self.reports = Reports(database)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        list_size: int = LIST_SIZE,
        fill_limit: float = FILL_LIMIT,
        randomness: Randomness | None = None,
    ) -> Store:
        """Return the store at ``url`` (``sqlite:///PATH``, ``postgresql://…``). It connects with the first call.

        ``pool_size`` counts PostgreSQL connections. ``store.notices`` holds warnings for the log at start.
        Raises StoreUrlError.
        """
        database = Database(url, pool_size=pool_size, busy_timeout_s=busy_timeout_s)
        source = random.SystemRandom() if randomness is None else randomness
        return cls(database, randomness=source, list_size=list_size, fill_limit=fill_limit)

    async def migrate(self) -> None:
        """Bring the tables to this version's form; safe to call at every start, by several processes at once.

        Raises NewerDatabaseError.
        """
        await upgrade(self._database)

    async def check_version(self) -> None:
        """Raise NewerDatabaseError where a newer version of the program made the tables."""
        await check_version(self._database)

    async def revision(self) -> str | None:
        """Return the revision of the tables, None where there are none; migrate.head_revision() is this version's."""
        return await current_revision(self._database)

    async def health(self) -> None:
        """Read a row. Raises UnavailableError or StorageFailedError where that is not possible."""
        self._database.check_in_place()
        async with self._database.read() as connection:
            await connection.execute(select(ISSUER.c.slug).limit(1))

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()
