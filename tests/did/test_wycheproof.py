"""Wycheproof's vectors: every invalid signature and key is refused, every valid one accepted.

One test a group of vectors; a failure names the tcIds.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from did.algorithms import Algorithm
from did.errors import InvalidKeyError, JwsError, SignatureInvalidError
from did.jwk import from_cryptography, parse_jwk
from did.jws import parse_compact
from did.keys import PublicKey
from tests.vectors import SHARED, shared

Vector = dict[str, Any]
Group = dict[str, Any]

SIGNATURE_FILES: dict[str, Algorithm] = {
    "ecdsa_secp256r1_sha256_p1363_test": "ES256",
    "ecdsa_secp384r1_sha384_p1363_test": "ES384",
    "ed25519_test": "EdDSA",
    "rsa_pss_2048_sha256_mgf1_32_test": "PS256",
}

# Valid by their RFCs, and refused by us on purpose.
NOT_OFFERED: dict[str, frozenset[int]] = {
    "HMAC: a verifier must not hold the signing key": frozenset({1, 348, 352, 357, 358, 359, 372, 373, 376, 377}),
    "RS384 and RS512 are not on the list of algorithms": frozenset(range(264, 272)),
    "PS384 and PS512 are not on the list of algorithms": frozenset({*range(320, 324), *range(325, 329)}),
    "PS384 in the header, PS256 in the JWK: alg is bound to the key": frozenset({346, 350}),
    "P-521 is not on the list of curves": frozenset({347, 351}),
}
NOT_OFFERED_KEYS = {"HMAC: a verifier must not hold the signing key": frozenset({2, 13, 14, 15})}


def groups(name: str) -> list[Group]:
    if not SHARED.exists():
        return []
    found: list[Group] = json.loads(shared(f"vectors/wycheproof/{name}.json").read_bytes())["testGroups"]
    return found


def batches(name: str) -> list[Any]:
    return [pytest.param(group, id=f"{number}-{group['comment']}") for number, group in enumerate(groups(name))]


def wrong(
    tests: Iterable[Vector], accepts: Callable[[Vector], bool], refused: frozenset[int] = frozenset()
) -> list[str]:
    return [
        f"tcId {test['tcId']} {test['result']}: {test['comment']}"
        for test in tests
        if accepts(test) != (test["result"] == "valid" and test["tcId"] not in refused)
    ]


def verifies(key: PublicKey, algorithm: Algorithm, test: Vector) -> bool:
    try:
        key.verify(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), algorithm)
    except SignatureInvalidError:
        return False
    return True


@pytest.mark.parametrize("name", SIGNATURE_FILES)
def test_exactly_the_valid_signatures_hold(name: str) -> None:
    shared("vectors/wycheproof")
    algorithm = SIGNATURE_FILES[name]
    failures: list[str] = []
    for group in groups(name):
        key = from_cryptography(load_der_public_key(bytes.fromhex(group["publicKeyDer"])))
        if "publicKeyJwk" in group:
            assert parse_jwk(group["publicKeyJwk"]).jwk == key.jwk
        failures += wrong(group["tests"], lambda test, key=key: verifies(key, algorithm, test))  # type: ignore[misc]
    assert not failures


def token_holds(jwks: list[dict[str, Any]], token: object) -> bool:
    text = token if isinstance(token, str) else json.dumps(token)
    try:
        keys = [parse_jwk(jwk) for jwk in jwks]
        parse_compact(text).verify(*keys)
    except (JwsError, InvalidKeyError):
        return False
    return True


@pytest.mark.parametrize("group", batches("json_web_signature_test"))
def test_exactly_the_valid_tokens_of_our_algorithms_hold(group: Group) -> None:
    jwk = group.get("public") or group["private"]
    refused = frozenset().union(*NOT_OFFERED.values())
    assert not wrong(group["tests"], lambda test: token_holds([jwk], test["jws"]), refused)


@pytest.mark.parametrize("group", batches("json_web_key_test"))
def test_exactly_the_sound_keys_of_our_kinds_are_used(group: Group) -> None:
    jwks = (group.get("public") or group["private"])["keys"]
    refused = frozenset().union(*NOT_OFFERED_KEYS.values())
    assert not wrong(group["tests"], lambda test: token_holds(jwks, test["jws"]), refused)


@pytest.mark.parametrize(
    ("name", "listed"), [("json_web_signature_test", NOT_OFFERED), ("json_web_key_test", NOT_OFFERED_KEYS)]
)
def test_the_list_of_what_is_not_offered_names_valid_vectors_only(name: str, listed: dict[str, frozenset[int]]) -> None:
    shared("vectors/wycheproof")
    valid = {test["tcId"] for group in groups(name) for test in group["tests"] if test["result"] == "valid"}
    assert frozenset().union(*listed.values()) <= valid


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test", 173, 89),
        ("ecdsa_secp384r1_sha384_p1363_test", 193, 87),
        ("ed25519_test", 88, 63),
        ("rsa_pss_2048_sha256_mgf1_32_test", 63, 45),
        ("json_web_signature_test", 46, 355),
        ("json_web_key_test", 5, 21),
    ],
)
def test_every_vector_is_there_and_none_is_of_a_third_kind(name: str, valid: int, invalid: int) -> None:
    shared("vectors/wycheproof")
    results = Counter(test["result"] for group in groups(name) for test in group["tests"])
    assert results == {"valid": valid, "invalid": invalid}


def refusal(jwks: list[dict[str, Any]], token: object) -> str:
    try:
        keys = [parse_jwk(jwk) for jwk in jwks]
        parse_compact(token if isinstance(token, str) else json.dumps(token)).verify(*keys)
    except (JwsError, InvalidKeyError) as error:
        return type(error).__name__
    return "accepted"


@pytest.mark.parametrize(
    ("name", "listed", "count"),
    [("json_web_signature_test", NOT_OFFERED, 30), ("json_web_key_test", NOT_OFFERED_KEYS, 4)],
)
def test_what_is_not_offered_is_refused_by_name_and_not_as_a_wrong_signature(
    name: str, listed: dict[str, frozenset[int]], count: int
) -> None:
    shared("vectors/wycheproof")
    numbers = frozenset().union(*listed.values())
    assert len(numbers) == sum(map(len, listed.values())) == count
    refused = {
        refusal(jwk.get("keys", [jwk]), test["jws"])
        for group in groups(name)
        for jwk in [group.get("public") or group["private"]]
        for test in group["tests"]
        if test["tcId"] in numbers
    }
    assert refused <= {"AlgorithmRefusedError", "UnsupportedKeyError", "PrivateKeyPublishedError", "InvalidKeyError"}


def test_a_key_with_the_fingerprint_of_roca_is_refused_by_name() -> None:
    shared("vectors/wycheproof")
    roca = next(group for group in groups("json_web_key_test") if group["comment"] == "jws_rsa_roca_key")
    with pytest.raises(InvalidKeyError, match="ROCA"):
        parse_jwk(roca["public"]["keys"][0])
