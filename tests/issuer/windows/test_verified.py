"""What the issuer makes of a window, judged by the verifier with everything that the issuer publishes, and nothing else."""

import asyncio
from datetime import timedelta

import verifier.document
from schemas import times
from tests.fakes import site as sites
from tests.fakes.issuer import PUBLIC_URL, engines
from tests.fakes.tpm_site import token_for, tpm_node, trust
from tests.fakes.window_node import WindowNode, post_window
from verifier.evidence import Evidence, Fetched
from verifier.gather import missing
from verifier.policy import Policy
from verifier.verify import verify_credential

STRICT = Policy(require_evidence=True)


async def gathered(site, document):
    """Return what a stranger gets of everything that the document needs."""
    evidence = Evidence()
    for need in missing(document, evidence):
        answer = await site.client.get(need.url.removeprefix(PUBLIC_URL))
        assert answer.status_code == 200, need
        assert answer.headers["content-type"].partition(";")[0] in need.accept, need
        fetched = Fetched(
            url=need.url, origin="network", body=answer.content, retrieved_at=times.render_seconds(site.clock.now())
        )
        evidence = evidence.joined(Evidence(**{need.part: {need.name: fetched}}))
    return evidence


async def verdict(site, raw):
    document = verifier.document.parse(raw)
    evidence = await gathered(site, document)
    now = site.clock.now() + timedelta(seconds=1)
    return verify_credential(document, evidence, STRICT, now, engines=engines())


async def documents(site, answer, name):
    window = await site.client.get(answer.json()["credential"].removeprefix(PUBLIC_URL))
    single = await site.get(f"/api/v1/certificate/{name}/vc")
    assert (window.status_code, single.status_code) == (200, 200), single.text
    return window.content, single.content


async def test_a_stranger_verifies_the_window_and_each_inference_of_it(any_site):
    store = any_site.store()
    await store.nodes.set_pue("node-7", "1.2", "reported", "operator, 2025")
    await store.close()
    node = WindowNode()
    answer = await post_window(any_site, node.zipped(node.records(5)))
    for raw in await documents(any_site, answer, "inference-3"):
        report = await verdict(any_site, raw)
        assert report.outcome == "verified", [str(check) for check in report.checks]


async def test_a_stranger_verifies_what_a_tpm_quoted(any_site, swtpm, manufactured, tmp_path):
    await trust(any_site, manufactured)
    node = tpm_node(swtpm.uri, tmp_path / "home")
    await node.enrol(any_site, await token_for(any_site))
    answer = await post_window(any_site, await asyncio.to_thread(node.body, nonce=node.nonces[0]))
    assert answer.status_code == 201, answer.text
    for raw in await documents(any_site, answer, "inference-1"):
        report = await verdict(any_site, raw)
        assert report.outcome == "verified", [str(check) for check in report.checks]


async def test_two_services_make_one_credential_of_an_inference(any_site):
    node = WindowNode()
    assert (await post_window(any_site, node.zipped(node.records(3)))).status_code == 201
    other = sites.build(any_site.settings)
    async with other.client:
        asked = await asyncio.gather(
            *(site.get("/api/v1/certificate/inference-2/vc") for site in (any_site, other) * 6)
        )
    assert {one.status_code for one in asked} == {200}, asked[0].text
    assert len({one.content for one in asked}) == 1
    listed = (await any_site.get("/api/v1/certificates")).json()["items"]
    assert len([one for one in listed if one["inference_id"] == "inference-2"]) == 1


async def test_two_services_take_a_window_once(any_site):
    node = WindowNode()
    body = node.zipped()
    other = sites.build(any_site.settings)
    async with other.client:
        answers = await asyncio.gather(*(post_window(site, body) for site in (any_site, other) * 4))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [201], answers[0].text
    assert len({one.json()["credential"] for one in answers}) == 1
