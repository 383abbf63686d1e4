"""DID documents from a hostile host (D1), and hostile DIDs: the verdict on a credential that is otherwise good."""

import json

import pytest
from msgspec.structs import replace

from did import base58, multikey
from schemas import base64url
from tests.attacks.catalogue import attack, of_report
from tests.fakes.did import public_key
from tests.fakes.jose import DID_URL, HEADER, ISSUER, foreign, ours
from tests.fakes.verifier import (
    HOLDER,
    MemoryFetcher,
    Signatory,
    World,
    edited,
    fetched,
    judge_presentation,
    presentation,
    put,
    signer,
)
from verifier import document
from verifier.evidence import NOTHING
from verifier.gather import gather
from verifier.report import Outcome

KEY = signer(1).public_key
EVIL = "did:web:evil.example"
METHOD = {"id": f"{ISSUER}#key-1", "type": "JsonWebKey2020", "controller": ISSUER, "publicKeyJwk": {**KEY.jwk}}
BASES = (ours(), foreign())


def served(body, *bases):
    """The outcomes for our own credential and a foreign one, where the host of the issuer answers with this."""
    documents = {ISSUER: fetched(DID_URL, body)}
    return [
        of_report(base.world.report(base.secured(base.jws(HEADER)), replace(base.evidence, did_documents=documents)))
        for base in bases or BASES
    ]


def d1(method=METHOD, **members):
    """A DID document with one method in assertionMethod."""
    plain = {"id": ISSUER, "verificationMethod": [method], "assertionMethod": [f"{ISSUER}#key-1"]}
    return {name: member for name, member in {**plain, **members}.items() if member is not None}


def with_method(**members):
    """D1 whose method has other members; None takes one away."""
    return d1({name: member for name, member in {**METHOD, **members}.items() if member is not None})


def with_jwk(**members):
    return with_method(publicKeyJwk={**KEY.jwk, **members})


def shifted(name, change):
    return with_jwk(**{name: base64url.encode(change(base64url.decode(KEY.jwk[name])))})


def all_of(*documents):
    return [outcome for body in documents for outcome in served(body)]


def test_the_unchanged_document_is_accepted():
    assert [outcome.kind for outcome in served(d1())] == ["accept", "accept"]


@attack("VI001", "reject:INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID")
def test_a_document_is_of_exactly_the_did_that_was_asked_for(expected):
    ids = (
        EVIL,
        "did:web:ORACLE.example",
        f"{ISSUER}#",
        f"{ISSUER}/",
        f"{ISSUER}:a",
        "did:web:oracle.example%3A443",
        "",
    )
    others = (None, 7, [ISSUER], {"id": ISSUER}, DID_URL)
    expected.met_by(*all_of(*(d1(id=other) for other in (*ids, *others))))


@attack("VI003", "accept")
def test_a_relative_method_id_is_the_documents_own(expected):
    relative = {**METHOD, "id": "#key-1"}
    based = ["https://www.w3.org/ns/did/v1", {"@base": ISSUER}]
    evil_base = ["https://www.w3.org/ns/did/v1", {"@base": EVIL}]
    expected.met_by(
        *all_of(
            d1(relative),
            d1(relative, assertionMethod=["#key-1"]),
            d1(METHOD, assertionMethod=["#key-1"]),
            d1(verificationMethod=None, assertionMethod=[relative]),
            *(d1(relative, **{"@context": base}) for base in (based, evil_base)),
        )
    )


@attack("VI004", "reject:INVALID_VERIFICATION_METHOD")
def test_a_method_is_controlled_by_its_own_document(expected):
    controllers = (
        EVIL,
        "",
        None,
        [ISSUER],
        [ISSUER, EVIL],
        {"id": ISSUER},
        "did:web:ORACLE.example",
        f"{ISSUER}#key-1",
    )
    expected.met_by(*all_of(*(with_method(controller=other) for other in controllers)))
    foreign_id = {**METHOD, "id": f"{EVIL}#key-1"}
    expected.met_by(*all_of(d1(foreign_id), d1(foreign_id, assertionMethod=[f"{EVIL}#key-1"])))


@attack("VI005", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_published_private_key_burns_the_document(expected):
    secret = {"kty": "EC", "crv": "P-256", "d": "AA"}
    expected.met_by(
        *all_of(
            *(with_jwk(**{name: "AA"}) for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")),
            d1(service=[{"id": "#s", "type": "X", "serviceEndpoint": {"key": secret}}]),
            d1(capabilityInvocation=[{**METHOD, "id": "#other", "publicKeyJwk": secret}]),
            with_method(privateKeyJwk={}),
            with_method(secretKeyMultibase="z6M"),
        )
    )


@attack("VI006", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_symmetric_key_is_no_key_to_publish(expected):
    symmetric = ({"kty": "oct", "k": "AAAA"}, {"kty": "oct"}, {"kty": "oct", "k": KEY.jwk["x"], "alg": "HS256"})
    expected.met_by(*all_of(*(with_method(publicKeyJwk=jwk) for jwk in symmetric)))


@attack("VI007", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_public_key_is_a_point_of_its_curve_in_its_one_spelling(expected):
    zero = base64url.encode(bytes(32))
    prime = (2**256 - 2**224 + 2**192 + 2**96 - 1).to_bytes(32, "big")
    expected.met_by(
        *all_of(
            with_jwk(y=KEY.jwk["x"]),
            with_jwk(x=KEY.jwk["y"], y=KEY.jwk["x"]),
            with_jwk(x=zero, y=zero),
            with_jwk(y=zero),
            with_jwk(x=base64url.encode(prime), y=zero),
            shifted("x", lambda raw: raw[1:]),
            shifted("x", lambda raw: b"\x00" + raw),
            shifted("y", lambda raw: raw + b"\x00"),
            with_jwk(x=KEY.jwk["x"] + "="),
            with_jwk(crv="P-384"),
            with_jwk(kty="OKP"),
            with_method(
                type="Multikey", publicKeyJwk=None, publicKeyMultibase="z" + base58.encode(b"\x80\x24\x02" + prime)
            ),
        )
    )


@attack("VI009", "reject:INVALID_VERIFICATION_METHOD")
def test_the_key_of_a_method_stands_in_one_place_the_one_of_its_type(expected):
    both = {"publicKeyMultibase": multikey.encode(KEY)}
    base58_key = base58.encode(KEY.encoded_point())
    expected.met_by(
        *all_of(
            with_method(type="Ed25519VerificationKey2018", publicKeyJwk=None, publicKeyBase58=base58_key),
            with_method(type="Ed25519VerificationKey2020", publicKeyJwk=None, **both),
            with_method(**both),
            with_method(type="Multikey", **both),
            with_method(type="Multikey"),
            with_method(publicKeyPem="-----BEGIN PUBLIC KEY-----"),
            with_method(publicKeyJwk=None),
            with_method(type=["JsonWebKey2020", "Multikey"]),
        )
    )


@attack("VI009", "reject:INVALID_VERIFICATION_METHOD")
def test_two_methods_with_one_id_are_ambiguous(expected):
    evil = {**METHOD, "publicKeyJwk": {**signer(66).public_key.jwk}}
    relative = {**evil, "id": "#key-1"}
    expected.met_by(
        *all_of(
            *(
                d1(verificationMethod=pair)
                for pair in ([METHOD, evil], [evil, METHOD], [METHOD, relative], [METHOD] * 2)
            ),
            d1(METHOD, assertionMethod=[evil]),
            d1(METHOD, authentication=[relative]),
        )
    )


@attack("VI010", "reject:KEY_EXPIRED")
def test_a_key_that_had_expired_signs_nothing(expected):
    times = ("2026-11-20T20:01:04Z", "2026-11-20T20:01:05Z", "2020-01-01T00:00:00Z", "2026-11-20T21:01:05+01:00")
    expected.met_by(*all_of(*(with_method(expires=time) for time in times)))
    assert {outcome.kind for outcome in served(with_method(expires="2026-11-20T20:01:06Z"))} == {"accept"}


@attack("VI012", "reject:KEY_REVOKED")
def test_a_revoked_key_proves_nothing_whenever_it_says_that_it_signed(expected):
    times = ("2026-11-20T20:01:06Z", "2026-11-20T20:01:04Z", "2026-11-21T20:00:00Z", "1970-01-01T00:00:00Z")
    expected.met_by(*all_of(*(with_method(revoked=time) for time in times)))
    expected.met_by(*served({**with_method(revoked=times[0]), "assertionMethod": []}))


@attack("VI012", "reject:KEY_REVOKED")
def test_a_revoked_key_is_revoked_under_its_other_ids_too(expected):
    revoked = {**METHOD, "id": f"{ISSUER}#key-0", "revoked": "2026-11-20T20:30:00Z"}
    same = {**revoked, "type": "Multikey", "publicKeyMultibase": multikey.encode(KEY)}
    del same["publicKeyJwk"]
    expected.met_by(*all_of(*(d1(verificationMethod=[METHOD, other]) for other in (revoked, same))))
    other_key = {**revoked, "publicKeyJwk": {**signer(66).public_key.jwk}}
    assert {outcome.kind for outcome in served(d1(verificationMethod=[METHOD, other_key]))} == {"accept"}


class Rotating(MemoryFetcher):
    """A host whose DID document has another key each time."""

    async def fetch(self, url, accept):
        found = await super().fetch(url, accept)
        if url == DID_URL:
            self.documents[url] = Signatory(signer(77), ISSUER, "key-2").document()
        return found


@attack("VI014", "accept")
async def test_a_key_that_rotates_during_a_verification_is_read_once(expected):
    world = World()
    first, second = world.credential(), world.credential(put("id", "urn:uuid:0d9a2f8e-3a5c-4c57-9f2b-2c8f3f0c7a99"))
    shown = presentation(first, edited(second, lambda value: None), holder=HOLDER)
    fetcher = Rotating(world.served())
    evidence = await gather(document.parse_presentation(json.dumps(shown).encode()), NOTHING, fetcher)
    assert fetcher.asked.count(DID_URL) == 1
    report = judge_presentation(world, shown, evidence=evidence)
    expected.met_by(*map(of_report, report.credentials))
    alone = await gather(document.parse(json.dumps(first).encode()), NOTHING, Rotating(world.served()))
    expected.met_by(of_report(world.report(first, alone)))


@attack("VI016", "reject:DID_DEACTIVATED")
def test_a_deactivated_did_has_no_keys(expected):
    expected.met_by(*all_of(*(d1(deactivated=value) for value in (True, "true", 1, "false", {}, [], 0))))


@attack("VI017", "reject:RESOURCE_LIMIT")
def test_a_document_is_small_flat_and_has_few_keys(expected):
    many = [{**METHOD, "id": f"#key-{number}"} for number in range(2, 131)]
    unusable = [{"id": f"#{number}", "controller": ISSUER, "type": "X"} for number in range(1000)]
    deep = b'{"id":"%s","service":%s}' % (ISSUER.encode(), b"[" * 1000 + b"]" * 1000)
    endless = b'{"id":"%s","service":%s' % (ISSUER.encode(), b"[" * 60_000)
    expected.met_by(
        *all_of(
            d1(verificationMethod=many),
            d1(verificationMethod=unusable),
            d1(assertionMethod=[f"{ISSUER}#key-1"] * 1000),
            d1(authentication=many),
            d1(alsoKnownAs=["x" * 2**21]),
            deep,
            endless,
            b"{" * 50_000,
        )
    )


@attack("VI019", "accept")
def test_no_other_did_of_a_document_means_anything(expected):
    service = [{"id": "#s", "type": "LinkedDomains", "serviceEndpoint": "http://169.254.169.254/"}]
    expected.met_by(
        *all_of(
            d1(alsoKnownAs=[EVIL]),
            d1(controller=EVIL),
            d1(controller=[EVIL, ISSUER], alsoKnownAs=[EVIL], equivalentId=[EVIL], canonicalId=EVIL),
            d1(service=service),
            d1(assertionMethod=[f"{EVIL}#key-1", f"{ISSUER}#key-1"]),
        )
    )


async def test_what_a_document_points_to_is_not_fetched():
    world = World()
    evil = d1(alsoKnownAs=[EVIL], controller=EVIL, assertionMethod=[f"{EVIL}#key-1", f"{ISSUER}#key-1"])
    fetcher = MemoryFetcher({**world.served(), DID_URL: evil})
    value = world.credential()
    evidence = await gather(document.parse(json.dumps(value).encode()), NOTHING, fetcher)
    assert world.report(value, evidence).outcome is Outcome.VERIFIED
    assert set(fetcher.asked) == set(world.served())


@attack("VI021", "reject:INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID")
def test_the_document_of_a_host_is_not_that_of_its_tenants(expected):
    tenant = f"{ISSUER}:tenants:b"
    world = World(issuer=Signatory(signer(1), tenant))
    for body in (Signatory(signer(1), ISSUER).document(), Signatory(signer(1), f"{ISSUER}:tenants:a").document()):
        world.overrides[tenant] = fetched("https://oracle.example/tenants/b/did.json", body)
        expected.met_by(of_report(world.report()))
    # And the other way round: what stands in a tenant's folder does not speak for the host.
    expected.met_by(*served(Signatory(signer(1), tenant).document()))


def did_jwk(**members):
    return "did:jwk:" + base64url.encode(json.dumps({**KEY.jwk, **members}).encode())


@attack("VI022", "reject:UNSUPPORTED_DID_METHOD")
def test_only_three_methods_and_five_kinds_of_key_are_resolved(expected):
    identity = b"\xed\x01\x01" + bytes(31)
    dids = (
        *(
            "did:key:z" + base58.encode(codec + bytes(33))
            for codec in (b"\xe7\x01", b"\xec\x01", b"\x82\x24", b"\x85\x24")
        ),
        "did:key:z" + base58.encode(identity),
        *(did_jwk(**{name: "AA"}) for name in ("d", "k", "p")),
        did_jwk(crv="secp256k1"),
        did_jwk(kty="oct"),
        did_jwk(use="enc"),
        "did:example:123",
        "did:ethr:0xb9c5714089478a327f09197987f16f9e5d936e8a",
        "did:webs:oracle.example",
        "did:ion:EiClkZMDxPKqC9c",
    )
    values = [edited(base.secured(base.jws(HEADER)), put("issuer", did)) for base in BASES for did in dids]
    expected.met_by(*[of_report(World().report(value)) for value in values])


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_a_did_key_of_each_kind_is_resolved(algorithm):
    did = f"did:key:{multikey.encode(public_key(algorithm))}"
    world = World()
    report = world.report(edited(world.credential(), put("issuer", did)))
    # Another did signed, so it is refused, but not for the method.
    assert report.check("issuer-key").problem == "INVALID_VERIFICATION_METHOD"
