"""Windows that are lost for good, on a real site: what waits for them, what an operator's command opens, what is told."""

import asyncio
import json
from datetime import timedelta

import pytest

from issuer.command import main
from issuer.store.errors import ConflictError
from issuer.windows.gap import accept
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import problem
from tests.fakes.soft_tpm_site import send, soft_node
from tests.fakes.window_node import WindowNode, post_window


@pytest.fixture
def command(monkeypatch, capsys):
    """Run green-issuer beside a running site, as its operator does; returns exit code, standard output and error."""
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", PUBLIC_URL)

    async def call(site, *words):
        given = [*words, "--database-url", site.settings.database_url]
        capsys.readouterr()
        code = await asyncio.to_thread(main, given)
        out, err = capsys.readouterr()
        return code, out, err

    return call


async def shown(command, site, node_id="node-7"):
    code, out, err = await command(site, "nodes", "show", node_id, "--json")
    assert code == 0, err
    return json.loads(out[out.index("{") :])["chain"]


async def missing(site, lost=2):
    """Return a node whose window 0 is taken, and of whose next windows ``lost`` are gone."""
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    for _ in range(lost):
        node.zipped()
    return node


async def test_a_window_behind_lost_ones_waits_until_the_operator_accepts_the_gap(any_site, command):
    node = await missing(any_site)
    body = node.zipped()
    waits = await post_window(any_site, body)
    assert (waits.status_code, problem(waits)) == (409, "WINDOW_SEQUENCE_GAP")
    for part in ("windows 1 to 2", "green-issuer nodes accept-gap node-7"):
        assert part in waits.json()["detail"]
    code, out, _ = await command(any_site, "nodes", "accept-gap", "node-7", "--reason", "disk failed", "--json")
    said = json.loads(out[out.index("{") :])
    assert (code, said["first_missing"], said["last_missing"]) == (0, 1, 2)
    assert (await shown(command, any_site))["accepted_gap"]["reason"] == "disk failed"
    assert (await post_window(any_site, body)).status_code == 201
    chain = await shown(command, any_site)
    assert (chain["accepted_gap"], chain["refused"], chain["next_sequence"]) == (None, None, 4)
    (told,) = [flag for flag in chain["flags"] if flag["kind"] == "gap-accepted"]
    for part in ("windows 1 to 2", said["last_window"], "disk failed"):
        assert part in told["detail"]
    assert (await post_window(any_site, node.zipped())).status_code == 201


async def test_the_word_is_in_the_audit_log_and_good_for_one_gap(site, command):
    node = await missing(site)
    body = node.zipped()
    assert (await post_window(site, body)).status_code == 409
    assert (await command(site, "nodes", "accept-gap", "node-7", "--reason", "disk failed"))[0] == 0
    store = site.store()
    (entry,) = await store.log.page(limit=1)
    assert (entry.actor, entry.action, entry.target) == ("cli", "accept-gap", "node-7")
    assert "windows 1 to 2" in entry.detail
    assert "disk failed" in entry.detail
    await store.close()
    assert (await post_window(site, body)).status_code == 201
    node.zipped()
    answer = await post_window(site, node.zipped())
    assert (answer.status_code, problem(answer)) == (409, "WINDOW_SEQUENCE_GAP")


async def test_the_word_is_for_the_windows_that_the_operator_saw_and_no_more(any_site, command):
    node = await missing(any_site)
    assert (await post_window(any_site, node.zipped())).status_code == 409
    assert (await command(any_site, "nodes", "accept-gap", "node-7"))[0] == 0
    # The window that waited is lost too: what follows stands behind a gap that nobody has seen.
    later = node.zipped()
    refused = await post_window(any_site, later)
    assert (refused.status_code, problem(refused)) == (409, "WINDOW_SEQUENCE_GAP")
    assert "ends with window 2" in refused.json()["detail"]
    assert (await command(any_site, "nodes", "accept-gap", "node-7"))[0] == 0
    assert (await post_window(any_site, later)).status_code == 201


async def test_no_gap_is_accepted_before_one_was_seen(site, command):
    assert (await post_window(site, WindowNode().zipped())).status_code == 201
    code, _, err = await command(site, "nodes", "accept-gap", "node-7")
    assert code == 1
    assert "nodes show" in err
    code, _, err = await command(site, "nodes", "accept-gap", "nobody")
    assert (code, "no node" in err) == (1, True)


async def test_a_revoked_node_gets_no_gap_accepted(site):
    node = await missing(site)
    assert (await post_window(site, node.zipped())).status_code == 409
    store = site.store()
    await store.nodes.revoke("node-7")
    with pytest.raises(ConflictError, match="revoked"):
        await store.nodes.accept_gap("node-7", lambda found: accept(found, "", 1), actor="cli", reason="", now_us=1)
    await store.close()


async def test_windows_that_come_after_all_close_the_gap_and_leave_nothing_to_accept(site, command):
    node = WindowNode()
    bodies = [node.zipped() for _ in range(3)]
    assert (await post_window(site, bodies[0])).status_code == 201
    assert (await post_window(site, bodies[2])).status_code == 409
    for body in bodies[1:]:
        assert (await post_window(site, body)).status_code == 201
    assert (await command(site, "nodes", "accept-gap", "node-7"))[0] == 1
    assert not [flag for flag in (await shown(command, site))["flags"] if flag["kind"] == "gap-accepted"]


async def test_a_node_whose_first_windows_are_lost_begins_behind_them(site, command):
    node = WindowNode(start=3)
    node.zipped()
    body = node.zipped()
    assert problem(await post_window(site, body)) == "WINDOW_SEQUENCE_GAP"
    assert (await command(site, "nodes", "accept-gap", "node-7"))[0] == 0
    assert (await post_window(site, body)).status_code == 201
    chain = await shown(command, site)
    assert (chain["next_sequence"], chain["boot_epoch"]) == (2, "3")
    assert "epoch-changed" not in {flag["kind"] for flag in chain["flags"]}


async def test_what_is_older_than_a_week_is_refused_for_good_and_the_rest_goes_on(site, command):
    node = await missing(site, lost=0)
    old = node.zipped()
    site.clock.advance(timedelta(days=8))
    late = await post_window(site, old)
    assert (late.status_code, problem(late)) == (422, "TOO_OLD")
    node.chain.wall_us += 8 * 24 * 3_600_000_000
    body = node.zipped()
    assert problem(await post_window(site, body)) == "WINDOW_SEQUENCE_GAP"
    assert (await command(site, "nodes", "accept-gap", "node-7"))[0] == 0
    # What is refused meanwhile uses nothing up.
    assert (await post_window(site, old)).status_code == 422
    assert (await post_window(site, body)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"sequence": 0, "previous": ...}, "WINDOW_FORK"),
        ({"start_us": "before", "duration_us": 30_000_000}, "WINDOW_OVERLAP"),
        ({"boot": {"start": 0}}, "CLOCK_ROLLBACK"),
        ({"nonce": "A" * 43, "freshness": "nonce"}, "NONCE_REFUSED"),
    ],
)
async def test_an_accepted_gap_opens_nothing_else(site, command, changes, name):
    node = await missing(site)
    first_end_us, chain = node.chain.wall_us - 20_000_000, {**node.chain.__dict__}
    assert (await post_window(site, node.zipped())).status_code == 409
    node.chain.__dict__ |= chain
    assert (await command(site, "nodes", "accept-gap", "node-7"))[0] == 0
    if changes.get("start_us") == "before":
        changes = changes | {"start_us": first_end_us - 1, "end_us": first_end_us + 29_999_999}
    records = [] if "start_us" in changes else None
    more = {} if records is None else {"accelerator_active_mj": 0}
    answer = await post_window(site, node.zipped(records, **(changes | more)))
    assert problem(answer) == name, answer.text


async def test_a_tpms_chain_goes_on_behind_lost_windows_from_its_quote(site, command):
    node = await soft_node(site)
    assert (await send(site, node)).status_code == 201
    for _ in range(2):
        node.window()
    lost = {**node.__dict__}
    waits = await send(site, node)
    assert problem(waits) == "WINDOW_SEQUENCE_GAP"
    node.__dict__ |= lost
    assert (await command(site, "nodes", "accept-gap", "node-70"))[0] == 0
    assert (await send(site, node)).status_code == 201
    # From there on the register shows again that nothing is hidden.
    assert (await send(site, node)).status_code == 201
    node.pcrs = {**node.pcrs, 15: b"x" * 32}
    assert problem(await send(site, node)) == "WINDOW_FORK"


async def test_a_software_key_signs_nothing_behind_the_gap_of_a_tpms_node(site, command):
    node = await soft_node(site)
    assert (await send(site, node)).status_code == 201
    node.window()
    assert problem(await send(site, node)) == "WINDOW_SEQUENCE_GAP"
    assert (await command(site, "nodes", "accept-gap", "node-70"))[0] == 0
    software = WindowNode(70)
    software.chain.sequence, software.chain.previous = 2, node.previous
    assert problem(await post_window(site, software.zipped())) == "WINDOW_SIGNER_MISMATCH"
