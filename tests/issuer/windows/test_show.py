"""``nodes show`` for people: where a node's windows stand, line by line."""

import asyncio
import json

import pytest

from issuer.cli.node_chain import chain_lines
from issuer.command import main
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.soft_tpm_site import send, soft_node
from tests.fakes.window_node import WindowNode, post_window

BARE = {
    "boot_epoch": None,
    "last_window": None,
    "next_sequence": 0,
    "tpm_clock_ms": None,
    "refused": None,
    "accepted_gap": None,
    "flags": [],
}


@pytest.fixture
def shown(monkeypatch, capsys):
    """Run ``nodes show`` beside a running site, and return what it prints."""
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", PUBLIC_URL)

    async def call(site, node_id, *words):
        capsys.readouterr()
        given = ["nodes", "show", node_id, *words, "--database-url", site.settings.database_url]
        assert await asyncio.to_thread(main, given) == 0
        return capsys.readouterr().out

    return call


async def test_epoch_windows_clock_and_flags_stand_each_on_a_line_and_json_stays_whole(site, shown):
    node = await soft_node(site)
    for _ in range(2):
        assert (await send(site, node)).status_code == 201
    whole = await shown(site, "node-70", "--json")
    chain = json.loads(whole[whole.index("{") :])["chain"]
    lines = [line.strip() for line in (await shown(site, "node-70")).splitlines()]
    assert not [line for line in lines if line.startswith("chain: {")]
    assert f"epoch: {chain['boot_epoch']}" in lines
    assert f"last window: {chain['last_window']['sequence']} of epoch {chain['boot_epoch']}" in lines
    assert f"ended: {chain['last_window']['ended']}, received {chain['last_window']['received']}" in lines
    assert f"next window: {chain['next_sequence']}" in lines
    assert f"TPM clock: {chain['tpm_clock_ms'] / 1000:.3f} s at the last quote" in lines
    for flag in chain["flags"]:
        place = f"window {flag['sequence']} of epoch {flag['boot_epoch']}"
        assert f"{place}: {flag['kind']}: {flag['detail']}" in lines
    assert chain["flags"]


async def test_a_window_that_waits_behind_a_gap_is_shown_with_its_problem(site, shown):
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    node.zipped()
    assert (await post_window(site, node.zipped())).status_code == 409
    out = await shown(site, "node-7")
    assert "refused: window 2 of epoch 1, " in out
    assert ": WINDOW_SEQUENCE_GAP" in out


def test_a_node_without_windows_has_a_chain_that_says_so():
    assert [line.strip() for line in chain_lines(BARE)] == [
        "chain:",
        "epoch: -",
        "last window: none yet",
        "next window: 0",
        "flags: none",
    ]


def test_nothing_that_a_node_sent_moves_the_terminals_cursor():
    flag = {"sequence": 1, "boot_epoch": "1.0", "kind": "k", "detail": "\x1b[2J"}
    refused = {"sequence": 1, "boot_epoch": "1", "at": "", "problem": "P", "detail": "\x1b[2J\n"}
    told = "".join(chain_lines(BARE | {"flags": [flag], "refused": refused}))
    assert told.isprintable()
