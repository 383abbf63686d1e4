"""Windows kept open for the receipts that follow: the same answers, and never more than they may take."""

import pytest

from issuer.windows.opened import OpenedWindows, open_window
from schemas import digests, merkle
from tests.fakes.window_node import WindowNode


@pytest.fixture(scope="module")
def bodies():
    node = WindowNode()
    return [node.zipped(node.records()) for _ in range(3)]


class Read:
    """Hands a body over, and counts."""

    def __init__(self, body):
        self.body, self.times = body, 0

    async def __call__(self):
        self.times += 1
        return self.body


async def test_a_window_is_read_once_and_each_record_leads_to_its_root(bodies):
    windows, read = OpenedWindows(), Read(bodies[0])
    first = await windows.get("a", read)
    root = merkle.root(first.tree[0])
    for index in range(len(first.lines)):
        placed = (await windows.get("a", read)).place(index)
        path = [digests.decode(sibling) for sibling in placed.path]
        assert merkle.root_from_path(digests.decode(placed.digest), index, len(first.lines), path) == root
        assert merkle.leaf_hash(first.lines[index]) == digests.decode(placed.digest)
    assert read.times == 1


async def test_the_window_that_was_asked_for_longest_ago_makes_room(bodies):
    size = open_window(bodies[0]).size_bytes
    windows, reads = OpenedWindows(2 * size + size // 2), [Read(body) for body in bodies]
    for asked in (0, 1, 0, 2, 0, 2, 1):
        await windows.get(str(asked), reads[asked])
    assert [read.times for read in reads] == [1, 2, 1]


async def test_a_window_that_would_take_more_than_half_is_not_kept(bodies):
    windows, read = OpenedWindows(2 * open_window(bodies[0]).size_bytes - 1), Read(bodies[0])
    await windows.get("a", read)
    await windows.get("a", read)
    assert read.times == 2
