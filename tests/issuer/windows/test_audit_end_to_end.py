"""A node's windows from its TPM over the issuer into a bundle, which anybody checks without a network."""

import asyncio
import zipfile
from datetime import timedelta

import pytest

from schemas import digests
from tests.fakes import tpm_maker
from tests.fakes.audit_site import packed
from tests.fakes.issuer import DID
from tests.fakes.site import problem
from tests.fakes.tpm_site import token_for, tpm_node, trust
from tests.fakes.window_node import post_window
from tests.verifier.bundles import audited, rezipped
from tests.verifier.endorsement.bundles import blocks
from verifier.audit_bundle import open_bundle, write_bundle
from verifier.endorsement.certificate import parse_certificate
from verifier.policy import Policy
from verifier.report import Outcome


async def taken(site, node, **options):
    answer = await post_window(site, await asyncio.to_thread(node.body, **options))
    assert answer.status_code == 201, answer.text
    site.clock.advance(timedelta(seconds=1))


async def four_windows(site, swtpm, manufactured, folder):
    """Enrol, and take a window with a nonce, a chained one, and after a reboot two more."""
    await trust(site, manufactured)
    node = tpm_node(swtpm.uri, folder / "home")
    await node.enrol(site, await token_for(site))
    await taken(site, node, nonce=node.nonces[0])
    await taken(site, node)
    swtpm.restart()
    await taken(site, node, boot_event=await asyncio.to_thread(node.boot_event))
    await taken(site, node, nonce=node.nonces[1])
    return node


def policy(manufactured):
    """Trust the issuer, and the emulator's root for what it is."""
    read = [parse_certificate(raw) for path in (manufactured.parent / "ca").glob("*cert.pem") for raw in blocks(path)]
    (root,) = [one.fingerprint for one in read if one.self_issued]
    return Policy(trust_evidence=True, trusted_issuers=(DID,), tpm_roots={root: "emulated"})


@pytest.fixture
async def bundle(site, swtpm, manufactured, tmp_path):
    await four_windows(site, swtpm, manufactured, tmp_path)
    return await packed(site, tmp_path / "bundle.zip", "node-77")


@pytest.fixture
def verdict(site, manufactured):
    now = site.clock.now() + timedelta(hours=1)
    return lambda path, **changes: audited(path, policy=changes.get("policy", policy(manufactured)), now=now)


def names(report):
    return {one.problem for one in report.findings} - {"EVIDENCE_FROM_FOLDER"}


async def test_windows_of_a_tpm_with_a_reboot_are_packed_and_verified_offline(
    any_site, swtpm, manufactured, tmp_path, contacts_nobody
):
    await four_windows(any_site, swtpm, manufactured, tmp_path)
    path = await packed(any_site, tmp_path / "bundle.zip", "node-77")
    with contacts_nobody():
        report = audited(path, policy=policy(manufactured), now=any_site.clock.now() + timedelta(days=3650))
    assert report.outcome is Outcome.VERIFIED, report.findings
    # The emulator was killed, not shut down; ten years later, the status lists in the bundle are old.
    assert names(report) == {"EPOCH_CHANGED", "CLOCK_UNSAFE", "STALE_STATUS"}
    assert "no opening" not in str(report.findings)
    (node,) = report.nodes
    assert (node.windows, node.missing_windows, node.records) == (4, 0, 8)
    assert node.assurances == ("tpm-emulated",)
    with open_bundle(path) as opened:
        kinds = [entry.kind for entry in opened.manifest.files]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "did-document": 1,
        "status-list": 2,
        "enrolment": 1,
        "boot-event": 1,
        "ek-certificate": 3,
        "nonce-log": 1,
        "evidence": 4,
        "window": 4,
        "records": 4,
    }


@pytest.mark.parametrize(
    "kind",
    [
        "window",
        "records",
        "evidence",
        "enrolment",
        "boot-event",
        "ek-certificate",
        "nonce-log",
        "did-document",
        "status-list",
    ],
)
async def test_a_changed_byte_is_named_with_its_file(bundle, tmp_path, verdict, kind):
    changed = []

    def damage(name, raw):
        if name.startswith(f"{kind}-") and not changed:
            changed.append(name)
            return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]
        return raw

    report = verdict(rezipped(bundle, tmp_path / "b.zip", damage))
    assert report.files.damaged == tuple(changed), report.findings
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "BUNDLE_DAMAGED")


def repacked(path, target, change):
    """Return the bundle made again, its manifest too, of files that ``change(entry, raw)`` has edited; None drops one."""
    from verifier.audit_bundle import entry_of

    files = {}
    with open_bundle(path) as opened:
        created = opened.manifest.created
        for entry in opened.manifest.files:
            raw = change(entry, opened.read(entry))
            if raw is not None:
                files[entry_of(entry.kind, raw, of=entry.of)] = raw
    write_bundle(target, files, created=created)
    return target


FORGED = {
    "window": ({"PROOF_VERIFICATION_ERROR"}, b'"recordCount":"2"', b'"recordCount":"3"'),
    "records": ({"EVIDENCE_MISMATCH"}, b'"requests":1', b'"requests":2'),
    "nonce-log": ({"NONCE_REFUSED"}, b'"used_by":"uEi', b'"used_by":"uEa'),
    "boot-event": ({"PCR_DIGEST_MISMATCH"}, b'"0":"A', b'"0":"B'),
}


@pytest.mark.parametrize("kind", FORGED)
async def test_a_forged_file_that_the_manifest_lists_is_refused_by_what_it_says(bundle, tmp_path, verdict, kind):
    expected, old, new = FORGED[kind]
    forged = []

    def forge(entry, raw):
        if entry.kind == kind and not forged and old in raw:
            forged.append(entry.name)
            return raw.replace(old, new, 1)
        return raw

    report = verdict(repacked(bundle, tmp_path / "b.zip", forge))
    assert forged
    assert (report.outcome, {report.problem} <= expected) == (Outcome.REFUSED, True), report.findings


async def test_a_window_that_is_left_out_is_told_as_a_gap(bundle, tmp_path, verdict):
    left_out = []

    def leave_out(entry, raw):
        if entry.kind == "window" and b'"windowSequence":"1"' in raw.replace(b" ", b""):
            left_out.append(entry.name)
            return None
        return raw

    report = verdict(repacked(bundle, tmp_path / "b.zip", leave_out))
    assert left_out
    assert "WINDOWS_MISSING" in names(report), (report.findings, report.windows)
    assert report.nodes[0].missing_windows == 1, report.findings


async def test_certificates_of_another_tpm_are_refused(bundle, tmp_path, verdict):
    root = tpm_maker.authority("Another maker")
    foreign = [tpm_maker.ek_certificate(root, tpm_maker.private_key("p256", "ek").public_key()), root.raw]

    def swap(entry, raw):
        return foreign.pop() if entry.kind == "ek-certificate" and foreign else raw

    report = verdict(repacked(bundle, tmp_path / "b.zip", swap))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")
    assert "no enrolment names" in str(report.detail)


async def test_an_emulators_root_that_the_auditor_does_not_know_is_pointed_out(bundle, verdict):
    report = verdict(bundle, policy=Policy(trust_evidence=True, trusted_issuers=(DID,)))
    assert report.outcome is Outcome.VERIFIED
    assert any("not known here" in one.detail for one in report.findings)


async def test_an_emulators_root_never_passes_for_a_makers(bundle, verdict, manufactured):
    own = policy(manufactured)
    lying = Policy(trust_evidence=True, trusted_issuers=(DID,), tpm_roots=dict.fromkeys(own.tpm_roots, "hardware"))
    report = verdict(bundle, policy=lying)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")


async def test_certificates_are_kept_at_enrolment_and_served_by_their_digest(any_site, swtpm, manufactured, tmp_path):
    await trust(any_site, manufactured)
    node = tpm_node(swtpm.uri, tmp_path / "home")
    await node.enrol(any_site, await token_for(any_site))
    store = any_site.store()
    # Who is no longer trusted afterwards is still whom the enrolment rests on.
    for one in await store.tpms.certificates():
        await store.tpms.remove_certificate(one.fingerprint)
    enrolled = await store.nodes.get("node-77")
    await store.close()
    record = (await any_site.client.get(f"/enrolments/{enrolled.enrolment_digest}")).json()
    assert len(record["ek_certificates"]) == 3
    for digest in record["ek_certificates"]:
        answer = await any_site.client.get(f"/evidence/{digest}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pkix-cert")
        assert digests.digest(answer.content) == digest
        parse_certificate(answer.content)
    assert problem(await any_site.client.get(f"/enrolments/{digest}")) == "NOT_FOUND"


async def test_a_bundle_has_plain_names_and_one_date(bundle):
    with zipfile.ZipFile(bundle) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
