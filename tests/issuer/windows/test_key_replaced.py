"""A window that was taken, its answer lost, and the node's attestation key replaced before it is sent again."""

import dataclasses

from tests.fakes.site import problem
from tests.fakes.soft_tpm_site import SoftEk, request, trust_maker
from tests.fakes.window_node import post_window


def next_window(node):
    records = [{name: value for name, value in one.items() if name != "tenant_id"} for one in node.own_records()]
    return node.window(records=records, header={"nonce": ..., "freshness": "chained"})


async def replaced(site):
    """Return a window and its answer, both from before the node was enrolled with another key; and the node."""
    await trust_maker(site)
    before = SoftEk(site)
    await before.enrolled()
    made = next_window(before.node)
    answer = await post_window(site, request(made))
    assert answer.status_code == 201, answer.text
    after = SoftEk(site, seed=8)
    after.node.__dict__ |= {**before.node.__dict__, "tpm": after.node.tpm}
    await after.enrolled()
    return made, answer.json(), before.node


async def contents(site):
    """Return all that a window's arrival could change."""
    store = site.store()
    async with store._database.read() as connection:
        tables = ("node", "nonce", "credential", "telemetry_window", "inference", "audit_log")
        found = [(await connection.exec_driver_sql(f"SELECT count(*) FROM {name}")).scalar() for name in tables]
        nodes = (await connection.exec_driver_sql("SELECT chain_state, refusal FROM node ORDER BY id")).all()
    await store.close()
    return found, [tuple(row) for row in nodes]


async def test_it_gets_the_answer_that_it_had_and_nothing_is_written(any_site):
    made, first, _ = await replaced(any_site)
    before = await contents(any_site)
    again = await post_window(any_site, request(made))
    assert again.status_code == 200, again.text
    assert again.json() == {"window": first["window"], "credential": first["credential"], "nonces": []}
    assert await contents(any_site) == before


async def test_the_same_window_signed_once_more_by_the_old_key_is_refused(site):
    made, _, node = await replaced(site)
    # ECDSA signs otherwise each time: the window is the same, the evidence another.
    evidence = dataclasses.replace(made.evidence, signature=node.tpm.sign(made.evidence.attest))
    assert evidence != made.evidence
    refused = await post_window(site, request(dataclasses.replace(made, evidence=evidence)))
    assert (refused.status_code, problem(refused)) == (401, "WINDOW_SIGNER_MISMATCH")


async def test_a_window_of_the_old_key_that_was_never_taken_is_refused(site):
    _, _, node = await replaced(site)
    refused = await post_window(site, request(next_window(node)))
    assert (refused.status_code, problem(refused)) == (401, "WINDOW_SIGNER_MISMATCH")


async def test_a_revoked_node_gets_no_answer_again(site):
    made, _, _ = await replaced(site)
    store = site.store()
    await store.nodes.revoke("node-77")
    await store.close()
    refused = await post_window(site, request(made))
    assert refused.status_code in (401, 403)
