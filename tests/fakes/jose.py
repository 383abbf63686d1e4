"""Detached JWS put together by hand, as a hostile issuer would: any header, any signature, over a real document."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from schemas import base64url
from schemas.strict_json import JsonObject
from tests.fakes.verifier import ENGINE, World, example, fetched
from verifier.evidence import Evidence
from verifier.report import Report
from verifier.suites.json_web_signature_2020 import hash_data

Sign = Callable[[bytes], bytes]
HEADER: JsonObject = {"alg": "ES256", "b64": False, "crit": ["b64"]}
ISSUER = "did:web:oracle.example"
DID_URL = "https://oracle.example/.well-known/did.json"


def signs(key: ec.EllipticCurvePrivateKey, *, sha: hashes.HashAlgorithm | None = None, length: int = 32) -> Sign:
    """Return an ECDSA signer in JOSE form; ``length`` is that of r and of s, in bytes."""
    digest = sha or hashes.SHA256()

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")

    return sign


def signs_in_der(key: ec.EllipticCurvePrivateKey) -> Sign:
    """Return an ECDSA signer whose signatures are in DER."""
    return lambda message: key.sign(message, ec.ECDSA(hashes.SHA256()))


def signs_pss(key: rsa.RSAPrivateKey, salt: object = 32) -> Sign:
    """Return an RSASSA-PSS signer with a salt of that many bytes."""
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt)
    return lambda message: key.sign(message, pss, hashes.SHA256())


def rsa_jwk(modulus: int, exponent: int = 65537) -> JsonObject:
    """Return an RSA JWK of these numbers, as weak or as large as they are."""
    n, e = (base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (modulus, exponent))
    return {"kty": "RSA", "n": n, "e": e}


def jwk_of(key: rsa.RSAPrivateKey) -> JsonObject:
    """Return the public JWK of an RSA key, however weak."""
    numbers = key.public_key().public_numbers()
    return rsa_jwk(numbers.n, numbers.e)


@dataclass
class Base:
    """B1: a credential whose proof is complete but for its JWS.

    ``jwk`` is a second key in the issuer's document, and the one that the proof names; the first signs the lists.
    """

    world: World
    unsecured: JsonObject
    options: JsonObject = field(default_factory=dict)
    jwk: JsonObject | None = None

    def __post_init__(self) -> None:
        stated = {
            "type": "JsonWebSignature2020",
            "created": "2026-11-20T20:01:05Z",
            "verificationMethod": f"{ISSUER}#key-{1 if self.jwk is None else 2}",
            "proofPurpose": "assertionMethod",
        }
        self.options = {**stated, **self.options}

    @cached_property
    def hashed(self) -> bytes:
        """What a signature is made over, behind the header and a dot."""
        return hash_data(self.unsecured, self.options, ENGINE)

    @property
    def sign(self) -> Sign:
        """The issuer's own signature."""
        return signs(self.world.issuer.key._key)  # type: ignore[arg-type]

    def jws(self, header: JsonObject | bytes, *, sign: Sign | None = None, encoded: bool = False) -> str:
        """Return header..signature, truly signed; ``encoded`` signs over the base64url of the payload."""
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        header_b64 = base64url.encode(raw)
        payload = base64url.encode(self.hashed).encode() if encoded else self.hashed
        return f"{header_b64}..{base64url.encode((sign or self.sign)(header_b64.encode() + b'.' + payload))}"

    def secured(self, jws: object) -> JsonObject:
        """Return the credential with that JWS in its proof."""
        return {**copy.deepcopy(self.unsecured), "proof": {**self.options, "jws": jws}}

    @cached_property
    def evidence(self) -> Evidence:
        """What the host serves, as it was when first asked for."""
        if self.jwk is not None:
            document = self.world.issuer.document()
            method = {"id": f"{ISSUER}#key-2", "type": "JsonWebKey2020", "controller": ISSUER, "publicKeyJwk": self.jwk}
            document["verificationMethod"].append(method)
            document["assertionMethod"].append(method["id"])
            self.world.overrides[ISSUER] = fetched(DID_URL, document)
        return self.world.evidence()

    def report(self, jws: object) -> Report:
        """Return the verdict on the credential with that JWS."""
        return self.world.report(self.secured(jws), self.evidence)


def ours(jwk: JsonObject | None = None, **options: object) -> Base:
    """Return B1 as our own credential, of a closed shape."""
    world = World()
    return Base(world, world.unsecured(), options, jwk)


def foreign(jwk: JsonObject | None = None, **options: object) -> Base:
    """Return B1 as a credential of a type that this verifier does not know, with a status of its own."""
    world = World()
    unsecured = {
        "@context": [*example("status-list.vc11.json")["@context"]],
        "id": "urn:uuid:6c1a7d1e-6f57-4f63-9f63-3b1f6e1c8a01",
        "type": ["VerifiableCredential"],
        "issuer": ISSUER,
        "issuanceDate": "2026-11-20T20:01:05Z",
        "credentialSubject": {"id": "did:example:subject"},
        "credentialStatus": status_entry(world),
    }
    return Base(world, unsecured, options, jwk)


def status_entry(world: World, **changes: object) -> JsonObject:
    """Return an entry of StatusList2021 in the world's list of revocations."""
    url = world.lists["revocation"]
    entry = {
        "id": f"{url}#94568",
        "type": "StatusList2021Entry",
        "statusPurpose": "revocation",
        "statusListIndex": "94568",
        "statusListCredential": url,
    }
    return {**entry, **changes}


# P-256 (FIPS 186-5, SP 800-186 §3.2.1.3): y² = x³ - 3x + b modulo _P, a group of _N points.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Point = tuple[int, int]


def small_signature(message: bytes) -> tuple[JsonObject, int, int]:
    """Return a P-256 JWK, r and s, where r || s holds over ``message`` and both numbers fit one byte.

    Nobody knows the private key: whoever may choose the public key after the message takes a point R with a
    small x for r, s = 1, and Q = (sR - zG) / r.
    """
    x = next(x for x in range(1, 256) if pow(_right_side(x), (_P - 1) // 2, _P) == 1)
    point = (x, pow(_right_side(x), (_P + 1) // 4, _P))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(message)
    z = int.from_bytes(digest.finalize(), "big") % _N
    z_times_g = ec.derive_private_key(z, ec.SECP256R1()).public_key().public_numbers()
    q_x, q_y = _times(pow(x, -1, _N), _plus(point, (z_times_g.x, _P - z_times_g.y)))
    coordinates = {name: base64url.encode(value.to_bytes(32, "big")) for name, value in (("x", q_x), ("y", q_y))}
    return {"kty": "EC", "crv": "P-256", **coordinates}, x, 1


def _right_side(x: int) -> int:
    return (x**3 - 3 * x + _B) % _P


def _plus(a: Point, b: Point) -> Point:
    rise, run = (3 * a[0] ** 2 - 3, 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
    slope = rise * pow(run, -1, _P)
    x = (slope**2 - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(factor: int, point: Point) -> Point:
    result: Point | None = None
    while factor:
        if factor & 1:
            result = point if result is None else _plus(result, point)
        point, factor = _plus(point, point), factor >> 1
    assert result is not None
    return result
