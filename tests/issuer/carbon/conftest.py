"""A store with the tables, an issuer, two tenants and a node of each, in Germany."""

from __future__ import annotations

import random

import pytest

from issuer.store import Store
from tests.fakes.stored import furnish


@pytest.fixture
async def store(tmp_path):
    opened = Store.open(f"sqlite:///{tmp_path / 'green.db'}", list_size=1024, randomness=random.Random(1))
    await opened.migrate()
    await furnish(opened)
    yield opened
    await opened.close()
