"""Rows VD013, VD034 to VD037: the key behind a proof is the issuer's own, for this, and a key at all."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from did import base58
from did.documents import PublishedKey
from did.multikey import encode as multikey
from did.signers import SoftwareSigner
from schemas import base64url
from tests.attacks.catalogue import attack, of_report
from tests.attacks.edits import FOREIGN, GOOD, WORLD, signed, with_document
from tests.fakes.foreign import unsigned
from tests.fakes.verifier import ENGINE, Signatory, World, edited, fetched, put, signer
from verifier.evidence import Evidence
from verifier.suites import json_web_signature_2020 as suite

ISSUER = WORLD.issuer


@attack("VD034", "reject:PROOF_VERIFICATION_ERROR")
def test_a_p_384_key_signs_with_sha_384_and_no_other(expected):
    vendor = ec.generate_private_key(ec.SECP384R1())
    key = SoftwareSigner(vendor)
    world = with_document(
        ISSUER.document(PublishedKey("key-1", ISSUER.key.public_key), PublishedKey("key-2", key.public_key))
    )
    value = unsigned(WORLD)
    good = signed(value, key=key, algorithm="ES384", verificationMethod=f"{ISSUER.did}#key-2")
    assert of_report(world.report(good)).meets("accept")
    header = good["proof"]["jws"].partition(".")[0]
    options = {name: member for name, member in good["proof"].items() if name != "jws"}
    message = header.encode() + b"." + suite.hash_data(value, options, ENGINE)
    for hash_of in (hashes.SHA256(), hashes.SHA512()):
        r, s = decode_dss_signature(vendor.sign(message, ec.ECDSA(hash_of)))
        signature = base64url.encode(r.to_bytes(48, "big") + s.to_bytes(48, "big"))
        expected.met_by(of_report(world.report(edited(good, put("proof.jws", f"{header}..{signature}")))))


POINT = base58.decode(multikey(ISSUER.key.public_key)[1:])[2:]
P256, P384, ED25519 = b"\x80\x24", b"\x81\x24", b"\xed\x01"
FALSE_KEYS = {
    "an Ed25519 prefix before a P-256 point": ED25519 + POINT,
    "a P-384 prefix before a P-256 point": P384 + POINT,
    "32 bytes": P256 + POINT[:-1],
    "34 bytes": P256 + POINT + b"\0",
    "an uncompressed point": P256 + b"\x04" + POINT[1:] + POINT[1:],
    "a point off the curve": P256 + b"\x02" + b"\xff" * 32,
    "no sign byte": P256 + b"\x00" + POINT[1:],
    "the point at infinity": P256 + bytes(33),
    "an Ed25519 point of small order": ED25519 + b"\x01" + bytes(31),
}


def with_multikey(text):
    method = {"id": ISSUER.method, "type": "Multikey", "controller": ISSUER.did, "publicKeyMultibase": text}
    return with_document(edited(ISSUER.document(), put("verificationMethod", [method])))


def test_the_issuers_key_as_a_multikey_verifies():
    assert of_report(with_multikey(multikey(ISSUER.key.public_key)).report(GOOD)).meets("accept")


@attack("VD035", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_multikey_that_is_no_point_of_its_curve_is_no_key(expected):
    for content in FALSE_KEYS.values():
        expected.met_by(of_report(with_multikey("z" + base58.encode(content)).report(GOOD)))


@attack("VD036", "reject:PROOF_VERIFICATION_ERROR")
def test_another_valid_key_of_the_issuer_did_not_sign_this(expected):
    second = signer(12)
    world = with_document(
        ISSUER.document(PublishedKey("key-1", ISSUER.key.public_key), PublishedKey("key-2", second.public_key))
    )
    for value in (GOOD, FOREIGN):
        swapped = edited(value, put("proof.verificationMethod", f"{ISSUER.did}#key-2"))
        expected.met_by(of_report(world.report(swapped)))
    by_the_second = Signatory(second, ISSUER.did).sign(FOREIGN)
    expected.met_by(of_report(world.report(by_the_second)))


@attack("VD037", "reject:INVALID_VERIFICATION_METHOD")
def test_one_tenant_cannot_sign_for_another(expected):
    mine, other = Signatory(signer(21), "did:web:x.example:tenants:a"), "did:web:x.example:tenants:b"
    documents = {
        mine.did: fetched("https://x.example/tenants/a/did.json", mine.document()),
        other: fetched("https://x.example/tenants/b/did.json", Signatory(signer(22), other).document()),
    }
    for issuer in (other, "did:web:x.example", "did:web:x.example:tenants", "did:web:x.example:tenants:a:b"):
        # Each has a document and a key of its own; the signature is the tenant's, and good.
        document = documents.get(issuer) or fetched(
            "https://x.example/did.json", Signatory(signer(22), issuer).document()
        )
        world = World(issuer=Signatory(signer(22), issuer), overrides={issuer: document})
        evidence = world.evidence().joined(Evidence(did_documents=documents))
        for value in (world.unsecured(), unsigned(world)):
            expected.met_by(of_report(world.report(mine.sign(value), evidence)))
