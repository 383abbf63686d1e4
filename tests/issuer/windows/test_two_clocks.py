"""What the issuer makes of a TPM's clock and the node's, and of a nonce that came after the fact."""

from datetime import timedelta

from schemas import times
from tests.fakes.site import problem
from tests.fakes.soft_tpm_site import send, soft_node
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_gap import command, shown  # noqa: F401


def now_us(site):
    return times.to_microseconds(site.clock.now())


async def in_time(site):
    """Return a node with a TPM whose first window came as soon as it was over."""
    node = await soft_node(site)
    site.clock.advance(timedelta(microseconds=node.wall_us + 10_000_000 - now_us(site)))
    assert (await send(site, node)).status_code == 201
    return node


def leap(site, node):
    """Let an hour go by on the issuer's and the node's clock, and ten seconds on the TPM's."""
    site.clock.advance(timedelta(hours=1, seconds=10))
    node.wall_us += 3_600_000_000


async def test_two_windows_quoted_late_after_a_boot_and_a_short_one_are_taken(site):
    node = await soft_node(site)
    site.clock.advance(timedelta(microseconds=node.wall_us + 60_000_000 - now_us(site)))
    for late_ms in (14_000, 4_030, 20):
        clock_ms, node.clock_ms = node.clock_ms, node.clock_ms + late_ms
        answer = await send(site, node)
        assert answer.status_code == 201, answer.text
        node.clock_ms = clock_ms + 10_000


async def test_a_window_that_was_quoted_before_it_was_over_waits_for_the_operators_word(
    any_site,
    command,  # noqa: F811
):
    node = await in_time(any_site)
    leap(any_site, node)
    before = {**node.__dict__}
    refused = await send(any_site, node)
    assert (refused.status_code, problem(refused)) == (409, "CLOCK_DRIFT")
    assert "green-issuer nodes accept-gap node-70" in refused.json()["detail"]
    code, out, _ = await command(any_site, "nodes", "accept-gap", "node-70", "--reason", "our clock was wrong")
    assert code == 0
    assert "Window 1 of node-70" in out
    node.__dict__ |= before
    answer = await send(any_site, node)
    assert answer.status_code == 201, answer.text
    chain = await shown(command, any_site, "node-70")
    (told,) = [flag["detail"] for flag in chain["flags"] if flag["kind"] == "gap-accepted"]
    assert "quoted before it was over" in told
    assert "our clock was wrong" in told
    # Once: the next leap is another.
    leap(any_site, node)
    assert problem(await send(any_site, node)) == "CLOCK_DRIFT"


async def test_the_word_for_one_window_is_not_good_for_another_in_its_place(any_site, command):  # noqa: F811
    node = await in_time(any_site)
    leap(any_site, node)
    before = {**node.__dict__}
    assert problem(await send(any_site, node)) == "CLOCK_DRIFT"
    assert (await command(any_site, "nodes", "accept-gap", "node-70", "--reason", "an hour"))[0] == 0
    any_site.clock.advance(timedelta(days=6))
    node.__dict__ |= before | {"wall_us": before["wall_us"] + 6 * 86_400_000_000}
    assert problem(await send(any_site, node)) == "CLOCK_DRIFT"
    # The one that the operator saw is still taken.
    node.__dict__ |= before
    answer = await send(any_site, node)
    assert answer.status_code == 201, answer.text


async def test_the_word_for_a_clock_opens_no_gap(site, command):  # noqa: F811
    node = await in_time(site)
    leap(site, node)
    assert problem(await send(site, node)) == "CLOCK_DRIFT"
    assert (await command(site, "nodes", "accept-gap", "node-70"))[0] == 0
    node.window()
    assert problem(await send(site, node)) == "WINDOW_SEQUENCE_GAP"


async def test_a_window_dated_back_with_a_fresh_nonce_is_told(any_site, command):  # noqa: F811
    node = WindowNode()
    end_us = node.chain.wall_us + 10_000_000
    any_site.clock.advance(timedelta(microseconds=end_us - now_us(any_site)) + timedelta(days=1))
    given = (await post_window(any_site, node.zipped())).json()["nonces"]
    body = node.zipped(nonce=given[0], freshness="nonce")
    answer = await post_window(any_site, body)
    assert answer.status_code == 201, answer.text
    chain = await shown(command, any_site)
    (told,) = [flag for flag in chain["flags"] if flag["kind"] == "nonce-after-end"]
    assert (told["sequence"], "shows nothing of when it was made" in told["detail"]) == (1, True)


async def test_a_nonce_from_before_the_windows_end_is_not_told_however_late_it_arrives(site, command):  # noqa: F811
    node = WindowNode()
    end_us = node.chain.wall_us + 10_000_000
    site.clock.advance(timedelta(microseconds=end_us - now_us(site)))
    given = (await post_window(site, node.zipped())).json()["nonces"]
    site.clock.advance(timedelta(days=3))
    assert (await post_window(site, node.zipped(nonce=given[0], freshness="nonce"))).status_code == 201
    kinds = {flag["kind"] for flag in (await shown(command, site))["flags"]}
    assert "nonce-after-end" not in kinds
