"""Slots of carbon intensities in audit bundles: packed, found, computed again without a network, missed by name."""

import json

import pytest

from schemas import digests
from tests.fakes.grid_documents import inference_by, raw_of, slots_from, window_by
from tests.fakes.soft_tpm import START_US, Node
from tests.fakes.verifier import MemoryFetcher, World
from tests.fakes.windows import WindowWorld
from tests.verifier.bundles import AUDITOR, audited, bundled, files_of, folder_of, rezipped
from verifier.audit_make import collect, complete, recognize
from verifier.policy import Policy
from verifier.report import Outcome

TWO = slots_from("2026-11-20T20:00:00Z", ["300", "420.5"])
OTHER = slots_from("2026-11-20T20:00:00Z", ["300", "420.4"])
SLOTS = raw_of(TWO)
DIGEST = digests.digest(SLOTS)


@pytest.fixture(scope="module")
def place():
    found = WindowWorld(World(policy=AUDITOR), node=Node(wall_us=START_US + 295_000_000))
    found.close()
    return found


@pytest.fixture(scope="module")
def files(place):
    """Return a window in two slots with one of its inferences, and all that belongs to them but the slots."""
    return files_of(place) | {
        "w0": json.dumps(window_by(place, TWO)).encode(),
        "i0": json.dumps(inference_by(place, TWO)).encode(),
    }


def told(report):
    return {
        (finding.result.value, finding.problem)
        for finding in report.findings
        if finding.problem != "EVIDENCE_FROM_FOLDER"
    }


def test_slots_are_recognized_by_what_they_are():
    found = recognize(SLOTS)
    assert (found.kind, found.digest) == ("grid-data", DIGEST)
    assert recognize(raw_of({**TWO, "licence": "x" * 600_000})) is None


def test_a_bundle_with_its_slots_verifies_and_has_the_sums_of_one_without(tmp_path, files):
    report = audited(bundled(tmp_path, {**files, "slots": SLOTS}))
    assert (report.outcome, told(report), report.evidence_missing) == (Outcome.VERIFIED, set(), ())
    (node,) = report.nodes
    without = audited(bundled(tmp_path, files, "without.zip"))
    assert node.sums == without.nodes[0].sums


def test_slots_that_are_not_in_the_bundle_are_told_by_name(tmp_path, files):
    report = audited(bundled(tmp_path, files))
    assert told(report) == {("warning", "EVIDENCE_NOT_CHECKED")}
    assert f"attachments: {DIGEST}" in report.evidence_missing
    demanding = Policy(
        trust_evidence=True,
        trusted_issuers=AUDITOR.trusted_issuers,
        tpm_roots=AUDITOR.tpm_roots,
        require_grid_data=True,
    )
    report = audited(bundled(tmp_path, files, "again.zip"), policy=demanding)
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "EVIDENCE_NOT_CHECKED")
    assert (
        audited(bundled(tmp_path, {**files, "slots": SLOTS}, "whole.zip"), policy=demanding).outcome is Outcome.VERIFIED
    )


def test_slots_that_were_changed_in_the_archive_are_damaged(tmp_path, files):
    path = bundled(tmp_path, {**files, "slots": SLOTS})
    changed = rezipped(path, tmp_path / "x.zip", lambda _, content: raw_of(OTHER) if content == SLOTS else content)
    report = audited(changed)
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "BUNDLE_DAMAGED")


def test_figures_that_do_not_follow_from_the_slots_are_refused(tmp_path, place, files):
    window = window_by(place, TWO, gridDataDigest=digests.digest(raw_of(OTHER)))
    files = {**files, "w0": json.dumps(window).encode(), "slots": SLOTS, "other": raw_of(OTHER)}
    report = audited(bundled(tmp_path, files))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "CLAIM_INCONSISTENT")
    assert "carbonIntensityGco2ePerKwh: 360.25 is claimed" in report.detail


async def test_slots_that_the_folder_does_not_have_are_fetched_beside_the_evidence(tmp_path, place, files):
    url = f"{place.world.base}/evidence/{DIGEST}"
    fetcher = MemoryFetcher({url: SLOTS})
    collected = collect(folder_of(tmp_path / "x", files))
    assert await complete(collected, fetcher) == []
    assert fetcher.asked == [url]
    assert [entry.digest for entry in collected.of("grid-data")] == [DIGEST]


async def test_what_is_served_in_the_place_of_slots_is_not_taken_for_them(tmp_path, place, files):
    fetcher = MemoryFetcher({f"{place.world.base}/evidence/{DIGEST}": b'{"no":"slots"}'})
    collected = collect(folder_of(tmp_path / "x", files))
    (failure,) = await complete(collected, fetcher)
    assert "no kind that is known" in failure
