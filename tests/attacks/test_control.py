"""Rows VC: what is good is accepted, so that nobody passes the other rows by refusing everything."""

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from did.documents import PublishedKey
from did.signers import SoftwareSigner
from schemas import base64url, json_schema, status
from tests.attacks.catalogue import attack, of_call, of_report, waits
from tests.fakes.foreign import foreign
from tests.fakes.verifier import (
    ENGINE,
    ENGINES,
    INDEX,
    NOW,
    Signatory,
    World,
    edited,
    example,
    fetched,
    judge_presentation,
    presentation,
    put,
    signer,
)
from verifier import document
from verifier.rdf.canonicalize import canonical_nquads
from verifier.suites.json_web_signature_2020 import create_proof
from verifier.verify import verify_credential

WORLD = World()
GOOD = WORLD.credential()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

waits("SD-JWT VC", "VC006")
waits("transparency log", "VC004")


@pytest.fixture(scope="module")
def rsa():
    return SoftwareSigner.generate("PS256")


def signed_by(key, algorithm):
    """Return our credential signed by a second key of the issuer, of any kind, and the world that has its document."""
    did = WORLD.issuer.did
    unsecured = WORLD.unsecured()
    proof = create_proof(
        unsecured,
        signer=key,
        algorithm=algorithm,
        verification_method=f"{did}#key-2",
        created="2026-11-20T20:01:05Z",
        purpose="assertionMethod",
        canonicalizer=ENGINE,
    )
    return with_keys(PublishedKey("key-1", WORLD.issuer.key.public_key), PublishedKey("key-2", key.public_key)), {
        **unsecured,
        "proof": proof,
    }


def with_keys(*keys):
    """Return a world in which the issuer has published other keys."""
    did_document = fetched("https://oracle.example/.well-known/did.json", WORLD.issuer.document(*keys))
    return World(overrides={WORLD.issuer.did: did_document})


def of_kind(name):
    """Return a window or a summary of ours, signed by the world's issuer, with its status in the world's lists."""
    value = example(name)
    value["issuer"] = WORLD.issuer.did
    value["credentialSubject"]["assurance"] = "software"
    value["credentialSchema"]["digestMultibase"] = json_schema.schema_digest(value["credentialSchema"]["id"])
    lists, index = WORLD.lists, value["credentialStatus"]["statusListIndex"]
    value["credentialStatus"] |= {
        "id": f"{lists['revocation']}#{index}",
        "statusListCredential": lists["revocation"],
        "suspensionListCredential": lists["suspension"],
    }
    return value


@attack("VC001", "accept")
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_a_credential_that_nobody_touched_is_accepted_whatever_key_signed_it(expected, algorithm):
    world, value = signed_by(SoftwareSigner.generate(algorithm), algorithm)
    expected.met_by(of_report(world.report(value)))


@attack("VC001", "accept")
def test_a_credential_signed_with_rsa_pss_is_accepted(expected, rsa):
    world, value = signed_by(rsa, "PS256")
    expected.met_by(of_report(world.report(value)))


@attack("VC001", "accept")
def test_a_summary_a_stranger_and_a_did_key_are_accepted(expected):
    own_key = World(issuer=Signatory(signer(9)))
    expected.met_by(
        of_report(WORLD.report(WORLD.issuer.sign(of_kind("summary.vc11.json")))),
        of_report(WORLD.report(foreign(WORLD))),
        of_report(own_key.report(own_key.credential())),
        of_report(judge_presentation(WORLD, presentation(GOOD))),
    )


@attack("VC002", "accept")
def test_members_in_another_order_and_white_space_change_nothing(expected):
    def backwards(value):
        return {name: backwards(value[name]) for name in reversed(value)} if isinstance(value, dict) else value

    def verdict(raw):
        parsed = document.parse(raw)
        return verify_credential(parsed, WORLD.evidence(), WORLD.policy, NOW, engines=ENGINES)

    for value in (GOOD, foreign(WORLD)):
        expected.met_by(
            of_report(verdict(json.dumps(backwards(value)).encode())),
            of_report(verdict(json.dumps(value, indent="\t").replace("\n", "\r\n").encode())),
            of_report(verdict(b" \n" + json.dumps(value, sort_keys=True, ensure_ascii=False).encode() + b"\r\n\t ")),
        )


@attack("VC003", "accept")
def test_a_signature_with_a_high_s_and_its_twin_are_both_accepted(expected):
    header, _, signature = GOOD["proof"]["jws"].split(".")
    raw = base64url.decode(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    twin = r.to_bytes(32, "big") + (P256_ORDER - s).to_bytes(32, "big")
    assert encode_dss_signature(r, s) != encode_dss_signature(r, P256_ORDER - s)
    other = edited(GOOD, put("proof.jws", f"{header}..{base64url.encode(twin)}"))
    expected.met_by(of_report(WORLD.report(GOOD)), of_report(WORLD.report(other)))


def test_the_twin_of_a_signature_makes_no_second_credential():
    header, _, signature = GOOD["proof"]["jws"].split(".")
    raw = base64url.decode(signature)
    twin = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = edited(GOOD, put("proof.jws", f"{header}..{base64url.encode(twin)}"))
    found = of_report(judge_presentation(WORLD, presentation(GOOD, other)))
    assert found.meets("accept-with-warning:DUPLICATE_CREDENTIAL")


def test_a_credential_of_a_retired_key_is_accepted_with_a_warning():
    """VC004 for as long as there is no log: only the proof's own date speaks, and the warning says so."""
    retired = PublishedKey("key-1", WORLD.issuer.key.public_key, "retired", expires=NOW - timedelta(minutes=30))
    current = PublishedKey("key-2", signer(11).public_key)
    world = with_keys(retired, current)
    assert of_report(world.report(GOOD)).meets("accept-with-warning:KEY_RETIRED")
    late = world.credential(created="2026-11-20T20:30:00Z")
    assert of_report(world.report(late)).meets("reject:KEY_EXPIRED")


@attack("VC005", "reject:PROOF_VERIFICATION_ERROR")
def test_the_same_moment_in_another_spelling_breaks_the_signature_of_a_stranger(expected):
    value = foreign(WORLD, put("expirationDate", "2027-11-20T20:00:00Z"))
    for name in ("issuanceDate", "expirationDate", "proof.created"):
        *folders, last = name.split(".")
        stated = value[folders[0]][last] if folders else value[last]
        expected.met_by(
            of_report(WORLD.report(edited(value, put(name, stated.replace("Z", "+00:00"))))),
            of_report(WORLD.report(edited(value, put(name, stated.replace("Z", ".0Z"))))),
            of_report(WORLD.report(edited(value, put(name, stated.replace("T20:", "T21:").replace("Z", "+01:00"))))),
        )


@attack(
    "VC005",
    "reject:SCHEMA_INVALID",
    differs="our shape has one spelling (decision 0003), and is checked before the proof",
)
def test_the_same_moment_in_another_spelling_is_outside_our_shape(expected):
    names = ("issuanceDate", "credentialSubject.periodEnd", "credentialSubject.periodStart", "proof.created")
    expected.met_by(*(of_report(WORLD.report(edited(GOOD, put(name, "2026-11-20T20:01:04+00:00")))) for name in names))


TEXTS = [
    "Caf\u00e9 \u212bngstr\u00f6m",
    "Cafe\u0301",
    "\U0001f331\U0001f469\u200d\U0001f4bb",
    "נמל תל אביב",
    "مركز",
    '"quoted" \\ back',
]


@attack("VC007", "accept")
@pytest.mark.parametrize("text", TEXTS)
def test_text_of_any_script_and_normal_form_is_signed_as_it_is(expected, text):
    value = WORLD.credential(put("credentialSubject.acceleratorModel", text))
    expected.met_by(of_report(WORLD.report(value)))
    unsecured = {name: member for name, member in value.items() if name != "proof"}
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert f'"{escaped}"'.encode() in canonical_nquads(unsecured)


def at_index(world, index):
    lists = world.lists

    def change(value):
        value["credentialStatus"] |= {"id": f"{lists['revocation']}#{index}", "statusListIndex": str(index)}

    return world.credential(change)


LAST = status.MIN_BYTES * 8 - 1


@attack("VC008", "accept")
def test_the_first_and_the_last_bit_are_read_where_they_are(expected):
    for index in (0, LAST):
        neighbours = {index ^ 1, index ^ 7, 7, 8, LAST - 7, LAST - 8, LAST ^ 0b111, INDEX} - {index}
        world = World(bits={"revocation": neighbours, "suspension": neighbours})
        expected.met_by(of_report(world.report(at_index(world, index))))


@pytest.mark.parametrize("index", [0, LAST])
def test_the_first_and_the_last_bit_count_when_they_are_set(index):
    world = World(bits={"revocation": {index}})
    assert of_report(world.report(at_index(world, index))).meets("reject:REVOKED")
    beyond = World()
    assert of_call(lambda: beyond.report(at_index(beyond, LAST + 1))).meets("reject:RANGE_ERROR")
