"""Missing numbers, another epoch, an unsafe clock: told in the credential, in a stranger's report, in nodes show."""

import json
from datetime import timedelta

import verifier.document
from issuer.windows.gap import accept
from issuer.windows.view import chain_view
from schemas import base64url
from schemas.cmw import parse_evidence
from schemas.opening_quote import BootEvent, build_boot_event, opening_of
from schemas.tpm.attest import parse_attest
from tests.fakes.issuer import PUBLIC_URL, engines
from tests.fakes.soft_tpm_site import SoftEk, send, trust_maker
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_verified import gathered
from verifier.policy import Policy
from verifier.verify import verify_credential, verify_window


async def credential_of(site, answer):
    assert answer.status_code == 201, answer.text
    return (await site.client.get(answer.json()["credential"].removeprefix(PUBLIC_URL))).content


def subject_of(raw):
    return json.loads(raw)["credentialSubject"]


async def report_on(site, later, earlier=None):
    """Return a stranger's report on a window, held against one before it where there is one."""
    documents = [verifier.document.parse(raw) for raw in (later, earlier) if raw is not None]
    evidence = await gathered(site, documents[0])
    now = site.clock.now() + timedelta(seconds=1)
    if earlier is None:
        return verify_credential(documents[0], evidence, Policy(), now, engines=engines())
    evidence = evidence.joined(await gathered(site, documents[1]))
    return verify_window(*documents, evidence, Policy(), now, engines=engines())


def warned(report):
    return {finding.problem: finding.detail for finding in report.warnings}


async def shown(site, node_id="node-7"):
    """Return what nodes show says of a node's windows, by kind."""
    store = site.store()
    node = await store.nodes.get(node_id)
    view = chain_view(node, await store.windows.last(node_id), await store.windows.flags(node_id))
    await store.close()
    return {flag["kind"]: flag for flag in view["flags"]}


async def accepted(site, node_id="node-7"):
    store = site.store()
    await store.nodes.accept_gap(
        node_id, lambda node: accept(node, "the disk failed", 1), actor="cli", reason="", now_us=1
    )
    await store.close()


async def test_missing_numbers_are_told(any_site):
    node = WindowNode()
    before = await credential_of(any_site, await post_window(any_site, node.zipped()))
    for _ in range(2):
        node.zipped()
    last, body = node.chain.previous, node.zipped()
    assert (await post_window(any_site, body)).status_code == 409
    await accepted(any_site)
    raw = await credential_of(any_site, await post_window(any_site, body))
    subject = subject_of(raw)
    assert (subject["windowSequence"], subject["previousWindowDigest"]) == ("3", last)
    report = await report_on(any_site, raw, before)
    assert report.outcome == "verified", report.detail
    told = warned(report)["WINDOWS_MISSING"]
    for part in ("windows 1 to 2", subject_of(before)["windowDigest"], last):
        assert part in told
    assert {"TIME_GAP", "ENERGY_GAP"} <= warned(report).keys()
    flag = (await shown(any_site))["gap-accepted"]
    assert (flag["sequence"], "windows 1 to 2" in flag["detail"]) == (3, True)
    for part in (subject_of(before)["windowDigest"], last, "the disk failed"):
        assert part in flag["detail"]


async def test_another_epoch_of_a_software_key_is_told(any_site):
    node = WindowNode(start=3)
    before = await credential_of(any_site, await post_window(any_site, node.zipped()))
    node.start = 4
    raw = await credential_of(any_site, await post_window(any_site, node.zipped()))
    assert [subject_of(one)["bootEpoch"] for one in (before, raw)] == ["3", "4"]
    assert "from 3 to 4" in warned(await report_on(any_site, raw, before))["EPOCH_CHANGED"]
    assert "from 3 to 4" in (await shown(any_site))["epoch-changed"]["detail"]


def boot_event(node):
    """Return the opening after a boot, as the agent sends it with the epoch's first window."""
    raw, signature = node.quote_opening()
    quote = opening_of(raw, signature, node.pcrs, previous=node.previous)
    return build_boot_event(BootEvent(v=1, node_id=node.node_id, ak=node.tpm.ak, opening=quote))


async def enrolled(site):
    """Return a node whose TPM is software, enrolled as any TPM is."""
    await trust_maker(site)
    ek = SoftEk(site)
    await ek.enrolled()
    return ek.node


def quoted(raw):
    """Return what the quote in a window's credential says of the TPM's clock."""
    (entry,) = json.loads(raw)["evidence"]
    return parse_attest(parse_evidence(base64url.decode(entry["inlineEvidence"])).attest).clock_info


async def test_another_epoch_of_a_tpm_is_told(any_site):
    node = await enrolled(any_site)
    before = await credential_of(any_site, await send(any_site, node))
    node.reboot()
    answer = await send(any_site, node, boot_event=boot_event(node))
    raw = await credential_of(any_site, answer)
    assert [subject_of(one)["bootEpoch"] for one in (before, raw)] == ["1.0", "2.0"]
    report = await report_on(any_site, raw, before)
    assert report.outcome == "verified", report.detail
    assert "from 1.0 to 2.0" in warned(report)["EPOCH_CHANGED"]
    assert "from 1.0 to 2.0" in (await shown(any_site, "node-77"))["epoch-changed"]["detail"]


async def test_an_unsafe_clock_is_told_by_one_window_alone(any_site):
    node = await enrolled(any_site)
    safe = await credential_of(any_site, await send(any_site, node))
    raw = await credential_of(any_site, await send(any_site, node, attested={"safe": 0}))
    assert [quoted(one).safe for one in (safe, raw)] == [True, False]
    reports = [await report_on(any_site, one) for one in (safe, raw)]
    assert [report.outcome for report in reports] == ["verified", "verified"]
    assert ["CLOCK_UNSAFE" in warned(report) for report in reports] == [False, True]
    assert (await shown(any_site, "node-77"))["clock-unsafe"]["sequence"] == 1


async def test_missing_numbers_of_a_tpm_are_told_with_the_boot_in_between(any_site):
    node = await enrolled(any_site)
    before = await credential_of(any_site, await send(any_site, node))
    node.reboot()
    node.window()
    lost = {**node.__dict__}
    assert (await send(any_site, node)).status_code == 409
    node.__dict__ |= lost
    await accepted(any_site, "node-77")
    raw = await credential_of(any_site, await send(any_site, node))
    report = await report_on(any_site, raw, before)
    assert report.outcome == "verified", report.detail
    assert "window 1 is" in warned(report)["WINDOWS_MISSING"]
    told = await shown(any_site, "node-77")
    assert "window 1 never came" in told["gap-accepted"]["detail"]
    assert "from 1.0 to 2.0" in told["epoch-changed"]["detail"]


async def test_an_unsafe_clock_that_opening_and_window_tell_is_told_once(any_site):
    node = await enrolled(any_site)
    await credential_of(any_site, await send(any_site, node))
    node.reboot()
    raw, signature = node.quote_opening(attested={"safe": 0})
    quote = opening_of(raw, signature, node.pcrs, previous=node.previous)
    event = build_boot_event(BootEvent(v=1, node_id=node.node_id, ak=node.tpm.ak, opening=quote))
    await credential_of(any_site, await send(any_site, node, boot_event=event, attested={"safe": 0}))

    store = any_site.store()
    view = chain_view(await store.nodes.get("node-77"), None, await store.windows.flags("node-77"))
    await store.close()
    kinds = [flag["kind"] for flag in view["flags"]]
    assert kinds.count("clock-unsafe") == 1
    assert len({(flag["kind"], flag["detail"], flag["sequence"]) for flag in view["flags"]}) == len(kinds)
