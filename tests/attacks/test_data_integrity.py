"""Rows VD: proofs that are false, malformed, missing, too many, or somebody else's."""

from schemas import base64url
from tests.attacks.catalogue import attack, of_report, waits
from tests.attacks.edits import (
    FOREIGN,
    GOOD,
    WORLD,
    at_top,
    encoded,
    ours,
    raw,
    signed,
    strange,
    verdict,
    with_document,
)
from tests.fakes.foreign import foreign, unsigned
from tests.fakes.verifier import Signatory, World, drop, edited, put, signer
from verifier.policy import Policy

SHAPE = "our types have a closed shape with one proof (decision 0003), which is checked before the proof"
ISSUER = WORLD.issuer
HEADER, _, SIGNATURE = FOREIGN["proof"]["jws"].split(".")
BYTES = base64url.decode(SIGNATURE)

waits("VC 2.0 Data Integrity suites", "VD023", "VD026", "VD027", "VD030", "VD031", "VD033")


def proofs(*several):
    return strange(put("proof", [*several]))


# --- the signature -------------------------------------------------------------------------------------------


@attack("VD001", "reject:PROOF_VERIFICATION_ERROR")
def test_one_digit_of_a_figure_breaks_the_signature(expected):
    for name in ("energyKwh", "operationalEmissionsGco2e", "acceleratorActiveKwh", "carbonIntensityGco2ePerKwh"):
        figure = GOOD["credentialSubject"][name]
        expected.met_by(ours(put(f"credentialSubject.{name}", f"{figure}1")))
        expected.met_by(ours(put(f"credentialSubject.{name}", str(int(figure[0]) + 1) + figure[1:])))
    expected.met_by(
        ours(put("credentialSubject.modelId", "meta-llama/Llama-3.1-70B-instruct")),
        ours(put("issuanceDate", "2026-11-20T20:01:06Z")),
        ours(put("credentialSubject.assurance", "tpm-hardware")),
        strange(put("credentialSubject.modelId", "other")),
        strange(put("proof.created", "2026-11-20T20:01:06Z")),
    )


def test_the_same_documents_unchanged_verify():
    assert ours().meets("accept")
    assert strange().meets("accept")


@attack("VD002", "reject:PROOF_VERIFICATION_ERROR")
def test_one_bit_of_the_signature_breaks_it(expected):
    for bit in range(0, 512, 7):
        flipped = bytearray(BYTES)
        flipped[bit // 8] ^= 1 << bit % 8
        expected.met_by(strange(put("proof.jws", f"{HEADER}..{base64url.encode(bytes(flipped))}")))
    for other in (bytes(64), b"\xff" * 64, BYTES[32:] + BYTES[:32], b"\0" + BYTES, BYTES[:-1], b""):
        expected.met_by(strange(put("proof.jws", f"{HEADER}..{base64url.encode(other)}")))


@attack("VD003", "reject:MALFORMED_VALUE_ERROR")
def test_a_signature_in_another_encoding_is_malformed(expected):
    last = SIGNATURE[-1]
    twin = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = twin[twin.index(last) + 1]
    for text in (
        f"{HEADER}..{SIGNATURE}=",
        f"{HEADER}..{SIGNATURE}==",
        f"{HEADER}..{SIGNATURE[:-1]}{loose}",
        f"{HEADER}..{SIGNATURE[:-1]}+",
        f"{HEADER}.. {SIGNATURE}",
        f"{HEADER}..{SIGNATURE[:40]}/{SIGNATURE[41:]}",
        f"{HEADER}..{SIGNATURE[:-1]}\u00e9",
    ):
        expected.met_by(strange(put("proof.jws", text)), ours(put("proof.jws", text)))


# --- its dates -----------------------------------------------------------------------------------------------


@attack("VD006", "accept-with-warning:PROOF_DATE")
def test_a_proof_dated_outside_of_the_validity_is_pointed_out(expected):
    for created in ("2016-11-20T20:01:05Z", "2026-11-20T20:01:04Z", "1971-01-01T00:00:00Z"):
        expected.met_by(verdict(WORLD.credential(created=created)))
    expected.met_by(verdict(foreign(WORLD, created="2020-01-01T00:00:00Z")))


NO_DATES = [
    "yesterday",
    "2026-11-20T20:01:05",
    "2026-11-20",
    "2026-12-31T23:59:60Z",
    "10000-01-01T00:00:00Z",
    "+12026-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20t20:01:05z",
    "2026-11-20 20:01:05Z",
    "1763668865",
    "\u0662026-11-20T20:01:05Z",
    " 2026-11-20T20:01:05Z",
]


@attack("VD008", "reject:MALFORMED_VALUE_ERROR")
def test_a_proof_of_no_date_is_malformed_though_it_is_signed(expected):
    expected.met_by(*(verdict(foreign(WORLD, created=created)) for created in NO_DATES))
    expected.met_by(strange(put("proof.created", 1763668865)), strange(put("proof.created", ["2026-11-20T20:01:05Z"])))


@attack("VD008", "reject:SCHEMA_INVALID", differs=SHAPE)
def test_a_proof_of_no_date_is_outside_our_shape(expected):
    expected.met_by(
        *(ours(put("proof.created", created)) for created in (*NO_DATES, 0, None, "2026-11-20T20:01:05.5Z"))
    )


# --- its purpose and its key ---------------------------------------------------------------------------------


@attack("VD009", "reject:INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD")
def test_a_proof_for_another_purpose_asserts_nothing(expected):
    for purpose in ("authentication", "keyAgreement", "capabilityInvocation", "capabilityDelegation"):
        expected.met_by(verdict(foreign(WORLD, purpose=purpose)))


@attack("VD009", "reject:SCHEMA_INVALID", differs=SHAPE)
def test_a_proof_for_another_purpose_is_outside_our_shape(expected):
    expected.met_by(verdict(WORLD.credential(purpose="authentication")))


@attack("VD010", "reject:PROOF_VERIFICATION_ERROR")
def test_a_purpose_that_is_missing_listed_or_unknown_is_refused(expected):
    expected.met_by(
        verdict(signed(unsigned(WORLD), drops=("proofPurpose",))),
        verdict(signed(unsigned(WORLD), proofPurpose="https://w3id.org/security#assertionMethod")),
        verdict(signed(unsigned(WORLD), proofPurpose="https://evil.example/anything")),
        strange(drop("proof.proofPurpose")),
        strange(put("proof.proofPurpose", ["assertionMethod"])),
        strange(put("proof.proofPurpose", ["assertionMethod", "authentication"])),
        strange(put("proof.proofPurpose", {"id": "https://w3id.org/security#assertionMethod"})),
        strange(put("proof.proofPurpose", None)),
        strange(put("proof.proofPurpose", "AssertionMethod")),
    )


@attack("VD013", "reject:INVALID_VERIFICATION_METHOD")
def test_a_key_that_somebody_else_controls_is_not_the_issuers(expected):
    document = ISSUER.document()
    for controller in ("did:web:evil.example", f"{ISSUER.did}:b", [ISSUER.did], None, ""):
        other = edited(document, put("verificationMethod.0.controller", controller))
        expected.met_by(of_report(with_document(other).report(GOOD)))


@attack("VD016", "reject:UNTRUSTED_ISSUER")
def test_a_name_beside_a_key_of_ones_own_makes_nobody_trusted(expected):
    attacker = Signatory(signer(66))
    trusting = Policy(trusted_issuers=(ISSUER.did,))
    for issuer in (
        attacker.did,
        {"id": attacker.did, "https://schema.org/name": "Meridian Compute"},
        {"id": attacker.did, "https://schema.org/name": ISSUER.did},
    ):
        world = World(issuer=attacker, policy=trusting)
        expected.met_by(of_report(world.report(foreign(world, put("issuer", issuer)))))
    world = World(issuer=attacker, policy=trusting)
    expected.met_by(of_report(world.report(world.credential())))
    assert of_report(World(policy=trusting).report(GOOD)).meets("accept")


@attack("VD019", "reject:NO_PROOF")
def test_what_nobody_signed_is_never_valid(expected):
    for nothing in (None, [], {}, "x", [{}], [None], ["x"], 0, True, [[FOREIGN["proof"]]], [FOREIGN["proof"], "x"]):
        expected.met_by(ours(put("proof", nothing)), strange(put("proof", nothing)))
    expected.met_by(ours(drop("proof")), strange(drop("proof")))


# --- more than one proof -------------------------------------------------------------------------------------


@attack("VD022", "reject:PROOF_VERIFICATION_ERROR")
def test_a_bad_proof_beside_a_good_one_refuses_in_either_order(expected):
    good = FOREIGN["proof"]
    for bad in (
        {**good, "created": "2026-11-20T20:01:06Z"},
        {**good, "jws": f"{HEADER}..{base64url.encode(bytes(64))}"},
        {**good, "type": "Ed25519Signature2020"},
        {**good, "type": "DataIntegrityProof"},
    ):
        expected.met_by(proofs(bad, good), proofs(good, bad), proofs(good, bad, good))


@attack("VD022", "reject:SCHEMA_INVALID", differs=SHAPE)
def test_our_credentials_have_one_proof(expected):
    good = GOOD["proof"]
    bad = {**good, "created": "2026-11-20T20:01:06Z"}
    expected.met_by(ours(put("proof", [bad, good])), ours(put("proof", [good, bad])), ours(put("proof", [good])))


def test_a_proof_of_somebody_else_beside_a_good_one_refuses_too():
    other = Signatory(signer(66)).sign(FOREIGN)["proof"]
    for both in ([other, FOREIGN["proof"]], [FOREIGN["proof"], other]):
        assert proofs(*both).meets("reject:INVALID_VERIFICATION_METHOD")


def test_two_good_proofs_of_the_issuer_are_accepted():
    later = ISSUER.sign(FOREIGN, created="2026-11-20T20:05:00Z")["proof"]
    assert proofs(FOREIGN["proof"], later).meets("accept")


@attack("VD024", "accept-with-warning:DUPLICATE_PROOF")
def test_the_same_proof_twice_is_pointed_out(expected):
    good = FOREIGN["proof"]
    expected.met_by(proofs(good, good), proofs(good, {name: good[name] for name in reversed(good)}))


@attack("VD025", "reject:RESOURCE_LIMIT")
def test_more_than_four_proofs_are_not_checked(expected):
    good = FOREIGN["proof"]
    expected.met_by(proofs(*[good] * 5), proofs(*[good] * 1_000), proofs(*[{"type": "x"}] * 10_000))
    expected.met_by(raw(encoded(edited(FOREIGN, put("proof", [good] * 10_000)))))


def test_a_chain_in_a_proof_of_this_suite_is_no_signed_member():
    for previous in ("urn:uuid:missing", ["urn:uuid:missing"], FOREIGN["proof"].get("id", "urn:x:itself")):
        assert strange(put("proof.previousProof", previous)).meets("reject:UNSIGNED_CLAIM")


@attack("VD028", "reject:UNSIGNED_CLAIM")
def test_a_member_of_the_proof_that_no_context_defines_is_found(expected):
    for name in ("x", "kwh", "Nonce", "signatureValue", "energyKwh2"):
        expected.met_by(strange(at_top_of_proof(name, "x")))


@attack("VD028", "reject:SCHEMA_INVALID", differs=SHAPE)
def test_a_further_member_of_the_proof_is_outside_our_shape(expected):
    for name in ("x", "nonce", "challenge", "domain", "expires", "id", "@id"):
        expected.met_by(ours(at_top_of_proof(name, "urn:x:y")))


@attack("VD028", "reject:PROOF_VERIFICATION_ERROR", differs="nonce is defined by the suite's context, so it is signed")
def test_a_nonce_is_signed_so_adding_one_breaks_the_signature(expected):
    for name in ("nonce", "challenge", "domain"):
        expected.met_by(strange(at_top_of_proof(name, "x")))


def at_top_of_proof(name, value):
    return lambda target: at_top(name, value)(target["proof"])


# --- the JSON ----------------------------------------------------------------------------------------------------


@attack("VD032", "reject:PARSING_ERROR")
def test_a_member_that_stands_twice_is_not_json_that_is_read(expected):
    text = encoded()
    for name, second in (("issuer", '"did:web:evil.example"'), ("energyKwh", '"0.1"'), ("proof", "{}"), ("type", "[]")):
        expected.met_by(raw(text.replace(f'"{name}":'.encode(), f'"{name}": {second}, "{name}":'.encode(), 1)))
    escaped = text.replace(b'"energyKwh":', b'"energyKw\\u0068": "0.1", "energyKwh":', 1)
    expected.met_by(raw(escaped), raw(text[:-1] + b', "id": "x"}'))
