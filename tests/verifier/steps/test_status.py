"""The step status: a list counts only after it was itself verified."""

import base64
import gzip
import zlib
from datetime import timedelta

import pytest

from schemas import status
from tests.fakes.verifier import INDEX, LISTS, NOW, Signatory, World, drop, edited, fetched, problems, put, signer
from verifier.errors import FetchFailedError
from verifier.evidence import absent
from verifier.policy import Policy
from verifier.report import Outcome, Result

REVOCATION = LISTS["revocation"]
SUSPENSION = LISTS["suspension"]


def with_list(world, value, url=REVOCATION):
    world.overrides[url] = fetched(url, value)
    return world.report()


def test_a_clear_bit_in_both_lists_passes():
    check = World().report().check("status")
    assert check.result is Result.PASSED
    assert len(check.findings) == 2


@pytest.mark.parametrize("index", [0, 131071])
def test_the_bits_at_the_ends_of_the_list_are_read(index):
    world = World()
    change = [put("credentialStatus.statusListIndex", str(index)), put("credentialStatus.id", f"{REVOCATION}#{index}")]
    value = world.credential(lambda document: [edit(document) for edit in change] and None)
    assert world.report(value).check("status").result is Result.PASSED


def test_a_set_bit_means_revoked():
    report = World(bits={"revocation": {INDEX}}).report()
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")


def test_a_neighbours_bit_means_nothing():
    assert World(bits={"revocation": {INDEX - 1, INDEX + 1, 0}}).report().outcome is Outcome.VERIFIED


def test_the_same_index_of_the_other_list_means_suspended():
    report = World(bits={"suspension": {INDEX}}).report()
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "SUSPENDED")


def test_revoked_and_suspended_are_both_shown():
    report = World(bits={"suspension": {INDEX}, "revocation": {INDEX}}).report()
    assert {("status", "failed", "REVOKED"), ("status", "failed", "SUSPENDED")} <= problems(report)


@pytest.mark.parametrize("url", [REVOCATION, SUSPENSION])
def test_a_list_that_is_not_at_hand_is_inconclusive(url):
    report = World(without={url}).report()
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "STATUS_RETRIEVAL_ERROR")


def test_a_host_that_fails_is_inconclusive():
    world = World()
    world.overrides[REVOCATION] = absent(REVOCATION, FetchFailedError("status 500"), origin="network")
    report = world.report()
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "STATUS_RETRIEVAL_ERROR")


@pytest.mark.parametrize(
    "change",
    [
        put("id", "https://oracle.example/status/revocation/8"),
        put("issuer", "did:web:evil.example"),
        put("credentialSubject.statusPurpose", "suspension"),
        put("type", ["VerifiableCredential"]),
        put("expirationDate", "2026-11-20T20:30:00Z"),
        put("issuanceDate", "2026-11-20T22:00:00Z"),
        lambda document: document["@context"].append("https://www.w3.org/ns/did/v1"),
    ],
    ids=["another id", "another issuer", "another purpose", "no list", "expired", "not yet valid", "other contexts"],
)
def test_a_list_that_is_not_the_one_named_is_refused_though_its_issuer_signed_it(change):
    world = World()
    value = world.issuer.sign(edited(world.status_list("revocation"), change))
    assert with_list(world, value).problem == "STATUS_VERIFICATION_ERROR"


@pytest.mark.parametrize("change", [drop("proof"), put("issuanceDate", "2026-11-20T20:00:12Z")])
def test_an_unsigned_or_changed_list_is_refused(change):
    world = World()
    report = with_list(world, edited(world.status_list("revocation"), change))
    assert report.problem == "STATUS_VERIFICATION_ERROR"


def test_a_list_signed_by_a_key_that_is_not_the_issuers_is_refused():
    world = World()
    value = Signatory(signer(5), world.issuer.did).sign(edited(world.status_list("revocation"), drop("proof")))
    assert with_list(world, value).problem == "STATUS_VERIFICATION_ERROR"


def test_a_list_signed_for_another_purpose_is_refused():
    world = World()
    value = world.issuer.sign(world.status_list("revocation"), purpose="authentication")
    assert with_list(world, value).problem == "STATUS_VERIFICATION_ERROR"


def test_bytes_that_are_no_json_are_no_list():
    world = World()
    world.overrides[REVOCATION] = fetched(REVOCATION, b"<html>")
    assert world.report().problem == "STATUS_VERIFICATION_ERROR"


def encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        (encoded(gzip.compress(bytes(16383), mtime=0)), "STATUS_LIST_LENGTH_ERROR"),
        (encoded(gzip.compress(b"", mtime=0)), "STATUS_LIST_LENGTH_ERROR"),
        (encoded(gzip.compress(bytes(17 * 1024 * 1024), mtime=0)), "RESOURCE_LIMIT"),
        (encoded(gzip.compress(bytes(16384), mtime=0) + b"x"), "MALFORMED_VALUE_ERROR"),
        (encoded(gzip.compress(bytes(16384), mtime=0)[:-4]), "MALFORMED_VALUE_ERROR"),
        (encoded(zlib.compress(bytes(16384))), "MALFORMED_VALUE_ERROR"),
    ],
    ids=["one byte short", "empty", "a bomb", "trailing bytes", "truncated", "not gzip"],
)
def test_a_list_whose_bits_cannot_be_had_is_refused_for_that(listed, problem):
    world = World()
    value = world.status_list("revocation", put("credentialSubject.encodedList", listed))
    assert with_list(world, value).problem == problem


def test_an_index_beyond_the_list_is_out_of_range():
    world = World()
    index = status.MIN_BYTES * 8

    def change(document):
        document["credentialStatus"] |= {"statusListIndex": str(index), "id": f"{REVOCATION}#{index}"}

    assert ("status", "failed", "RANGE_ERROR") in problems(world.report(world.credential(change)))


def test_a_list_that_is_the_credential_itself_is_a_circle():
    world = World()
    value = edited(world.credential(), put("credentialStatus.statusListCredential", world.unsecured()["id"]))
    assert ("status", "failed", "RESOURCE_LIMIT") in problems(world.report(value))


# --- foreign credentials -----------------------------------------------------------------------------------


def foreign(world, status_member):
    value = {
        "@context": [
            "https://www.w3.org/2018/credentials/v1",
            "https://w3id.org/security/suites/jws-2020/v1",
            "https://w3id.org/vc/status-list/2021/v1",
        ],
        "id": "urn:uuid:6c1a7d1e-6f57-4f63-9f63-3b1f6e1c8a01",
        "type": ["VerifiableCredential"],
        "issuer": world.issuer.did,
        "issuanceDate": "2026-11-20T20:01:05Z",
        "credentialSubject": {"id": "did:example:subject"},
    }
    if status_member is not None:
        value["credentialStatus"] = status_member
    return world.report(world.issuer.sign(value))


def entry(**changes):
    return {
        "id": f"{REVOCATION}#{INDEX}",
        "type": "StatusList2021Entry",
        "statusPurpose": "revocation",
        "statusListIndex": str(INDEX),
        "statusListCredential": REVOCATION,
        **changes,
    }


def test_a_foreign_entry_is_looked_up_too():
    assert foreign(World(), entry()).check("status").result is Result.PASSED
    assert foreign(World(bits={"revocation": {INDEX}}), entry()).problem == "REVOKED"


def test_no_status_is_a_warning_unless_the_policy_requires_one():
    assert foreign(World(), None).check("status").problem == "NO_STATUS"
    assert foreign(World(policy=Policy(require_status=True)), None).problem == "STATUS_REQUIRED"


def test_a_status_of_an_unknown_type_is_inconclusive():
    world = World()
    value = edited(world.credential(), put("credentialStatus.type", "RevocationList2020Status"))
    assert ("status", "inconclusive", "STATUS_TYPE_UNKNOWN") in problems(world.report(value))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"statusPurpose": "message"}, "SCHEMA_INVALID"),
        ({"statusListIndex": "-1"}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": "١٢"}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": "1" * 40}, "MALFORMED_VALUE_ERROR"),
        ({"statusListCredential": 7}, "SCHEMA_INVALID"),
    ],
)
def test_an_entry_that_cannot_be_read_is_refused(changes, problem):
    world = World()
    report = world.report(edited(world.credential(), put("credentialStatus", entry(**changes))))
    assert ("status", "failed", problem) in problems(report)


def test_a_thousand_entries_are_more_than_are_followed():
    world = World()
    report = world.report(edited(world.credential(), put("credentialStatus", [entry()] * 1000)))
    assert ("status", "failed", "RESOURCE_LIMIT") in problems(report)


@pytest.mark.parametrize("member", ["x", [], ["x"], 3])
def test_a_status_that_is_no_object_is_refused(member):
    world = World()
    report = world.report(edited(world.credential(), put("credentialStatus", member)))
    assert ("status", "failed", "SCHEMA_INVALID") in problems(report)


def test_a_list_whose_signature_is_of_the_future_is_refused():
    world = World()
    value = world.status_list("revocation", created="2026-11-20T21:05:00Z")
    assert with_list(world, value).problem == "STATUS_VERIFICATION_ERROR"


def days_later(days: int, *, origin: str, **policy) -> World:
    return World(origin=origin, now=NOW + timedelta(days=days), policy=Policy(trust_evidence=True, **policy))


def test_an_old_list_from_a_folder_is_shown_with_a_warning_and_its_age():
    report = days_later(40, origin="folder").report()
    assert report.outcome is Outcome.VERIFIED
    assert ("status", "warning", "STALE_STATUS") in problems(report)
    assert "40 day(s)" in report.check("status").detail


def test_a_list_of_the_same_day_needs_no_warning():
    assert days_later(0, origin="folder").report().check("status").result.value == "passed"


def test_what_the_issuers_host_gives_now_is_the_newest_there_is():
    assert days_later(40, origin="network").report().check("status").result.value == "passed"


@pytest.mark.parametrize("origin", ["folder", "network"])
def test_a_policy_bounds_the_age_of_a_list(origin):
    report = days_later(1, origin=origin, max_status_age_s=7200).report()
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "STALE_STATUS")


def test_a_revocation_in_an_old_list_refuses_all_the_same():
    world = days_later(40, origin="folder", max_status_age_s=7200)
    world.bits = {"revocation": {INDEX}}
    assert (world.report().outcome, world.report().problem) == (Outcome.REFUSED, "REVOKED")
