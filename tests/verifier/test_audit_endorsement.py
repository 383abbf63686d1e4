"""The certificates above an endorsement key in a bundle: each of their faults is named, and none passes for trust."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from schemas import base64url, digests, times
from tests.fakes import tpm_maker as maker
from tests.fakes.verifier import World
from tests.fakes.windows import CERTIFICATE, CERTIFICATES, EK_PUBLIC, EK_ROOT, WindowWorld
from tests.verifier.bundles import AUDITOR, CREATED, audited, bundled, files_of, folder_of
from verifier.audit_bundle import write_bundle
from verifier.audit_make import collect
from verifier.errors import UsageError
from verifier.moments import read_moment
from verifier.policy import read_policy
from verifier.report import Outcome

EK_KEY = maker.private_key("p256", "ek").public_key()
CA = CERTIFICATES[1]
IFX = {"uses": ("key_agreement",), "names": maker.tpm_names("id:49465800", "SLB9672")}
OTHER_KEY = maker.private_key("p256", "other").public_key()
ENROLLED = datetime(2026, 11, 20, 20, tzinfo=UTC)


def verdict(tmp_path, chain=CERTIFICATES, *, policy=AUDITOR, enrolment_class="tpm-hardware", now=None, **record):
    """Audit a window of a node whose enrolment names ``chain``, all of it in the bundle."""
    place = WindowWorld(World(policy=AUDITOR), enrolment_class=enrolment_class)
    place.enrolment = place.enrol(ek_certificates=tuple(map(digests.digest, chain)), **record)
    place.close()
    files = {name: raw for name, raw in files_of(place).items() if raw not in CERTIFICATES}
    files |= {f"chain-{number}": raw for number, raw in enumerate(chain)}
    path = bundled(tmp_path, files)
    return audited(path, policy=policy) if now is None else audited(path, policy=policy, now=now)


def trusting(**roots):
    return msgspec.structs.replace(AUDITOR, tpm_roots=roots)


def test_a_chain_to_a_root_of_the_policy_holds_and_says_nothing(tmp_path):
    report = verdict(tmp_path)
    assert report.outcome is Outcome.VERIFIED, report.findings
    assert {one.problem for one in report.findings} == {"EVIDENCE_FROM_FOLDER"}


def test_a_fingerprint_counts_in_capitals_too(tmp_path):
    policy = trusting(**{EK_ROOT.fingerprint.upper(): "hardware"})
    assert verdict(tmp_path, policy=policy).outcome is Outcome.VERIFIED


def test_a_root_that_nobody_named_leaves_the_verdict_open(tmp_path):
    report = verdict(tmp_path, policy=trusting())
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "EK_CHAIN_UNTRUSTED")
    assert EK_ROOT.fingerprint in report.detail
    assert "tpm_roots" in report.detail


def test_an_emulators_root_that_nobody_named_is_a_warning(tmp_path):
    report = verdict(tmp_path, policy=trusting(), enrolment_class="tpm-emulated")
    assert report.outcome is Outcome.VERIFIED
    assert any("emulator" in one.detail for one in report.findings)


@pytest.mark.parametrize("vouched", ["virtual", "emulated"])
def test_a_root_of_another_class_than_the_record_says_is_refused(tmp_path, vouched):
    report = verdict(tmp_path, policy=trusting(**{EK_ROOT.fingerprint: vouched}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")
    assert vouched in report.detail


def elsewhere(common="A maker's CA", **options):
    """Return a CA of the same name under the same root's name, by another key."""
    return maker.authority(common, maker.authority("A maker's root", kind="p384"), **options)


EXPIRED = {"begin": datetime(2020, 1, 1, tzinfo=UTC), "end": ENROLLED - timedelta(days=1)}
LATER = {"begin": ENROLLED + timedelta(days=1), "end": datetime(2040, 1, 1, tzinfo=UTC)}


def under(root, leaf_options=None, **ca):
    """Return a chain of a CA with these options under the trusted root."""
    authority = maker.authority("A maker's CA", root, **ca)
    return maker.ek_certificate(authority, EK_KEY, **{**IFX, **(leaf_options or {})}), authority.raw, EK_ROOT.raw


FAULTS = {
    "another key's certificate": (
        lambda: (maker.ek_certificate(EK_ROOT, OTHER_KEY, **IFX), EK_ROOT.raw),
        "EK_CERTIFICATE_MISMATCH",
    ),
    "a CA that the root never signed": (
        lambda: (maker.ek_certificate(elsewhere(), EK_KEY, **IFX), elsewhere().raw, EK_ROOT.raw),
        "EK_CHAIN_UNTRUSTED",
    ),
    "a signature that does not hold": (
        lambda: (CERTIFICATE[:-4] + bytes([CERTIFICATE[-4] ^ 1]) + CERTIFICATE[-3:], *CERTIFICATES[1:]),
        "EK_CHAIN_UNTRUSTED",
    ),
    "a link that is left out": (lambda: (CERTIFICATE, EK_ROOT.raw), "EK_CHAIN_UNTRUSTED"),
    "the key's own certificate alone": (lambda: (CERTIFICATE,), "EK_CHAIN_UNTRUSTED"),
    "a root of the same name in the place of the root": (
        lambda: (*CERTIFICATES[:2], maker.authority("A maker's root", kind="p384").raw),
        "EK_CHAIN_UNTRUSTED",
    ),
    "another order": (lambda: (CERTIFICATE, EK_ROOT.raw, CA), "EVIDENCE_MISMATCH"),
    "a certificate that is not on the way": (
        lambda: (CERTIFICATE, elsewhere("Nobody").raw, CA, EK_ROOT.raw),
        "EVIDENCE_MISMATCH",
    ),
    "a certificate that had expired at enrolment": (lambda: under(EK_ROOT, EXPIRED), "EK_CERTIFICATE_EXPIRED"),
    "a certificate that was not valid yet": (lambda: under(EK_ROOT, LATER), "EK_CERTIFICATE_EXPIRED"),
    "a CA that had expired at enrolment": (lambda: under(EK_ROOT, **EXPIRED), "EK_CHAIN_UNTRUSTED"),
    "what is no CA in between": (lambda: under(EK_ROOT, ca=False), "EK_CHAIN_UNTRUSTED"),
    "a certificate for another purpose": (lambda: under(EK_ROOT, {"purposes": ()}), "EK_REFUSED"),
    "another maker than the record says": (
        lambda: under(EK_ROOT, {"names": maker.tpm_names("id:53544D20", "ST33")}),
        "EVIDENCE_MISMATCH",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chain_that_does_not_hold_is_refused_by_its_fault(tmp_path, fault):
    chain, problem = FAULTS[fault]
    report = verdict(tmp_path, chain())
    assert (report.outcome, report.problem) == (Outcome.REFUSED, problem), report.findings
    assert "endorsement key" in report.detail


def test_an_unreadable_certificate_is_refused(tmp_path):
    report = verdict(tmp_path, (b"\x30\x82" + CERTIFICATE[2:-1], *CERTIFICATES[1:]))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EK_CERTIFICATE_MALFORMED")


def test_dates_are_judged_for_the_day_of_the_enrolment(tmp_path):
    shortly = {"begin": ENROLLED - timedelta(days=1), "end": ENROLLED + timedelta(days=1)}
    chain = under(EK_ROOT, shortly, **shortly)
    report = verdict(tmp_path, chain, now=read_moment("2036-01-01T00:00:00Z", "--at"))
    assert report.outcome is Outcome.VERIFIED, report.findings


def test_a_weak_or_odd_endorsement_key_is_refused(tmp_path):
    odd = bytearray(EK_PUBLIC)
    odd[7] ^= 4
    report = verdict(tmp_path, ek_public=base64url.encode(bytes(odd)), ek=digests.digest(bytes(odd)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EK_REFUSED")


def test_a_tpm_that_is_known_to_leak_its_keys_is_refused(tmp_path):
    place = WindowWorld(World(policy=AUDITOR))
    place.node.firmware = 0x0047_0000_0000_0000
    chain = under(EK_ROOT, {"names": maker.tpm_names("id:53544D20", "ST33")})
    place.enrolment = place.enrol(manufacturer="STM", ek_certificates=tuple(map(digests.digest, chain)))
    place.close()
    files = {name: raw for name, raw in files_of(place).items() if raw not in CERTIFICATES}
    report = audited(bundled(tmp_path, files | {f"c{number}": raw for number, raw in enumerate(chain)}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "TPM_DENIED")


def test_other_certificates_in_the_place_of_those_that_are_named_are_refused(tmp_path):
    place = WindowWorld(World(policy=AUDITOR))
    place.close()
    root = maker.authority("Another maker")
    foreign = maker.ek_certificate(root, EK_KEY, **IFX)
    files = {name: raw for name, raw in files_of(place).items() if raw != CERTIFICATE}
    report = audited(bundled(tmp_path, files | {"foreign": foreign}))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")
    assert digests.digest(foreign) in report.detail


def test_a_certificate_too_many_harms_nothing(tmp_path):
    place = WindowWorld(World(policy=AUDITOR))
    place.close()
    report = audited(bundled(tmp_path, files_of(place) | {"more": maker.authority("Another maker").raw}))
    assert report.outcome is Outcome.VERIFIED


MISSING = (Outcome.INCONCLUSIVE, "EK_CERTIFICATES_MISSING")


def without(tmp_path, *left_out, policy=AUDITOR, **options):
    """Audit a window of a node from whose bundle these certificates were left out."""
    place = WindowWorld(World(policy=AUDITOR), **options)
    place.close()
    files = {name: raw for name, raw in files_of(place).items() if raw not in left_out}
    return audited(bundled(tmp_path, files), policy=policy)


@pytest.mark.parametrize("enrolment_class", ["tpm-hardware", "tpm-virtual"])
@pytest.mark.parametrize("left_out", [CERTIFICATES, CERTIFICATES[:1], CERTIFICATES[1:2], CERTIFICATES[2:]])
def test_certificates_that_are_left_out_leave_the_verdict_open_as_an_unknown_root_does(
    tmp_path, enrolment_class, left_out
):
    report = without(tmp_path, *left_out, policy=trusting(), enrolment_class=enrolment_class)
    assert (report.outcome, report.problem) == MISSING
    assert "--from-issuer" in report.detail
    assert digests.digest(left_out[0]) in report.detail


def test_an_emulators_certificates_that_are_left_out_are_a_warning(tmp_path):
    report = without(tmp_path, *CERTIFICATES, enrolment_class="tpm-emulated")
    assert report.outcome is Outcome.VERIFIED
    assert any("missing from the bundle" in one.detail for one in report.findings)


def test_digests_of_certificates_that_never_existed_show_nothing(tmp_path):
    place = WindowWorld(World(policy=AUDITOR))
    place.enrolment = place.enrol(ek_certificates=(digests.digest(b"none"),), manufacturer="INTC")
    place.close()
    files = {name: raw for name, raw in files_of(place).items() if raw not in CERTIFICATES}
    report = audited(bundled(tmp_path, files))
    assert (report.outcome, report.problem) == MISSING


def test_an_enrolment_that_names_no_certificate_leaves_the_verdict_open(tmp_path):
    report = verdict(tmp_path, (), enrolment_class="tpm-virtual")
    assert (report.outcome, report.problem) == MISSING
    assert "names no certificate" in report.detail


def test_an_enrolment_of_the_same_key_does_not_stand_in_for_the_one_that_the_window_names(tmp_path):
    place = WindowWorld(World(policy=AUDITOR))
    place.close()
    honest = place.enrolment
    for number in range(4):  # whichever of them is read last
        named = (digests.digest(b"none %d" % number),)
        place.enrolment = place.enrol(ek_certificates=named)
        report = audited(bundled(tmp_path, files_of(place) | {"honest": honest}, f"{number}.zip"))
        assert report.outcome is not Outcome.VERIFIED


def test_an_enrolment_under_another_name_is_not_used_unseen(tmp_path):
    place = WindowWorld(World(policy=AUDITOR))
    place.enrolment = place.enrol(ek_certificates=(digests.digest(b"none"),))
    made = place.close()
    # A second piece of evidence that names the record as its own bytes: whose key is not there, it is not read.
    value = place.unsecured(made)
    digest = digests.digest(place.enrolment)
    second = {name: member for name, member in value["evidence"][0].items() if name != "inlineEvidence"}
    del second["enrolmentDigest"]
    second |= {"id": f"{place.world.base}/evidence/{digest}", "digestMultibase": digest}
    second |= {"type": ["SoftwareSignatureEvidence"], "mediaType": "application/jose"}
    value["evidence"].append(second)
    files = files_of(place) | {"w0": json.dumps(place.world.issuer.sign(value)).encode()}
    files = {name: raw for name, raw in files.items() if raw not in CERTIFICATES and name[0] not in "nri"}

    collected = collect(folder_of(tmp_path / "files", files))
    listed = {
        (msgspec.structs.replace(entry, kind="evidence") if entry.kind == "enrolment" else entry): raw
        for entry, raw in collected.files.items()
    }
    write_bundle(tmp_path / "b.zip", listed, created=CREATED)
    assert audited(tmp_path / "b.zip").outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "toml",
    [b'[tpm_roots]\n"abc" = "hardware"', b'[tpm_roots]\n"%s" = "software"' % (b"a" * 64), b'tpm_roots = ["a"]'],
)
def test_a_policy_with_another_form_of_root_is_refused(toml):
    with pytest.raises(UsageError, match="the policy cannot be read"):
        read_policy(toml)


def test_the_record_is_of_the_day_that_the_tests_mean():
    node = WindowWorld().node
    assert abs(times.from_microseconds(node.wall_us) - ENROLLED) < timedelta(days=1)
