"""The rows of attack_cases.csv that this package answers alone, with the outcome that each names.

Rows of the same groups that are not here need a fetch, a clock or a credential: the verifier's tests hold them.
"""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from did import base58, jws, local, multikey
from did.documents import parse_document, read_document
from did.jwk import parse_jwk
from did.web import document_url
from schemas import base64url
from schemas.errors import GreenError
from tests.fakes.did import public_key, signer
from tests.vectors import shared

DID = "did:web:issuer.example"
NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)
B1 = {"alg": "ES256", "b64": False, "crit": ["b64"]}
P256 = public_key("ES256").jwk
RSA = public_key("PS256").jwk
ZERO = base64url.encode(bytes(32))
Attack = Callable[[], object]


def resolved(*, did: str = DID, **members: object) -> None:
    """D1: a DID document with one ES256 key, changed, and asked for that key."""
    method = {"id": "#k1", "type": "JsonWebKey2020", "controller": DID, "publicKeyJwk": {**P256}}
    changes = {name: members.pop(name) for name in list(members) if name not in {"id", "deactivated", "alsoKnownAs"}}
    raw = {"id": DID, "verificationMethod": [{**method, **changes}], "assertionMethod": ["#k1"], **members}
    parse_document(raw, did).key_for(f"{did}#k1", "assertionMethod").check_current(NOW)


def jwk_changed(**members: object) -> Attack:
    return lambda: resolved(publicKeyJwk={**P256, **members})


def b1(header: object, signature: bytes | str = bytes(64), payload: str = "") -> Attack:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = signature if isinstance(signature, str) else base64url.encode(signature)
    return lambda: jws.parse_detached(f"{base64url.encode(raw)}.{payload}.{text}").verify(b"", public_key("ES256"))


def b5(header: object, signature: bytes = bytes(64), *, typ: str | None = None) -> Attack:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = f"{base64url.encode(raw)}.e30.{base64url.encode(signature)}"
    return lambda: jws.parse_compact(text, typ=typ).verify(public_key("ES256"))


def urls(*dids: str) -> list[Attack]:
    return [lambda did=did: document_url(did) for did in dids]  # type: ignore[misc]


def did_jwk(**members: str) -> str:
    return "did:jwk:" + base64url.encode(json.dumps({**P256, **members}).encode())


def salted(salt_length: object) -> Attack:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)
    return lambda: public_key("PS256").verify(b"m", signer("PS256")._key.sign(b"m", pss, hashes.SHA256()), "PS256")


def rsa(modulus_bits: int, exponent_bits: int = 17) -> Attack:
    number = [base64url.encode(b"\xff" * (bits // 8) or b"\x03") for bits in (modulus_bits, exponent_bits)]
    return lambda: parse_jwk({"kty": "RSA", "n": number[0], "e": number[1]})


DER = signer("ES256")._key.sign(b".", ec.ECDSA(hashes.SHA256()))
ES256 = signer("ES256").sign(b"m", "ES256")

ROWS: dict[str, list[Attack]] = {
    "VF013": urls(
        f"{DID}:..", f"{DID}:%2e%2e", f"{DID}:a%2Fb", f"{DID}::b", f"{DID}?a=b", "did:web:" + "a" * 4096, f"{DID}/../b"
    ),
    "VF014": urls("did:web:Issuer.example", f"{DID}.", "did:web:bücher.example", "did:web:b%C3%BCcher.example"),
    "VI001": [lambda: resolved(id="did:web:evil.example")],
    "VI003": [resolved, lambda: resolved(id=DID)],
    "VI004": [lambda: resolved(controller="did:web:evil.example")],
    "VI005": [jwk_changed(d="AA"), jwk_changed(p="AA"), jwk_changed(q="AA")],
    "VI006": [lambda: resolved(publicKeyJwk={"kty": "oct", "k": "AAAA"})],
    "VI007": [
        jwk_changed(y=P256["x"]),
        jwk_changed(x=ZERO, y=ZERO),
        jwk_changed(y=ZERO),
        jwk_changed(x=P256["x"][:-2]),
        jwk_changed(x="AA" + "A" * 42),
    ],
    "VI009": [
        lambda: resolved(
            type="Ed25519VerificationKey2018", publicKeyBase58=base58.encode(public_key("ES256").encoded_point())
        ),
        lambda: resolved(publicKeyMultibase=multikey.encode(public_key("ES256"))),
    ],
    "VI010": [lambda: resolved(expires="2026-11-20T19:59:59Z")],
    "VI012": [lambda: resolved(revoked="2026-11-20T19:00:00Z"), lambda: resolved(revoked="2026-11-21T20:00:00Z")],
    "VI016": [lambda: resolved(deactivated=True)],
    "VI017": [
        lambda: parse_document(
            {"id": DID, "verificationMethod": [{"id": f"#{n}", "controller": DID, "type": "X"} for n in range(1000)]},
            DID,
        ),
        lambda: read_document(b'{"id":"' + b"x" * 2**21 + b'"}', DID),
        lambda: read_document(b"[" * 1000 + b"]" * 1000, DID),
    ],
    "VI019": [lambda: resolved(alsoKnownAs=["did:web:evil.example"])],
    "VI021": [lambda: resolved(did=f"{DID}:a")],
    "VI022": [
        lambda: local.resolve("did:key:z" + base58.encode(b"\xe7\x01" + bytes(33))),
        lambda: local.resolve(did_jwk(d="AA")),
        lambda: local.resolve("did:example:123"),
    ],
    "VP001": [b5({"alg": alg}, b"") for alg in ("none", "NONE", "nOnE", "")],
    "VP004": [b5({"alg": "ES384"}), b5({"alg": "ES384"}, bytes(96))],
    "VP006": [b5({"alg": alg}) for alg in ("ES256K", "Ed448", "ML-DSA-44")],
    "VP007": [b1({"alg": "ES256", "b64": False})],
    "VP008": [b1({**B1, "crit": []})],
    "VP009": [b1({**B1, "crit": ["b64", "b64"]})],
    "VP011": [b1({"alg": "ES256", "crit": ["b64"]})],
    "VP012": [b1({**B1, "crit": ["b64", "x-unknown"]})],
    "VP013": [b1({**B1, "crit": crit}) for crit in ("b64", {}, None, 1)],
    "VP014": [b1({**B1, "b64": b64}) for b64 in ("false", 0, None)],
    "VP018": [b5({"alg": "ES256", "jwk": P256})],
    "VP019": [b5({"alg": "ES256", member: "http://169.254.169.254/"}) for member in ("jku", "x5u")],
    "VP020": [b1(b'{"alg":"none","b64":false,"crit":["b64"],"alg":"ES256"}')],
    "VP022": [b5(b'{"alg":"ES256","x":NaN}'), b5(b'{"alg":"ES256","x":1e400}')],
    "VP023": [b5(b'{"alg":' + b"[" * 100_000 + b"]" * 100_000 + b"}")],
    "VP024": [b1(B1, payload="e30")],
    "VP026": [b1(B1, base64url.encode(ES256) + "==")],
    "VP027": [b1(B1, "+" + base64url.encode(ES256)[1:]), b1(B1, "/" + base64url.encode(ES256)[1:])],
    "VP028": [b1(B1, "A" * 85 + "B")],
    "VP030": [b1(B1, DER)],
    "VP031": [b1(B1, b"\x00" + ES256[:32] + b"\x00" + ES256[32:])],
    "VP032": [b1(B1, b"\x01" * length) for length in range(2, 64, 4)],
    "VP036": [rsa(1024)],
    "VP037": [rsa(16384), rsa(2048, 16384)],
    "VP038": [salted(0), salted(padding.PSS.MAX_LENGTH)],
    "VP039": [
        b5({"alg": "ES256", "typ": typ}, typ="vc+jwt")
        for typ in ("JWT", "kb+jwt", "openid4vci-proof+jwt", "statuslist+jwt", "dpop+jwt")
    ],
    "VP042": [lambda: jws.parse_compact('{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}')],
    "VP044": [
        lambda: jws.parse_compact(base64url.encode(b'{"alg":"PBES2-HS256+A128KW","p2c":2147483648}') + ".A.A.A.A")
    ],
    "VP051": [b5({"alg": "ES256", "kid": kid}) for kid in ("../../etc/passwd", "' OR 1=1 --", "a\nb", "k" * 2**20)],
}


def expected_of(row: str) -> str:
    with shared("attack_cases.csv").open(encoding="utf-8", newline="") as file:
        return next(line["expected"] for line in csv.DictReader(file) if line["id"] == row)


def outcome(attack: Attack) -> str:
    try:
        attack()
    except GreenError as error:
        return f"reject:{error.name}"
    return "accept"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_the_outcome_that_it_names(row: str) -> None:
    assert {outcome(attack) for attack in ROWS[row]} == {expected_of(row)}


def test_the_unchanged_bases_are_accepted() -> None:
    detached = jws.sign_detached(b"payload", signer("ES256"), "ES256")
    jws.parse_detached(detached).verify(b"payload", public_key("ES256"))
    compact = jws.sign_compact(b"{}", {"typ": "vc+jwt"}, signer("ES256"), "ES256")
    jws.parse_compact(compact, typ="vc+jwt").verify(public_key("ES256"))
    assert outcome(resolved) == "accept"
    assert parse_jwk({**RSA}) == public_key("PS256")
