"""What one node, or a stranger, may have in work: a place or two, and others get on."""

import asyncio
import itertools
import threading
from types import SimpleNamespace

import httpx
import pytest

from issuer.store.window_models import RECEIPT
from issuer.windows import intake, opened, plan
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import bearer, problem
from tests.fakes.window_node import WindowNode, post_window


class Held:
    """Stands before a function that a thread runs: those for whom ``holds`` wait there until they are released."""

    def __init__(self, monkeypatch, module, name, holds):
        self.begun, self.most, self.running = 0, 0, 0
        self.entered, self.released = threading.Semaphore(0), threading.Event()
        inner, lock = getattr(module, name), threading.Lock()

        def outer(*given):
            if not holds(*given):
                return inner(*given)
            with lock:
                self.begun += 1
                self.running += 1
                self.most = max(self.most, self.running)
            self.entered.release()
            assert self.released.wait(20)
            with lock:
                self.running -= 1
            return inner(*given)

        monkeypatch.setattr(module, name, outer)


@pytest.fixture
def held(monkeypatch):
    made = []

    def hold(*given):
        made.append(Held(monkeypatch, *given))
        return made[-1]

    yield hold
    for one in made:
        one.released.set()


@pytest.fixture
def nothing_kept(monkeypatch):
    """No window is kept open, so each reading shows."""
    monkeypatch.setattr(opened.OpenedWindows, "_keep", lambda *_: None)


def beside(site, call, *given):
    """Begin a call in the service's own loop, beside others (the site's client has one at a time); return its task."""

    async def run():
        transport = httpx.ASGITransport(app=site.service)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            return await call(SimpleNamespace(client=client), *given)

    return asyncio.wrap_future(site.client.blocking_portal.start_task_soon(run))


async def fetched(site, path):
    return await site.client.get(path, headers=bearer("acme", "read"))


async def test_one_nodes_windows_are_read_one_at_a_time_and_anothers_beside_them(site, held):
    node, other = WindowNode(), WindowNode(8)
    hold = held(intake, "make", lambda signed, *_: signed.node.id == "node-7")
    sent = [beside(site, post_window, node.zipped()) for _ in range(8)]
    assert await asyncio.to_thread(hold.entered.acquire, timeout=10)
    for _ in range(3):
        assert (await post_window(site, other.zipped())).status_code == 201
    # One is read, three wait for it, the others were turned away at once.
    async with asyncio.timeout(15):
        refused = [await answer for answer in itertools.islice(asyncio.as_completed(sent), 4)]
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(503, "2")}
    assert hold.begun == 1
    hold.released.set()
    await asyncio.gather(*sent)
    assert hold.most == 1


async def single(site):
    """Return where the receipt of a record with a credential of its own stands, and the receipt."""
    node = WindowNode()
    records = node.records()
    assert (await post_window(site, node.zipped(records))).status_code == 201
    issued = await site.get(f"/api/v1/certificate/{records[0]['inference_id']}/vc")
    assert issued.status_code == 200, issued.text
    receipt = await site.get(f"/api/v1/receipt/{records[0]['inference_id']}")
    (entry,) = issued.json()["evidence"]
    folder = entry["id"].removeprefix(PUBLIC_URL).rpartition("/")[0]
    return f"{folder}/{entry['recordDigest']}", receipt.content


async def test_a_public_receipt_is_read_and_not_made(any_site, held, nothing_kept):
    path, receipt = await single(any_site)
    hold = held(opened, "open_window", lambda *_: True)
    answer = await any_site.client.get(path)
    assert (answer.status_code, answer.content, hold.begun) == (200, receipt, 0)


async def test_a_receipt_from_before_they_were_kept_is_made_once_however_many_ask(any_site, held, nothing_kept):
    path, receipt = await single(any_site)
    leaf = path.rpartition("/")[2]
    await only_placed(any_site, leaf)
    hold = held(opened, "open_window", lambda *_: True)
    asked = [beside(any_site, fetched, f"/evidence/{leaf}") for _ in range(6)]
    assert await asyncio.to_thread(hold.entered.acquire, timeout=10)
    hold.released.set()
    answers = await asyncio.gather(*asked)
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, receipt)}
    assert hold.begun == 1


async def test_a_tenants_receipts_are_made_one_at_a_time(site, held, nothing_kept):
    node = WindowNode()
    records = node.records()
    assert (await post_window(site, node.zipped(records))).status_code == 201
    hold = held(opened, "open_window", lambda *_: True)
    path = f"/api/v1/receipt/{records[0]['inference_id']}"
    asked = [beside(site, fetched, path) for _ in range(4)]
    assert await asyncio.to_thread(hold.entered.acquire, timeout=10)
    assert not await asyncio.to_thread(hold.entered.acquire, timeout=0.5)
    hold.released.set()
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert (hold.begun, hold.most) == (4, 1)


async def only_placed(site, leaf):
    """Write down where a record stands, as an earlier version did that kept no receipts."""
    store = site.store()
    async with store._database.write() as connection:
        await connection.execute(RECEIPT.insert().values(record_digest=leaf, window_id=1, idx=0))
    await store.close()


_OTHER_ENERGIES = (
    "accelerator_idle_mj",
    "accelerator_loaded_idle_mj",
    "estimated_mj",
    "host_cpu_mj",
    "host_dram_mj",
    "host_other_mj",
    "network_mj",
)


async def test_a_window_of_more_models_than_are_taken_is_refused_by_name(site):
    for count, status in ((plan.MAX_SHARES + 1, 413), (plan.MAX_SHARES, 201)):
        node = WindowNode()
        # Small ones: all of them together are what one window may have used.
        small = node.records(count, accelerator_active_mj=1, **dict.fromkeys(_OTHER_ENERGIES, 0))
        records = [one | {"model_id": f"model-{number}"} for number, one in enumerate(small)]
        answer = await post_window(site, node.zipped(records))
        assert answer.status_code == status, answer.text
        if status == 413:
            assert problem(answer) == "RESOURCE_LIMIT"
            assert "1001 models and tenants together; at most 1000" in answer.json()["detail"]
