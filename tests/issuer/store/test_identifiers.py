"""Ids of credentials are UUIDv7."""

import random
import uuid

from issuer.store.identifiers import uuid7
from tests.fakes.stored import NOW_US


def test_an_id_is_a_uuid_of_version_7_in_canonical_form():
    text = uuid7(NOW_US, random.Random(1))
    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)


def test_an_id_begins_with_its_milliseconds():
    assert uuid.UUID(uuid7(NOW_US, random.Random(1))).int >> 80 == NOW_US // 1000


def test_later_ids_sort_after_earlier_ones():
    source = random.Random(1)
    ids = [uuid7(NOW_US + step * 1000, source) for step in range(100)]
    assert ids == sorted(ids)


def test_ids_of_the_same_moment_differ():
    source = random.Random(1)
    assert len({uuid7(NOW_US, source) for _ in range(1000)}) == 1000
