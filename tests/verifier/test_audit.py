"""Audit bundles: everything in them checked in order, and what is missing or damaged named."""

import json

import pytest

from schemas import digests
from schemas.window_record import encode_records
from tests.fakes.soft_tpm import Node, SoftTpm
from tests.fakes.verifier import World
from tests.fakes.windows import WindowWorld
from tests.verifier.bundles import AUDITOR, audited, boot_event, bundled, files_of, node_of, nonces, rezipped
from verifier.moments import read_moment
from verifier.policy import Policy
from verifier.report import Outcome


@pytest.fixture(scope="module")
def place():
    return node_of(3)


@pytest.fixture(scope="module")
def files(place):
    return files_of(place)


def found(report):
    return {(finding.result.value, finding.problem) for finding in told(report)}


def told(report):
    """Return the findings but for the one that the auditor asked for by trusting the bundle's DID documents."""
    return [finding for finding in report.findings if finding.problem != "EVIDENCE_FROM_FOLDER"]


def details(report):
    return " | ".join(f"{finding.about}: {finding.detail}" for finding in report.findings)


def test_a_whole_bundle_verifies_without_a_warning(tmp_path, files):
    report = audited(bundled(tmp_path, files))
    assert (report.outcome, told(report), report.evidence_missing) == (Outcome.VERIFIED, [], ()), details(report)
    assert (report.windows.verified, report.receipts.verified, report.credentials.verified) == (3, 3, 3)
    assert report.files.missing == report.files.damaged == report.files.unlisted == ()


def test_the_sums_are_exact(tmp_path, place, files):
    (node,) = audited(bundled(tmp_path, files)).nodes
    assert (node.windows, node.first_sequence, node.last_sequence, node.missing_windows) == (3, 0, 2, 0)
    assert (node.uncovered_seconds, node.records, node.assurances) == ("0", 6, ("tpm-hardware",))
    active = sum(made.header["accelerator_active_mj"] for made in place.made)
    assert node.sums["durationSeconds"] == "30"
    assert abs(float(node.sums["acceleratorActiveKwh"]) - active / 3.6e9) < 1e-9
    assert (node.period_start, node.period_end) == ("2026-11-20T20:00:00Z", "2026-11-20T20:00:30Z")


def test_equal_bundles_have_equal_bytes_and_equal_reports(tmp_path, files):
    first, second = (bundled(tmp_path, files, name) for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()
    assert audited(first).to_json() == audited(second).to_json()


def test_years_later_it_verifies_as_of_the_day_it_was_made_and_the_day_it_is_asked_for(tmp_path, files):
    bundle = bundled(tmp_path, files)
    assert audited(bundle, now=read_moment("2036-01-01T00:00:00Z", "--at")).outcome is Outcome.VERIFIED
    before = audited(bundle, now=read_moment("2026-11-19T00:00:00Z", "--at"))
    assert before.outcome is Outcome.REFUSED


def test_a_missing_window_is_told_and_counted(tmp_path, files):
    without = {name: content for name, content in files.items() if name not in {"w1", "r1", "i1"}}
    report = audited(bundled(tmp_path, without))
    assert ("warning", "WINDOWS_MISSING") in found(report)
    assert report.nodes[0].missing_windows == 1
    assert report.nodes[0].uncovered_seconds == "10"
    assert report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    ("name", "word"),
    [("enrolment", "uEi"), ("e0", "did documents"), ("e1", "status lists")],
)
def test_evidence_that_is_not_there_leaves_the_verdict_open_and_is_named(tmp_path, files, name, word):
    report = audited(bundled(tmp_path, {key: content for key, content in files.items() if key != name}))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert any(word in wanted for wanted in report.evidence_missing), report.evidence_missing


def test_a_file_that_was_taken_out_is_named(tmp_path, files):
    bundle = bundled(tmp_path, files)
    report = audited(
        rezipped(bundle, tmp_path / "b.zip", lambda name, raw: None if name.startswith("receipt") else raw)
    )
    assert len(report.files.missing) == 3
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "BUNDLE_DAMAGED")
    assert report.receipts.inconclusive == 3


@pytest.mark.parametrize(
    "kind", ["window", "receipt", "records", "enrolment", "did-document", "status-list", "nonce-log"]
)
def test_a_file_with_one_byte_changed_is_named_as_damaged(tmp_path, files, kind):
    changed = []

    def damage(name, raw):
        if name.startswith(f"{kind}-") and not changed:
            changed.append(name)
            return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]
        return raw

    report = audited(rezipped(bundled(tmp_path, files), tmp_path / "b.zip", damage))
    assert report.files.damaged == tuple(changed)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert changed[0] in details(report)


def test_a_file_that_the_manifest_does_not_list_is_pointed_out_and_not_read(tmp_path, files):
    bundle = rezipped(bundled(tmp_path, files), tmp_path / "b.zip", lambda name, raw: raw)
    import zipfile

    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("smuggled.json", b"{}")
    report = audited(bundle)
    assert report.files.unlisted == ("smuggled.json",)
    assert report.outcome is Outcome.VERIFIED


def test_a_forged_window_is_refused_though_the_manifest_lists_it(tmp_path, place, files):
    forged = json.loads(files["w1"])
    forged["credentialSubject"]["modelId"] = "x"
    report = audited(bundled(tmp_path, files | {"w1": json.dumps(forged).encode()}))
    assert (report.outcome, report.windows.refused) == (Outcome.REFUSED, 1)


def test_a_receipt_of_another_record_is_refused(tmp_path, files):
    forged = json.loads(files["r1"])
    forged["window_credential"] = "https://oracle.example/credentials/another"
    report = audited(bundled(tmp_path, files | {"r1": json.dumps(forged).encode()}))
    assert (report.outcome, report.receipts.refused) == (Outcome.REFUSED, 1)


def test_a_receipt_whose_window_is_not_there_is_open(tmp_path, files):
    report = audited(bundled(tmp_path, {key: raw for key, raw in files.items() if key != "w1"}))
    assert (report.outcome, report.receipts.inconclusive) == (Outcome.INCONCLUSIVE, 1)


def test_records_that_do_not_add_up_to_the_window_are_refused(tmp_path):
    place = node_of(1)
    place.made[0] = place.close(header={"accelerator_active_mj": 1, "unattributed_mj": 2_250_000 + 2 + 200 - 1})
    files = files_of(place)
    assert audited(bundled(tmp_path, files)).outcome is Outcome.REFUSED


def test_two_windows_at_one_place_are_a_fork(tmp_path):
    place = node_of(2)
    twin = Node(**vars(place.node))
    place.close()
    other = twin.window(header={"method": "modelled"})
    files = files_of(place) | {"log": nonces(*place.made)}
    value = place.unsecured(other, measurementMethod="modelled")
    value["id"] += "-twin"
    value["credentialSubject"]["id"] += "-twin"
    files["twin"] = json.dumps(place.world.issuer.sign(value)).encode()
    files["log"] += nonces(other)
    report = audited(bundled(tmp_path, files))
    assert report.outcome is Outcome.REFUSED
    assert {"WINDOW_FORK", "EVIDENCE_MISMATCH"} & {problem for _, problem in found(report)}


def test_a_second_credential_for_one_window_counts_once(tmp_path, place, files):
    again = place.unsecured(place.made[1])
    again |= {"id": again["id"] + "-2", "issuanceDate": "2026-11-20T20:30:00Z"}
    again["credentialSubject"]["supersedes"] = again["id"].removesuffix("-2")
    signed = json.dumps(place.world.issuer.sign(again, created="2026-11-20T20:30:01Z")).encode()
    report = audited(bundled(tmp_path, files | {"w1b": signed}))
    assert found(report) == {("warning", "DUPLICATE_CREDENTIAL")}, details(report)
    assert (report.nodes[0].windows, report.windows.verified, report.receipts.verified) == (3, 4, 3)
    assert again["id"] in details(report)


def _superseding(place, old):
    """Return the credential of the second window again, in place of the first one of it."""
    again = place.unsecured(place.made[1])
    again |= {"id": again["id"] + "-2", "issuanceDate": "2026-11-20T20:30:00Z"}
    again["credentialSubject"]["supersedes"] = old["id"]
    status = again["credentialStatus"]
    status["statusListIndex"] = str(int(status["statusListIndex"]) + 40)
    status["id"] = status["id"].rpartition("#")[0] + "#" + status["statusListIndex"]
    return json.dumps(place.world.issuer.sign(again, created="2026-11-20T20:30:01Z")).encode(), again["id"]


def test_receipts_that_name_the_window_credential_before_stand_with_the_one_that_supersedes_it(tmp_path, place, files):
    old = place.credential(place.made[1])
    new, _ = _superseding(place, old)
    (name,) = [
        name for name, raw in files.items() if raw.startswith(b'{"@context"') and json.loads(raw)["id"] == old["id"]
    ]
    report = audited(bundled(tmp_path, files | {name: new}))
    assert (report.windows.refused, report.receipts.refused, report.receipts.verified) == (0, 0, 3), details(report)


WITHDRAWN = 300
"""Where the lists of _withdrawing have a bit set; beside it none."""


def _withdrawing(purpose, *names):
    """Return a node of three windows, and its files; the issuer has withdrawn what is in those that are named."""
    place = WindowWorld(World(bits={purpose: {WITHDRAWN}}))
    for _ in range(3):
        place.close()
    files = files_of(place)
    return place, files | {name: _listed_at(place, json.loads(files[name]), WITHDRAWN) for name in names}


def _listed_at(place, value, index):
    """Return a credential with another place in the status lists, signed."""
    status = value["credentialStatus"]
    status |= {"statusListIndex": str(index), "id": f"{status['id'].rpartition('#')[0]}#{index}"}
    return json.dumps(place.world.issuer.sign(value)).encode()


def test_a_revoked_window_is_told_of_the_one_that_supersedes_it(tmp_path):
    place, files = _withdrawing("revocation", "w1")
    new, name = _superseding(place, json.loads(files["w1"]))
    report = audited(bundled(tmp_path, files | {"w1b": new}))
    assert report.outcome is Outcome.VERIFIED, details(report)
    assert f"is superseded by {name}, which is here too: only the latter counts" in details(report)
    assert {"NOT_COUNTED", "DUPLICATE_CREDENTIAL"} <= set(report.warned_of)
    (node,) = report.nodes
    assert (node.windows, node.missing_windows, node.windows_not_counted, node.uncovered_seconds) == (3, 0, 0, "0")
    assert (report.windows.verified, report.windows.not_counted, report.receipts.verified) == (3, 1, 3)


@pytest.mark.parametrize(("purpose", "word"), [("revocation", "revoked"), ("suspension", "suspended")])
def test_a_withdrawn_window_is_told_not_counted_and_not_missing(tmp_path, purpose, word):
    _, files = _withdrawing(purpose, "w1", "i1")
    report = audited(bundled(tmp_path, files))
    assert report.outcome is Outcome.VERIFIED, details(report)
    assert found(report) == {("warning", "NOT_COUNTED")}, details(report)
    assert f"window 1: {word}, not counted" in details(report)
    (node,) = report.nodes
    assert (node.windows, node.missing_windows, node.windows_not_counted, node.uncovered_seconds) == (2, 0, 1, "10")
    assert node.sums["durationSeconds"] == "20"
    for counts in (report.windows, report.receipts, report.credentials):
        assert (counts.verified, counts.not_counted, counts.refused, counts.inconclusive) == (2, 1, 0, 0)


def test_a_withdrawn_window_of_a_false_signature_is_refused(tmp_path):
    _, files = _withdrawing("revocation", "w1")
    forged = json.loads(files["w1"])
    forged["credentialSubject"]["modelId"] = "x"
    report = audited(bundled(tmp_path, files | {"w1": json.dumps(forged).encode()}))
    assert (report.outcome, report.windows.refused) == (Outcome.REFUSED, 1)


def test_a_window_beside_a_withdrawn_one_is_a_fork_all_the_same(tmp_path):
    place = WindowWorld(World(bits={"revocation": {WITHDRAWN}}))
    place.close()
    twin = Node(**vars(place.node))
    place.close()
    other = twin.window(header={"method": "modelled"})
    files = files_of(place)
    files["w1"] = _listed_at(place, json.loads(files["w1"]), WITHDRAWN)
    value = place.unsecured(other, measurementMethod="modelled")
    value["id"] += "-twin"
    value["credentialSubject"]["id"] += "-twin"
    files["twin"] = json.dumps(place.world.issuer.sign(value)).encode()
    files["log"] += nonces(other)
    report = audited(bundled(tmp_path, files))
    assert report.outcome is Outcome.REFUSED
    assert {"WINDOW_FORK", "EVIDENCE_MISMATCH"} & {problem for _, problem in found(report)}, details(report)


def test_a_bundle_of_withdrawn_windows_alone_has_no_sums(tmp_path):
    _, files = _withdrawing("revocation", "w0", "w1", "w2")
    report = audited(bundled(tmp_path, {name: raw for name, raw in files.items() if name[0] not in "ri"}))
    assert (report.outcome, report.nodes, report.windows.not_counted) == (Outcome.VERIFIED, (), 3), details(report)


def test_a_reboot_with_its_opening_is_followed(tmp_path):
    place = node_of(2)
    place.node.reboot()
    event = boot_event(place)
    place.close()
    files = files_of(place)
    with_event = audited(bundled(tmp_path, files | {"boot": event}, "a.zip"))
    assert (with_event.outcome, found(with_event)) == (Outcome.VERIFIED, {("warning", "EPOCH_CHANGED")})
    assert "no opening" not in details(with_event)
    assert "no opening" in details(audited(bundled(tmp_path, files, "b.zip")))


def test_a_node_that_enrolled_again_goes_on_under_its_new_key(tmp_path):
    place = node_of(2)
    files = files_of(place)
    place.node.tpm = SoftTpm(seed=11)
    place.enrolment = place.enrol(supersedes=digests.digest(place.enrolment))
    place.made = [place.close()]
    files |= {f"later-{name}": raw for name, raw in files_of(place).items()}
    report = audited(bundled(tmp_path, files))
    assert (report.outcome, found(report)) == (Outcome.VERIFIED, {("warning", "NODE_KEY_CHANGED")}), details(report)


def test_without_a_nonce_log_freshness_is_the_issuers_word(tmp_path, files):
    report = audited(bundled(tmp_path, {name: raw for name, raw in files.items() if name != "log"}))
    assert (report.outcome, found(report)) == (Outcome.VERIFIED, {("warning", "EVIDENCE_NOT_CHECKED")})
    assert told(report)[0].times == 3


@pytest.mark.parametrize(
    "changes",
    [{"node_id": "node-8"}, {"used_by": None}, {"used_by": digests.digest(b"another window")}],
)
def test_a_nonce_with_another_fate_is_refused(tmp_path, place, files, changes):
    report = audited(bundled(tmp_path, files | {"log": nonces(*place.made, **changes)}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "NONCE_REFUSED")


def test_a_nonce_that_was_handed_out_days_after_its_window_is_told(tmp_path, place, files):
    expires_us = place.made[-1].header["end_us"] + 3 * 24 * 3_600_000_000
    report = audited(bundled(tmp_path, files | {"log": nonces(*place.made, expires_us=expires_us)}))
    assert (report.outcome, found(report)) == (Outcome.VERIFIED, {("warning", "NONCE_AFTER_END")})


def test_a_nonce_that_the_log_does_not_have_is_refused(tmp_path, place, files):
    report = audited(bundled(tmp_path, files | {"log": nonces(*place.made[:2])}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "NONCE_REFUSED")


def test_did_documents_of_a_bundle_count_only_if_they_are_trusted_or_pinned(tmp_path, place, files):
    bundle = bundled(tmp_path, files)
    assert audited(bundle, policy=Policy()).outcome is Outcome.INCONCLUSIVE
    pin = place.world.issuer.key.public_key.thumbprint_uri
    pinned = Policy(pinned_keys={place.world.issuer.did: (pin,)}, tpm_roots=AUDITOR.tpm_roots)
    assert audited(bundle, policy=pinned).outcome is Outcome.VERIFIED


def test_an_empty_window_counts_too(tmp_path):
    place = node_of(1)
    place.close(records=[])
    report = audited(bundled(tmp_path, files_of(place)))
    assert (report.outcome, report.windows.verified) == (Outcome.VERIFIED, 2), details(report)


def test_evidence_beside_the_credentials_is_found_by_its_digest(tmp_path):
    report = audited(bundled(tmp_path, files_of(node_of(2, inline=False))))
    assert (report.outcome, report.windows.verified) == (Outcome.VERIFIED, 2), details(report)


def test_many_equal_warnings_are_one_that_is_counted(tmp_path, files):
    report = audited(bundled(tmp_path, files), policy=Policy(trust_evidence=True))
    (finding,) = [one for one in report.findings if one.problem == "UNTRUSTED_ISSUER"]
    assert finding.times == 6


def test_records_in_a_bundle_are_those_of_their_window(tmp_path, place, files):
    other = encode_records(place.made[0].records.records)
    assert other == files["n0"]
    report = audited(bundled(tmp_path, files), policy=AUDITOR)
    assert "not in the header" not in details(report)
