"""What may stand in a bundle once only, and what is hidden by leaving something out of it."""

import json
from decimal import Decimal

import msgspec
import pytest

from schemas import digests
from schemas.window_header import decode_header
from tests.fakes.soft_tpm import Node, SoftTpm, canonical, record
from tests.fakes.verifier import World
from tests.fakes.windows import WindowWorld, plain, software_header, software_window
from tests.verifier.bundles import AUDITOR, CREATED, audited, bundled, files_of, folder_of, node_of
from verifier.attestation.freshness import IssuedNonce
from verifier.audit_bundle import write_bundle
from verifier.audit_make import collect
from verifier.audit_nonces import windows_not_here
from verifier.audit_twice import Twice
from verifier.report import Outcome


def found(report):
    return {(one.result.value, one.problem) for one in report.findings if one.problem != "EVIDENCE_FROM_FOLDER"}


def told(report):
    return " | ".join(f"{one.about}: {one.detail}" for one in report.findings)


# --- evidence that is left out -------------------------------------------------------------------------------


def software_files(world, headers, *, key=True, inline=True):
    """Return a bundle's files of windows that the node's software key signed."""
    files = {}
    for number, header in enumerate(headers):
        value = software_window(world, header) | {"id": f"{world.base}/credentials/w{number}"}
        if not inline:
            del value["evidence"][0]["inlineEvidence"]
        files[f"w{number}"] = json.dumps(world.issuer.sign(value)).encode()
    for number, (_, _, entry) in enumerate(world.evidence().items()):
        if key or b'"kty"' not in entry.body or b'"id"' in entry.body:
            files[f"e{number}"] = entry.body
    return files


@pytest.fixture(scope="module")
def fork():
    """Return two windows of one number and one time."""
    return software_header(41, [record(1)]), software_header(41, [record(2)])


def test_a_fork_whose_evidence_is_shown_is_refused(tmp_path, fork):
    report = audited(bundled(tmp_path, software_files(World(policy=AUDITOR), fork)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "WINDOW_FORK")


@pytest.mark.parametrize("left_out", ["key", "inline"])
def test_a_window_whose_evidence_is_left_out_is_open_and_hides_no_fork(tmp_path, fork, left_out):
    files = software_files(World(policy=AUDITOR), fork, **{left_out: False})
    report = audited(bundled(tmp_path, files))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "EVIDENCE_NOT_CHECKED")
    assert (report.windows.total, report.windows.inconclusive, report.nodes) == (2, 2, ())


def test_a_window_that_the_manifest_lists_as_another_credential_is_open(tmp_path, fork):
    collected = collect(folder_of(tmp_path / "files", software_files(World(policy=AUDITOR), fork)))
    windows = [entry for entry in collected.files if entry.kind == "window"]
    listed = {
        (msgspec.structs.replace(entry, kind="credential") if entry is windows[1] else entry): raw
        for entry, raw in collected.files.items()
    }
    write_bundle(tmp_path / "b.zip", listed, created=CREATED)
    report = audited(tmp_path / "b.zip")
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "NOT_CHECKED")
    assert report.credentials.inconclusive == 1


# --- one record, one window ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place():
    return node_of(2)


@pytest.fixture(scope="module")
def files(place):
    return files_of(place)


def again(place, raw, name="-again", **claims):
    """Return another credential of the same record or window, with these claims; None leaves one out."""
    value = json.loads(raw)
    del value["proof"]
    value["id"] += name
    subject = value["credentialSubject"] | {"id": value["credentialSubject"]["id"] + name} | claims
    value["credentialSubject"] = {term: claim for term, claim in subject.items() if claim is not None}
    return json.dumps(place.world.issuer.sign(value)).encode()


def test_a_second_credential_of_one_record_counts_once(tmp_path, place, files):
    report = audited(bundled(tmp_path, files | {"i0b": again(place, files["i0"])}))
    assert (report.outcome, found(report)) == (Outcome.VERIFIED, {("warning", "DUPLICATE_CREDENTIAL")}), told(report)


@pytest.mark.parametrize(
    "claims",
    [
        {"tenantCommitment": None, "tenantId": "did:web:tenant-b.example"},
        {"tenantCommitment": None},
        {"functionalUnit": "request", "functionalUnitCount": "1"},
        {"embodiedEmissionsGco2e": "1"},
    ],
)
def test_a_second_credential_of_one_record_that_says_something_else_is_refused(tmp_path, place, files, claims):
    report = audited(bundled(tmp_path, files | {"i0b": again(place, files["i0"], **claims)}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "DUPLICATE_WINDOW"), told(report)
    assert report.credentials.refused == 1


def test_one_that_supersedes_the_other_may_say_something_else(tmp_path, place, files):
    old = json.loads(files["i0"])["id"]
    new = again(place, files["i0"], embodiedEmissionsGco2e="1", supersedes=old)
    report = audited(bundled(tmp_path, files | {"i0b": new}))
    assert (report.outcome, found(report)) == (Outcome.VERIFIED, {("warning", "DUPLICATE_CREDENTIAL")}), told(report)


def test_one_that_supersedes_the_other_for_another_tenant_is_refused(tmp_path, place, files):
    old = json.loads(files["i0"])["id"]
    claims = {"tenantCommitment": None, "tenantId": "did:web:tenant-b.example", "supersedes": old}
    report = audited(bundled(tmp_path, files | {"i0b": again(place, files["i0"], **claims)}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "DUPLICATE_WINDOW")


def test_a_second_credential_of_one_window_with_other_figures_is_refused(tmp_path, place, files):
    energy = Decimal(json.loads(files["w0"])["credentialSubject"]["energyKwh"])
    cheap = {"carbonIntensityGco2ePerKwh": "1", "operationalEmissionsGco2e": plain(energy)}
    report = audited(bundled(tmp_path, files | {"w0b": again(place, files["w0"], **cheap)}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "DUPLICATE_WINDOW"), told(report)
    assert (report.windows.refused, report.nodes[0].windows) == (1, 2)


# --- factors -------------------------------------------------------------------------------------------------


def test_an_inference_with_another_intensity_than_its_window_is_refused(tmp_path, place, files):
    value = json.loads(files["i0"])
    del value["proof"]
    subject = value["credentialSubject"]
    subject |= {"carbonIntensityGco2ePerKwh": "1", "operationalEmissionsGco2e": subject["energyKwh"]}
    report = audited(bundled(tmp_path, files | {"i0": json.dumps(place.world.issuer.sign(value)).encode()}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")
    assert "carbonIntensityGco2ePerKwh: 1 is claimed" in report.detail


def test_an_inference_whose_window_is_not_there_is_the_issuers_word(tmp_path, files):
    without = {name: raw for name, raw in files.items() if name not in {"w1", "r1"}}
    report = audited(bundled(tmp_path, without))
    assert "carbon intensity, region and windowCredential are the issuer's word" in told(report)


# --- one TPM, one accelerator --------------------------------------------------------------------------------


def test_one_endorsement_key_under_two_nodes_is_refused(tmp_path):
    world = World(policy=AUDITOR)
    later = Node(node_id="node-8", tpm=SoftTpm(seed=9))
    later.wall_us += 3_600_000_000
    files = {}
    for place in (WindowWorld(world), WindowWorld(world, node=later)):
        name = place.node.node_id
        for number in range(2):
            made = place.close(header={"nonce": ..., "freshness": "chained"})
            value = place.unsecured(made)
            value["id"] += name  # the small world numbers the windows of all nodes alike
            files[f"w{number}-{name}"] = json.dumps(world.issuer.sign(value)).encode()
        files |= {f"{key}-{name}": raw for key, raw in files_of(place).items() if key == "enrolment" or key[0] in "ec"}
    report = audited(bundled(tmp_path, files))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH"), told(report)
    assert "node-7 and node-8" in report.detail
    assert [(node.node_id, node.windows) for node in report.nodes] == [("node-7", 2)]
    assert "counted by" not in told(report)


def test_one_accelerator_under_two_nodes_in_the_same_seconds_counts_once_and_refuses(tmp_path):
    world = World(policy=AUDITOR)
    headers = [software_header(41, [record(1)]), software_header(7, [record(2)], node_id="node-8")]
    report = audited(bundled(tmp_path, software_files(world, headers)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "DUPLICATE_WINDOW"), told(report)
    assert "GPU-1 is counted by node-7 and node-8" in report.detail
    assert [node.node_id for node in report.nodes] == ["node-7"]


SECOND = 1_000_000


def header(node_id, start_s, end_s, *, uuid="GPU-1", scope="gpu", simulated=False):
    """Return the header of a window of a software key that counts one device."""
    start_us = 1_790_000_000_000_000
    members = software_header(41, [record(1)], node_id=node_id)
    members["accelerators"][0] |= {"uuid": uuid, "scope": scope}
    length_us = (end_s - start_s) * SECOND
    members |= {"start_us": start_us + start_s * SECOND, "end_us": start_us + end_s * SECOND}
    members |= {"duration_us": length_us, "measured_us": length_us}
    members |= {"simulated": True, "method": "modelled"} if simulated else {}
    return decode_header(canonical(members))


def problems(*headers):
    twice = Twice()
    return [finding.problem for one in headers for finding in twice.window(one, None)]


@pytest.mark.parametrize("times", [(0, 10), (5, 15), (2, 8), (-5, 5), (-5, 15), (9, 30), (19, 25)])
def test_windows_of_two_nodes_that_overlap_on_one_device_are_refused(times):
    assert set(problems(header("a", 0, 10), header("a", 10, 20), header("b", *times))) == {"DUPLICATE_WINDOW"}


@pytest.mark.parametrize("times", [(20, 30), (-10, 0), (100, 110)])
def test_a_device_that_was_moved_to_another_node_may_count_there(times):
    assert problems(header("a", 0, 10), header("a", 10, 20), header("b", *times)) == []


def test_many_nodes_are_each_held_against_all_others():
    moved = [header(f"n{number}", 10 * number, 10 * number + 10) for number in (4, 0, 3, 1, 2)]
    assert problems(*moved) == []
    assert problems(*moved, header("z", 29, 31)) == ["DUPLICATE_WINDOW", "DUPLICATE_WINDOW"]


def test_a_window_that_was_refused_is_not_held_against_those_after_it():
    twice = Twice()
    assert [*twice.window(header("a", 0, 10), None)] == []
    assert [*twice.window(header("b", 9, 19), None)] != []
    assert [*twice.window(header("c", 12, 15), None)] == []


@pytest.mark.parametrize("scope", ["gpu", "module"])
def test_a_device_counts_once_whatever_its_counter_is_over(scope):
    assert problems(header("a", 0, 10, scope="package"), header("b", 0, 10, scope=scope)) == ["DUPLICATE_WINDOW"]


@pytest.mark.parametrize("scope", ["package", "node"])
def test_meters_that_each_machine_names_for_itself_may_have_one_name(scope):
    assert problems(*(header(node, 0, 10, uuid="package-0", scope=scope) for node in "ab")) == []


def test_simulated_devices_may_have_one_name():
    simulated = [header(node, 0, 10, uuid="SIMULATED-0", simulated=True) for node in "ab"]
    assert problems(*simulated) == []


# --- the nonce log names windows that are not there ----------------------------------------------------------


@pytest.fixture(scope="module")
def five():
    place = node_of(5)
    return place, files_of(place)


def test_first_and_last_windows_that_are_left_out_are_told_by_the_nonce_log(tmp_path, five):
    place, files = five
    left_out = {f"{kind}{number}" for kind in "wnri" for number in (0, 4)}
    report = audited(bundled(tmp_path, {name: raw for name, raw in files.items() if name not in left_out}))
    assert found(report) == {("warning", "WINDOWS_MISSING")}, told(report)
    assert all(digests.encode(place.made[number].digest) in told(report) for number in (0, 4))
    assert "made 2 windows that are not in the bundle" in told(report)


def test_the_list_of_missing_windows_is_bounded():
    log = {
        str(number): IssuedNonce(nonce=str(number), node_id="a", expires_us=1, used_by=f"window-{number}")
        for number in range(50)
    }
    (finding,) = windows_not_here(log, {"window-0"})
    assert "49 windows" in finding.detail
    assert "and 39 more" in finding.detail
    assert len(finding.detail) < 300
