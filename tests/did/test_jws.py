import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from did import jws
from did.algorithms import ALGORITHMS
from did.errors import (
    AlgorithmRefusedError,
    HeaderFetchError,
    HeaderKeyError,
    JwsError,
    JwsLimitError,
    MalformedJwsError,
    SignatureInvalidError,
    SignerError,
    TokenTypeError,
)
from did.jwk import parse_jwk
from did.signers.software import SoftwareSigner
from schemas import base64url
from tests.fakes.did import BrokenSigner, public_key, signer
from tests.vectors import FORMATS, SHARED, shared

PAYLOAD = bytes(range(64))
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def token(header: object, payload: bytes = b"{}", algorithm="ES256") -> str:
    """A compact token with any header, rightly signed over its bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{base64url.encode(raw)}.{base64url.encode(payload)}"
    return f"{signing_input}.{base64url.encode(signer(algorithm).sign(signing_input.encode(), algorithm))}"


def detached(header: object, algorithm="ES256") -> str:
    """A detached JWS with any header, rightly signed over PAYLOAD."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    header_b64 = base64url.encode(raw)
    signature = signer(algorithm).sign(header_b64.encode() + b"." + PAYLOAD, algorithm)
    return f"{header_b64}..{base64url.encode(signature)}"


# --- compact


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_signed_compactly_verifies(algorithm) -> None:
    text = jws.sign_compact(b'{"a":1}', {"typ": "x+jwt", "kid": "did:web:a.example#k"}, signer(algorithm), algorithm)
    parsed = jws.parse_compact(text, typ="x+jwt")
    parsed.verify(public_key(algorithm))
    assert parsed.payload == b'{"a":1}'
    assert parsed.header == {"alg": algorithm, "typ": "x+jwt", "kid": "did:web:a.example#k"}


def test_the_es256_example_of_rfc_7515_holds() -> None:
    # RFC 7515, appendix A.3
    key = parse_jwk(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    )
    parsed = jws.parse_compact(
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    parsed.verify(key)
    assert json.loads(parsed.payload)["iss"] == "joe"


def test_the_eddsa_example_of_rfc_8037_holds() -> None:
    # RFC 8037, appendix A.4
    key = parse_jwk({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    parsed = jws.parse_compact(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
        ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    parsed.verify(key)
    assert parsed.payload == b"Example of Ed25519 signing"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["ES256", "EdDSA"]), st.data())
def test_one_changed_character_never_verifies(algorithm, data) -> None:
    text = jws.sign_compact(b'{"energyKwh":"0.25"}', {"kid": "k"}, signer(algorithm), algorithm)
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from([c for c in BASE64URL + ".= " if c != text[place]]))
    with pytest.raises(JwsError):
        jws.parse_compact(text[:place] + character + text[place + 1 :]).verify(public_key(algorithm))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_as_a_jws(text) -> None:
    with pytest.raises(JwsError):
        jws.parse_compact(text)
    with pytest.raises(JwsError):
        jws.parse_detached(text)


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "..", "...."])
def test_another_number_of_parts_is_refused(text) -> None:
    with pytest.raises(JwsError):
        jws.parse_compact(text)


def test_the_json_serialization_is_malformed() -> None:
    general = json.dumps({"payload": "e30", "signatures": [{"protected": "e30", "signature": "AA"}]})
    with pytest.raises(MalformedJwsError) as caught:
        jws.parse_compact(general)
    assert caught.value.name == "MALFORMED_VALUE_ERROR"


def test_an_encrypted_token_is_refused() -> None:
    header = base64url.encode(b'{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648}')
    with pytest.raises(AlgorithmRefusedError) as caught:
        jws.parse_compact(f"{header}.AA.AA.AA.AA")
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


@pytest.mark.parametrize("alg", ["none", "NONE", "nOnE", ""])
def test_a_token_without_a_signature_is_refused(alg) -> None:
    header = base64url.encode(json.dumps({"alg": alg}).encode())
    with pytest.raises(AlgorithmRefusedError) as caught:
        jws.parse_compact(f"{header}.e30.")
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


@pytest.mark.parametrize("alg", ["ES256K", "Ed448", "ML-DSA-44", "HS256", "RS512"])
def test_an_algorithm_off_the_list_is_refused(alg) -> None:
    with pytest.raises(AlgorithmRefusedError):
        jws.parse_compact(token({"alg": alg}))


def test_es384_with_a_p_256_key_is_refused() -> None:
    header = base64url.encode(b'{"alg":"ES384"}')
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.sign(f"{header}.e30".encode(), ec.ECDSA(hashes.SHA384()))
    parsed = jws.parse_compact(f"{header}.e30.{base64url.encode(der[:64])}")
    with pytest.raises(AlgorithmRefusedError) as caught:
        parsed.verify(SoftwareSigner(key).public_key)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


def test_a_key_in_the_header_is_refused_although_it_signed() -> None:
    with pytest.raises(HeaderKeyError) as caught:
        jws.parse_compact(token({"alg": "ES256", "jwk": public_key("ES256").jwk}))
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_a_url_in_the_header_is_refused(member) -> None:
    with pytest.raises(HeaderFetchError):
        jws.parse_compact(token({"alg": "ES256", member: "http://169.254.169.254/"}))


@pytest.mark.parametrize(
    "raw", [b'{"alg":"none","alg":"ES256"}', b'{"alg":"ES256","x":NaN}', b'{"alg":"ES256","x":1e400}']
)
def test_a_header_that_parsers_read_differently_is_malformed(raw) -> None:
    with pytest.raises(MalformedJwsError):
        jws.parse_compact(token(raw))


def test_a_token_of_another_type_is_refused() -> None:
    with pytest.raises(TokenTypeError):
        jws.parse_compact(token({"alg": "ES256", "typ": "kb+jwt"}), typ="vc+jwt")


def test_a_token_without_a_type_is_refused_where_one_is_required() -> None:
    with pytest.raises(TokenTypeError):
        jws.parse_compact(token({"alg": "ES256"}), typ="vc+jwt")


def test_the_content_type_may_be_missing() -> None:
    assert "cty" not in jws.parse_compact(token({"alg": "ES256", "typ": "vc+jwt"}), typ="vc+jwt").header


def test_a_caller_may_allow_fewer_header_members() -> None:
    with pytest.raises(JwsError, match="kid"):
        jws.parse_compact(token({"alg": "ES256", "kid": "k"}), members={"alg", "typ"})


@pytest.mark.parametrize(
    "change",
    [lambda part: part + "=", lambda part: "+" + part[1:], lambda part: "/" + part[1:], lambda part: part + "\n"],
)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_another_base64_is_malformed_in_every_part(number, change) -> None:
    parts = token({"alg": "ES256"}, b"payload").split(".")
    parts[number] = change(parts[number])
    with pytest.raises(MalformedJwsError):
        jws.parse_compact(".".join(parts))


def test_a_signature_with_trailing_bits_is_malformed() -> None:
    text = token({"alg": "ES256"})
    last = BASE64URL[BASE64URL.index(text[-1]) + 1]
    with pytest.raises(MalformedJwsError, match="trailing bits"):
        jws.parse_compact(text[:-1] + last)


def test_a_huge_payload_exceeds_a_limit() -> None:
    header = base64url.encode(b'{"alg":"ES256"}')
    with pytest.raises(JwsLimitError):
        jws.parse_compact(f"{header}.{'A' * (jws.MAX_PAYLOAD_CHARACTERS + 4)}.AA")


@pytest.mark.parametrize("length", [0, 62, 63, 65, 66, 72, 513, 5000])
def test_a_signature_of_another_length_does_not_hold(length) -> None:
    header = base64url.encode(b'{"alg":"ES256"}')
    with pytest.raises(JwsError) as caught:
        jws.parse_compact(f"{header}.e30.{base64url.encode(bytes(length))}").verify(public_key("ES256"))
    assert caught.value.name == "PROOF_VERIFICATION_ERROR"


def test_the_header_cannot_choose_its_own_algorithm_when_signing() -> None:
    text = jws.sign_compact(b"{}", {"alg": "none"}, signer("ES256"), "ES256")
    assert jws.parse_compact(text).algorithm == "ES256"


def test_signing_refuses_what_parsing_would() -> None:
    with pytest.raises(JwsError, match="nonce"):
        jws.sign_compact(b"{}", {"nonce": "x"}, signer("ES256"), "ES256")


def test_signing_with_another_keys_algorithm_is_refused() -> None:
    with pytest.raises(AlgorithmRefusedError):
        jws.sign_compact(b"{}", {}, signer("ES256"), "ES384")


def test_an_error_of_the_signer_comes_through() -> None:
    with pytest.raises(SignerError, match="lost"):
        jws.sign_compact(b"{}", {}, BrokenSigner(public_key("ES256")), "ES256")


# --- detached


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_signed_detached_verifies(algorithm) -> None:
    text = jws.sign_detached(PAYLOAD, signer(algorithm), algorithm)
    parsed = jws.parse_detached(text)
    parsed.verify(PAYLOAD, public_key(algorithm))
    assert (parsed.algorithm, parsed.header_b64) == (algorithm, jws.detached_header(algorithm))


def test_a_detached_signature_holds_over_its_own_payload_alone() -> None:
    parsed = jws.parse_detached(jws.sign_detached(PAYLOAD, signer("ES256"), "ES256"))
    with pytest.raises(SignatureInvalidError):
        parsed.verify(PAYLOAD[:-1] + b"\x00", public_key("ES256"))


def test_the_header_of_the_format_examples_is_ours() -> None:
    proof = json.loads((FORMATS / "credential.vc11.json").read_bytes())["proof"]
    assert jws.parse_detached(proof["jws"]).header_b64 == jws.detached_header("ES256")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"alg":"ES256","b64":false,"crit":["b64"]}',
        b'{ "crit" : ["b64"],\n"b64":false, "alg":"ES256"}',
        b'{"b64":false,"crit":["b64"],"alg":"ES256"}',
    ],
)
def test_the_header_bytes_are_honoured_as_received(raw) -> None:
    parsed = jws.parse_detached(detached(raw))
    parsed.verify(PAYLOAD, public_key("ES256"))
    assert parsed.header_b64 == base64url.encode(raw).encode()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ES256", "b64": False},
        {"alg": "ES256", "crit": ["b64"]},
        {"alg": "ES256"},
        {"alg": "ES256", "b64": False, "crit": []},
        {"alg": "ES256", "b64": False, "crit": ["b64", "b64"]},
        {"alg": "ES256", "b64": False, "crit": ["b64", "x-unknown"]},
        {"alg": "ES256", "b64": False, "crit": "b64"},
        {"alg": "ES256", "b64": False, "crit": {}},
        {"alg": "ES256", "b64": False, "crit": None},
        {"alg": "ES256", "b64": False, "crit": 1},
        {"alg": "ES256", "b64": "false", "crit": ["b64"]},
        {"alg": "ES256", "b64": 0, "crit": ["b64"]},
        {"alg": "ES256", "b64": None, "crit": ["b64"]},
        {"alg": "ES256", "b64": True, "crit": ["b64"]},
        {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": "k"},
        {"alg": "ES256", "b64": False, "crit": ["b64"], "typ": "JWT"},
        {"alg": "ES256", "b64": False, "crit": ["b64"], "x": 1},
    ],
    ids=json.dumps,
)
def test_another_detached_header_does_not_hold_although_it_is_signed(header) -> None:
    with pytest.raises(JwsError) as caught:
        jws.parse_detached(detached(header))
    assert caught.value.name == "PROOF_VERIFICATION_ERROR"


def test_duplicate_header_members_are_malformed() -> None:
    with pytest.raises(MalformedJwsError) as caught:
        jws.parse_detached(detached(b'{"alg":"none","b64":false,"crit":["b64"],"alg":"ES256"}'))
    assert caught.value.name == "MALFORMED_VALUE_ERROR"


def test_an_attached_payload_is_refused() -> None:
    header, _, signature = jws.sign_detached(PAYLOAD, signer("ES256"), "ES256").split(".")
    with pytest.raises(JwsError, match="detached") as caught:
        jws.parse_detached(f"{header}.{base64url.encode(PAYLOAD)}.{signature}")
    assert caught.value.name == "PROOF_VERIFICATION_ERROR"


@pytest.mark.parametrize(
    "change",
    [lambda text: text + "=", lambda text: text[:-2] + "+A", lambda text: text[:-2] + "/A", lambda text: text + " "],
)
def test_a_signature_in_another_base64_is_malformed(change) -> None:
    with pytest.raises(MalformedJwsError) as caught:
        jws.parse_detached(change(jws.sign_detached(PAYLOAD, signer("ES256"), "ES256")))
    assert caught.value.name == "MALFORMED_VALUE_ERROR"


def test_a_foreign_suite_may_name_its_key_in_the_header() -> None:
    header = {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": "did:example:123#key-2"}
    parsed = jws.parse_detached(detached(header), extra_members={"kid"})
    parsed.verify(PAYLOAD, public_key("ES256"))
    assert parsed.header["kid"] == "did:example:123#key-2"


def test_a_key_is_refused_in_the_header_even_where_the_caller_allows_it() -> None:
    header = {"alg": "ES256", "b64": False, "crit": ["b64"], "jwk": public_key("ES256").jwk}
    with pytest.raises(HeaderKeyError):
        jws.parse_detached(detached(header), extra_members={"jwk"})


def suite_documents() -> list[str]:
    return sorted(path.name for path in (SHARED / "vectors/jws-test-suite/signed").glob("*.json"))


def test_all_140_documents_of_the_jws_test_suite_have_a_header_that_we_read() -> None:
    folder = shared("vectors/jws-test-suite/signed")
    refused = []
    for name in suite_documents():
        text = json.loads((folder / name).read_bytes())["proof"]["jws"]
        try:
            jws.parse_detached(text, extra_members={"kid"})
        except AlgorithmRefusedError:
            refused.append(name)
    assert len(suite_documents()) == 140
    assert all("secp256k1" in name for name in refused)
    assert len(refused) == len([name for name in suite_documents() if "secp256k1" in name])
