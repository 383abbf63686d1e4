"""A boot event that comes with a window, over HTTP: what opens an epoch, and what only says so."""

from __future__ import annotations

import gzip
import json

import pytest

from schemas import base64url, digests
from tests.fakes.site import problem
from tests.fakes.soft_tpm import SoftTpm, canonical
from tests.fakes.soft_tpm_site import soft_node
from tests.fakes.window_attacks import sent
from tests.fakes.window_node import PLAIN, WindowNode, post_window


def event(node, opening, **changes):
    """A boot event by ``node`` after its last window."""
    attest, signature = opening
    quote = {
        "attest": base64url.encode(attest),
        "signature": base64url.encode(signature),
        "pcrs": {"sha256": {str(index): base64url.encode(value) for index, value in node.pcrs.items()}},
        "previous": node.previous,
    }
    return {"v": 1, "node_id": node.node_id, "ak": node.tpm.ak, "opening": quote} | changes


async def post(site, window, boot_event=None):
    line = {"evidence": json.loads(window.evidence)} | ({} if boot_event is None else {"boot_event": boot_event})
    return await post_window(site, gzip.compress(canonical(line) + b"\n" + window.records, 1, mtime=0))


@pytest.fixture
async def node(site):
    """A node that has sent one window, and was then started anew."""
    made = await soft_node(site)
    assert (await post(site, sent(made))).status_code == 201
    made.reboot()
    return made


async def flags(site):
    store = site.store()
    last = await store.windows.last("node-70")
    await store.close()
    return [flag["kind"] for flag in json.loads(last.flags)]


async def test_a_start_of_the_machine_is_declared_and_told(site, node):
    opened = event(node, node.quote_opening())
    assert (await post(site, sent(node), opened)).status_code == 201
    assert await flags(site) == ["epoch-changed", "chained"]
    assert (await post(site, sent(node))).status_code == 201
    assert await flags(site) == ["chained"]


async def test_a_start_that_is_not_declared_is_refused(site, node):
    answer = await post(site, sent(node))
    assert (answer.status_code, problem(answer)) == (409, "BOOT_EPOCH_UNDECLARED")


def _of_another_window(node):
    node.previous, last = digests.digest(b"another window"), node.previous
    told = event(node, node.quote_opening())
    node.previous = last
    return told


def _of_a_hidden_window(node):
    told = event(node, node.quote_opening())
    place, last = node.sequence, node.previous
    sent(node)
    node.sequence, node.previous = place, last
    return told


def _with_its_register_changed(node):
    told = event(node, node.quote_opening())
    told["opening"]["pcrs"]["sha256"]["15"] = base64url.encode(bytes(32))
    return told


def _by_another_key(node):
    attest, _ = node.quote_opening()
    return event(node, (attest, SoftTpm(seed=8).sign(attest)))


@pytest.mark.parametrize(
    ("lie", "status", "name"),
    [
        (lambda node: event(node, node.quote_opening(), node_id="node-7"), 409, "CHAIN_OF_ANOTHER_NODE"),
        (lambda node: event(node, node.quote_opening(), ak=SoftTpm(seed=8).ak), 409, "CHAIN_OF_ANOTHER_NODE"),
        (_by_another_key, 401, "QUOTE_SIGNATURE_INVALID"),
        (_of_another_window, 409, "WINDOW_FORK"),
        (_of_a_hidden_window, 409, "WINDOW_FORK"),
        (_with_its_register_changed, 401, "PCR_DIGEST_MISMATCH"),
        (lambda node: event(node, node.quote_opening(nonce=bytes(32))), 401, "QUALIFYING_DATA_MISMATCH"),
        (lambda node: event(node, node.quote_opening(attested={"reset": 0})), 409, "CLOCK_ROLLBACK"),
        (lambda node: event(node, node.quote_opening(attested={"clock_ms": 1})), 409, "CLOCK_ROLLBACK"),
        (lambda node: event(node, node.quote_opening(attested={"kind": 0x8019})), 401, "NOT_A_QUOTE"),
        (lambda node: event(node, node.quote_opening(), v=2), 400, "SCHEMA_INVALID"),
        (lambda node: event(node, node.quote_opening()) | {"more": 1}, 400, "SCHEMA_INVALID"),
    ],
)
async def test_a_boot_event_that_does_not_hold_is_refused_by_name(site, node, lie, status, name):
    before = {**node.__dict__}
    told = lie(node)
    answer = await post(site, sent(node), told)
    assert (answer.status_code, problem(answer)) == (status, name), answer.text
    node.__dict__ |= before | {"clock_ms": node.clock_ms}
    true = event(node, node.quote_opening())
    assert (await post(site, sent(node), true)).status_code == 201


async def test_a_boot_event_is_not_taken_again(site, node):
    told = event(node, node.quote_opening())
    assert (await post(site, sent(node), told)).status_code == 201
    answer = await post(site, sent(node), told)
    assert (answer.status_code, problem(answer)) == (409, "WINDOW_FORK")


async def test_a_software_key_has_no_boot_events(site):
    software = WindowNode()
    first, _, rest = software.body().partition(b"\n")
    line = json.loads(first) | {"boot_event": event(await soft_node(site), (b"x", b"x")) | {"node_id": "node-7"}}
    answer = await post_window(site, canonical(line) + b"\n" + rest, PLAIN)
    assert (answer.status_code, problem(answer)) == (400, "SCHEMA_INVALID")
