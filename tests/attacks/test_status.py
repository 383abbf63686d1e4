"""Status lists (S1) from a hostile issuer or host: a list counts only after it was itself verified."""

import base64
import gzip
import struct
import zlib

import pytest
from msgspec.structs import replace

from schemas import status
from tests.attacks.catalogue import attack, of_report, waits
from tests.fakes.jose import HEADER, foreign, ours, status_entry
from tests.fakes.verifier import INDEX, LISTS, Signatory, World, drop, edited, fetched, put, signer
from verifier.errors import FetchFailedError
from verifier.evidence import absent
from verifier.policy import Policy
from verifier.report import Outcome

REVOCATION, SUSPENSION = LISTS["revocation"], LISTS["suspension"]
BASES = (ours(), foreign())
WORLD = World()

waits("Bitstring Status List (VC 2.0)", "VL013", "VL016")
waits("Token Status List", "VL025")


def listed(value, url=REVOCATION):
    """The outcomes for our own credential and a foreign one, where the host answers with this for a list."""
    found = value if isinstance(value, bytes | dict) else value.credential()
    lists = {**BASES[0].evidence.status_lists, url: fetched(url, found)}
    evidence = [replace(base.evidence, status_lists=lists) for base in BASES]
    pairs = zip(BASES, evidence, strict=True)
    return [of_report(base.world.report(base.secured(base.jws(HEADER)), found)) for base, found in pairs]


def all_of(*values):
    return [outcome for value in values for outcome in listed(value)]


def resigned(*changes, signatory=None):
    """The good list, changed and then signed by its issuer (or by ``signatory``)."""
    return (signatory or WORLD.issuer).sign(edited(WORLD.status_list("revocation"), drop("proof"), *changes))


def bits(text):
    return resigned(put("credentialSubject.encodedList", text))


def encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def zipped(size):
    return gzip.compress(bytes(size), mtime=0)


@pytest.fixture(scope="module")
def bomb():
    """A GiB of zeros as gzip, in one megabyte: the same deflated block over and over."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(bytes(2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + block * 1024 + b"\x03\x00" + struct.pack("<II", 0, 2**30)


def test_the_unchanged_list_is_accepted_and_a_set_bit_revokes():
    assert [outcome.kind for outcome in listed(resigned())] == ["accept", "accept"]
    revoking = World(bits={"revocation": {INDEX}}).status_list("revocation")
    assert {str(outcome) for outcome in listed(revoking)} == {"reject:REVOKED"}


@attack("VL002", "reject:STATUS_VERIFICATION_ERROR")
def test_a_list_of_another_purpose_says_nothing(expected):
    expected.met_by(*all_of(resigned(put("credentialSubject.statusPurpose", "suspension"))))
    # The list of suspensions under the URL of the revocations, and the other way round.
    expected.met_by(*all_of(WORLD.status_list("suspension")))
    lists = {REVOCATION: fetched(REVOCATION, resigned()), SUSPENSION: fetched(SUSPENSION, resigned())}
    report = BASES[0].world.report(
        BASES[0].secured(BASES[0].jws(HEADER)), replace(BASES[0].evidence, status_lists=lists)
    )
    expected.met_by(of_report(report))
    pointing = foreign()
    pointing.unsecured["credentialStatus"] = status_entry(WORLD, statusPurpose="suspension")
    expected.met_by(of_report(pointing.report(pointing.jws(HEADER))))


@attack("VL003", "reject:STATUS_VERIFICATION_ERROR")
def test_a_list_is_issued_by_the_issuer_of_the_credential(expected):
    evil = Signatory(signer(66))
    neighbour = put("issuer", f"{WORLD.issuer.did}:tenants:b")
    expected.met_by(
        *all_of(
            resigned(put("issuer", evil.did), signatory=evil),
            resigned(put("issuer", "did:web:evil.example")),
            resigned(neighbour),
            resigned(put("issuer", "did:web:ORACLE.example")),
            resigned(put("issuer", {"id": WORLD.issuer.did})),
        )
    )


@attack("VL004", "reject:STATUS_VERIFICATION_ERROR")
def test_a_list_is_verified_like_any_credential(expected):
    good = resigned()
    expected.met_by(
        *all_of(
            edited(good, drop("proof")),
            edited(good, put("proof.jws", good["proof"]["jws"][:-4] + "AAAA")),
            edited(good, put("issuanceDate", "2026-11-20T20:00:12Z")),
            edited(good, put("credentialSubject.encodedList", status.encode_bits(b"\x01" + bytes(16383)))),
            edited(good, put("proof", [good["proof"], good["proof"]])),
            resigned(signatory=Signatory(signer(66), WORLD.issuer.did)),
            WORLD.issuer.sign(good, purpose="authentication"),
            WORLD.issuer.sign(good, created="2026-11-21T20:00:00Z"),
            resigned(put("expirationDate", "2026-11-20T20:59:00Z")),
            resigned(put("issuanceDate", "2026-11-20T21:02:00Z")),
            resigned(put("expirationDate", "never")),
        )
    )


@attack("VL005", "reject:STATUS_VERIFICATION_ERROR")
def test_a_list_is_the_one_that_the_credential_names(expected):
    ids = (
        "https://oracle.example/status/revocation/8",
        REVOCATION + "/",
        REVOCATION + "?",
        REVOCATION.upper(),
        SUSPENSION,
    )
    expected.met_by(*all_of(*(resigned(put("id", other)) for other in ids)))


@attack("VL006", "reject:STATUS_VERIFICATION_ERROR")
def test_no_other_document_is_a_list(expected):
    expected.met_by(
        *all_of(
            WORLD.credential(),
            edited(resigned(), put("type", ["VerifiableCredential"])),
            edited(resigned(), put("type", ["VerifiableCredential", "BitstringStatusListCredential"])),
            edited(resigned(), put("type", "StatusList2021Credential")),
            edited(resigned(), put("credentialSubject.type", "BitstringStatusList")),
            edited(resigned(), put("credentialSubject", [resigned()["credentialSubject"]] * 2)),
            resigned(drop("credentialSubject.encodedList")),
            resigned(put("credentialSubject.encodedList", 7)),
            WORLD.issuer.document(),
            {},
            b"[]",
            b"null",
            b"<html>",
            b"",
            b"\x1f\x8b",
            b"eyJhbGciOiJFUzI1NiJ9.e30.AA",
        )
    )


@attack("VL007", "reject:STATUS_LIST_LENGTH_ERROR")
def test_a_short_list_would_single_its_holders_out(expected):
    expected.met_by(*all_of(*(bits(encoded(zipped(size))) for size in (16_383, 1, 0))))


@attack("VL008", "reject:RESOURCE_LIMIT")
def test_a_gibibyte_in_a_megabyte_is_not_inflated(expected, bomb):
    expected.met_by(*all_of(bits(encoded(bomb)), bits(encoded(zipped(16 * 2**20 + 1)))))


@attack("VL010", "reject:MALFORMED_VALUE_ERROR")
def test_nothing_follows_the_one_gzip_member(expected):
    good = zipped(16_384)
    followed = (
        good + b"x",
        good + b"\x00",
        good + good,
        zipped(16_384) + zipped(0),
        zipped(0) + good,
        good + bytes(512),
    )
    expected.met_by(*all_of(*(bits(encoded(raw)) for raw in followed)))


@attack("VL011", "reject:MALFORMED_VALUE_ERROR")
def test_a_damaged_list_is_not_used_in_part(expected):
    good = zipped(16_384)
    wrong_sum = good[:-8] + bytes(4) + good[-4:]
    wrong_size = good[:-4] + struct.pack("<I", 7)
    no_deflate = good[:12] + b"\xff" * 8 + good[20:]
    others = (zlib.compress(bytes(16_384)), bytes(16_384), b"", b"\x1f\x8b", b"\x1f\x9d" + good[2:])
    expected.met_by(
        *all_of(
            *(
                bits(encoded(raw))
                for raw in (wrong_sum, wrong_size, no_deflate, good[:-1], good[:-9], good[:20], *others)
                if raw
            )
        )
    )


@attack("VL011", "reject:MALFORMED_VALUE_ERROR")
def test_the_bits_are_spelled_in_one_base64(expected):
    text = encoded(zipped(16_384))
    expected.met_by(*all_of(*(bits(other) for other in (text + "A", text.replace("A", "-", 1) + "/"))))


@attack("VL018", "inconclusive:STATUS_RETRIEVAL_ERROR")
def test_one_of_two_lists_that_cannot_be_had_leaves_it_open(expected):
    lists = BASES[0].evidence.status_lists
    failed = absent(SUSPENSION, FetchFailedError("status 404"), origin="network")
    for url in (REVOCATION, SUSPENSION):
        without = {name: entry for name, entry in lists.items() if name != url}
        for found in (without, {**without, url: failed}):
            evidence = replace(BASES[0].evidence, status_lists=found)
            expected.met_by(of_report(BASES[0].world.report(BASES[0].secured(BASES[0].jws(HEADER)), evidence)))
    gone = "https://oracle.example/status/gone"
    unreachable = status_entry(WORLD, id=f"{gone}#94568", statusListCredential=gone)
    for entries in ([status_entry(WORLD), unreachable], [unreachable, status_entry(WORLD)]):
        base = foreign()
        base.unsecured["credentialStatus"] = entries
        expected.met_by(of_report(base.report(base.jws(HEADER))))


def test_a_set_bit_refuses_though_the_other_list_cannot_be_had():
    report = World(bits={"revocation": {INDEX}}, without={SUSPENSION}).report()
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")


@attack("VL019", "reject:PROOF_VERIFICATION_ERROR")
def test_the_status_of_a_foreign_credential_is_signed(expected):
    good = BASES[1].secured(BASES[1].jws(HEADER))
    elsewhere = put("credentialStatus.statusListCredential", "https://oracle.example/status/revocation/8")
    edits = (drop("credentialStatus"), elsewhere, put("credentialStatus.statusListIndex", "1"))
    reports = [BASES[1].world.report(edited(good, edit), BASES[1].evidence) for edit in edits]
    expected.met_by(*map(of_report, reports))


@attack(
    "VL019",
    "reject:SCHEMA_INVALID",
    differs="our types have a closed shape with a status (decision 0003), which is checked before the proof",
)
def test_a_credential_of_our_own_shape_has_a_status(expected):
    good = BASES[0].secured(BASES[0].jws(HEADER))
    expected.met_by(
        *[
            of_report(BASES[0].world.report(edited(good, edit)))
            for edit in (drop("credentialStatus"), put("credentialStatus", []))
        ]
    )


@attack("VL020", "reject:STATUS_REQUIRED")
def test_a_policy_may_require_a_status(expected):
    base = foreign()
    base.world = World(policy=Policy(require_status=True))
    del base.unsecured["credentialStatus"]
    expected.met_by(of_report(base.report(base.jws(HEADER))))


@attack("VL023", "reject:RESOURCE_LIMIT")
def test_a_list_has_no_list_of_its_own(expected):
    circle = foreign()
    own_id = "https://oracle.example/credentials/1"
    circle.unsecured |= {"id": own_id, "credentialStatus": status_entry(WORLD, statusListCredential=own_id)}
    expected.met_by(of_report(circle.report(circle.jws(HEADER))))
    own = ours()
    own.unsecured["credentialStatus"]["statusListCredential"] = own.unsecured["id"]
    expected.met_by(of_report(own.report(own.jws(HEADER))))
    # A list that points to itself, to the other list, or to a list of ever more lists.
    for url in (REVOCATION, SUSPENSION, "https://evil.example/next"):
        expected.met_by(*all_of(resigned(put("credentialStatus", status_entry(WORLD, statusListCredential=url)))))


@attack("VL026", "inconclusive:STATUS_RETRIEVAL_ERROR")
def test_a_host_of_lists_that_fails_leaves_it_open(expected):
    for detail in ("the host answered with status 500", "no whole answer within 5 s", "no connection to the host"):
        failed = absent(REVOCATION, FetchFailedError(detail), origin="network")
        for base in BASES:
            evidence = replace(base.evidence, status_lists={**base.evidence.status_lists, REVOCATION: failed})
            expected.met_by(of_report(base.world.report(base.secured(base.jws(HEADER)), evidence)))


@pytest.mark.parametrize("members", [{"statusSize": 2}, {"statusSize": 0}, {"statusSize": "2"}, {"statusMessage": []}])
def test_an_entry_of_several_bits_is_not_read_as_one_bit(members):
    base = foreign()
    value = edited(base.secured(base.jws(HEADER)), put("credentialStatus", status_entry(WORLD, **members)))
    assert World().report(value).outcome is Outcome.REFUSED
    own = edited(BASES[0].secured(BASES[0].jws(HEADER)), lambda value: value["credentialStatus"].update(members))
    assert World().report(own).problem == "SCHEMA_INVALID"


@pytest.mark.parametrize("ttl", [0, -1, 300_000, 10**12])
def test_a_list_with_a_ttl_is_of_another_specification(ttl):
    value = edited(resigned(), put("credentialSubject.ttl", ttl))
    assert {str(outcome) for outcome in listed(value)} == {"reject:STATUS_VERIFICATION_ERROR"}
