"""Compact JWS (B5): the front end that every token of ours goes through, with a signature that truly holds."""

import json

import pytest

from did.jws import parse_compact, sign_compact
from schemas import base64url
from tests.attacks.catalogue import attack, of_call, waits
from tests.fakes.did import public_key, signer
from tests.fakes.jose import signs
from tests.fakes.verifier import signer as issuer

KEY = issuer(1)
TYP = "vc+jwt"
HEADER = {"alg": "ES256", "typ": TYP}

waits("VC 2.0 as vc+jwt", "VP040")


def token(header, *, payload=b'{"iss":"did:web:oracle.example"}', sign=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = f"{base64url.encode(raw)}.{base64url.encode(payload)}"
    return f"{signed}.{base64url.encode((sign or signs(KEY._key))(signed.encode()))}"


def read(text, typ=TYP):
    return of_call(lambda: parse_compact(text, typ=typ).verify(KEY.public_key))


def read_all(*headers, **options):
    return [read(token(header, **options)) for header in headers]


def test_the_unchanged_token_is_accepted():
    assert str(read(token(HEADER))) == "accept"
    assert str(read(sign_compact(b"{}", {"typ": TYP}, KEY, "ES256"))) == "accept"


@pytest.mark.parametrize("member", [{"cty": "vc"}, {"kid": "did:web:oracle.example#key-1"}])
def test_a_plain_text_beside_it_is_accepted(member):
    assert str(read(token({**HEADER, **member}))) == "accept"


@attack("VP001", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_token_without_an_algorithm_is_refused(expected):
    headers = [{**HEADER, "alg": name} for name in ("none", "NONE", "nOnE", "", None, 0, [])] + [{"typ": TYP}]
    expected.met_by(*read_all(*headers, sign=lambda message: b""), *read_all(*headers))


@attack("VP004", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_token_is_checked_by_the_algorithm_of_its_key(expected):
    expected.met_by(*read_all(*({**HEADER, "alg": name} for name in ("ES384", "EdDSA", "PS256", "RS256"))))


@attack("VP006", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_token_of_another_algorithm_is_refused(expected):
    names = ("ES256K", "Ed448", "ML-DSA-44", "HS256", "HS384", "HS512", "ES512", "RS384", "PS384", "none+sha256")
    expected.met_by(*read_all(*({**HEADER, "alg": name} for name in names)))


@attack("VP018", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_token_brings_no_key_of_its_own(expected):
    attacker = issuer(66)
    chain = [base64url.encode(b"certificate")]
    brought = ({"jwk": {**attacker.public_key.jwk}}, {"x5c": chain}, {"x5t": "AA"}, {"x5t#S256": "AA"})
    expected.met_by(*read_all(*({**HEADER, **member} for member in brought), sign=signs(attacker._key)))


@attack("VP019", "reject:FETCH_BLOCKED")
def test_a_token_sends_nobody_to_fetch_a_key(expected):
    urls = ("http://169.254.169.254/", "https://evil.example/keys", None)
    expected.met_by(*read_all(*({**HEADER, name: url} for name in ("jku", "x5u") for url in urls)))


@attack("VP022", "reject:MALFORMED_VALUE_ERROR")
def test_the_header_of_a_token_is_strict_json(expected):
    extras = (b"NaN", b"-Infinity", b"1e400", b"{'a':1}")
    expected.met_by(*read_all(*(b'{"alg":"ES256","typ":"vc+jwt","x":' + extra + b"}" for extra in extras)))
    expected.met_by(*read_all(b'{"alg":"none","typ":"vc+jwt","alg":"ES256"}'))


@attack("VP023", "reject:RESOURCE_LIMIT")
def test_the_header_of_a_token_does_not_nest(expected):
    expected.met_by(*read_all(b'{"alg":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"[" * 100_000))


@attack("VP039", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_token_of_another_type_is_no_credential(expected):
    types = ("JWT", "kb+jwt", "openid4vci-proof+jwt", "statuslist+jwt", "dpop+jwt", "vp+jwt", "dc+sd-jwt", "VC+JWT")
    expected.met_by(*read_all(*({**HEADER, "typ": name} for name in types)))
    expected.met_by(*read_all(*({**HEADER, "typ": f"application/{TYP}"}, {"alg": "ES256"})))


@attack("VP042", "reject:MALFORMED_VALUE_ERROR")
def test_a_token_is_compact_only(expected):
    protected, payload, signature = token(HEADER).split(".")
    good, bad = {"protected": protected, "signature": signature}, {"protected": protected, "signature": "AA"}
    serializations = ({"signatures": [bad, good]}, {"signatures": [good, bad]}, good)
    texts = [json.dumps({"payload": payload, **serialization}) for serialization in serializations]
    expected.met_by(*map(read, texts))
    # Nor two tokens, a part too few or too many, or white space around one.
    good_text = token(HEADER)
    expected.met_by(
        read(good_text + "~"), read(" " + good_text), read(good_text + "\n"), read(f"{protected}.{payload}")
    )
    expected.met_by(read(good_text + "." + signature), read(""))


@attack("VP044", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_an_encrypted_token_costs_nothing(expected):
    names = ("PBES2-HS256+A128KW", "PBES2-HS512+A256KW", "dir", "RSA1_5", "ECDH-ES")
    headers = [{"alg": name, "enc": "A256GCM", "p2c": 2**31, "p2s": "AAAA"} for name in names]
    expected.met_by(*(read(base64url.encode(json.dumps(header).encode()) + ".A.A.A.A") for header in headers))
    expected.met_by(*read_all(*headers, {**HEADER, "zip": "DEF"}, {**HEADER, "enc": "none"}))


@attack("VP051", "reject:MALFORMED_VALUE_ERROR")
def test_the_key_id_of_a_token_is_a_plain_text(expected):
    texts = (
        "../../etc/passwd",
        "/../../etc/passwd",
        "a/./b",
        "%2e%2e/x",
        "' OR 1=1 --",
        "key\nX: y",
        "key\r",
        "key\x00",
        "key\u2028",
        "k" * 2000,
        "",
        "<img>",
        "${jndi:ldap://x}",
    )
    expected.met_by(*read_all(*({**HEADER, "kid": text} for text in texts)))
    expected.met_by(*read_all(*({**HEADER, "kid": other} for other in (None, 7, ["key-1"], {"a": 1}))))
    expected.met_by(*read_all({**HEADER, "kid": "k" * 2**20}))


def test_one_key_of_each_kind_reads_its_own_tokens_only():
    for own in ("ES256", "ES384", "EdDSA", "PS256"):
        text = sign_compact(b"{}", {"typ": TYP}, signer(own), own)
        for other in ("ES256", "ES384", "EdDSA", "PS256"):
            outcome = of_call(lambda text=text, other=other: parse_compact(text, typ=TYP).verify(public_key(other)))
            assert str(outcome) == ("accept" if other == own else "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
