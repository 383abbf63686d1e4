"""A window that is sent again: by its node, whose answer was lost, or by a stranger, who has its evidence from a credential."""

from schemas import base64url
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import problem
from tests.fakes.soft_tpm_site import SoftEk, send, trust_maker
from tests.fakes.window_node import PLAIN, WindowNode, post_window


async def replay_of(site, answer):
    """Return what a stranger without a key can post: the evidence in a window's public credential, and no record."""
    shown = await site.client.get(answer.json()["credential"].removeprefix(PUBLIC_URL))
    (entry,) = shown.json()["evidence"]
    evidence = base64url.decode(entry["inlineEvidence"])
    if not evidence.startswith(b"{"):
        evidence = b'{"jws":"' + evidence + b'"}'
    return b'{"evidence":' + evidence + b"}\n"


async def test_a_strangers_repeats_leave_the_nodes_next_window_its_nonces(any_site):
    await trust_maker(any_site)
    ek = SoftEk(any_site)
    await ek.enrolled()
    first = await send(any_site, ek.node)
    replay = await replay_of(any_site, first)
    for _ in range(20):
        again = await post_window(any_site, replay, PLAIN)
        assert again.status_code == 200
        # What the node got then, and nothing more.
        assert sorted(again.json()["nonces"]) == sorted(first.json()["nonces"])
    assert len((await send(any_site, ek.node)).json()["nonces"]) == 2


async def test_a_node_whose_answer_was_lost_gets_the_nonces_that_are_unused(any_site):
    node = WindowNode()
    body = node.zipped()
    given = (await post_window(any_site, body)).json()["nonces"]
    assert sorted((await post_window(any_site, body)).json()["nonces"]) == sorted(given)
    later = await post_window(any_site, node.zipped(nonce=given[0], freshness="nonce"))
    assert later.status_code == 201, later.text
    assert (await post_window(any_site, body)).json()["nonces"] == [given[1]]


async def test_repeats_count_for_their_address_and_not_for_the_node(open_site):
    site = await open_site(node_rate_per_minute=4)
    node = WindowNode()
    first = await post_window(site, node.zipped())
    replay = await replay_of(site, first)
    codes = [(await post_window(site, replay, PLAIN)).status_code for _ in range(6)]
    assert codes == [200] * 4 + [429] * 2
    answers = [await post_window(site, node.zipped()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert "address" not in answers[-1].json()["detail"]


async def test_a_window_that_is_read_in_vain_counts_many_times_for_its_node(open_site):
    site = await open_site(node_rate_per_minute=50)
    node, other = WindowNode(), WindowNode(8)
    body = node.body()
    short = body[: body.rindex(b"\n", 0, -1) + 1]
    answers = [await post_window(site, short, PLAIN) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400] * 3 + [429] * 2, answers[0].text
    assert (await post_window(site, other.zipped())).status_code == 201


async def test_a_window_that_is_too_old_counts_once(open_site):
    site = await open_site(node_rate_per_minute=50)
    node = WindowNode()
    node.chain.wall_us -= 9 * 24 * 3_600_000_000
    answers = [await post_window(site, node.zipped()) for _ in range(10)]
    assert {(answer.status_code, problem(answer)) for answer in answers} == {(422, "TOO_OLD")}
