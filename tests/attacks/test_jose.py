"""The detached JWS of a proof (B1, B7): a hostile issuer signs any header, and the whole verdict names what is wrong."""

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from schemas import base64url
from tests.attacks.catalogue import attack, of_call, of_report
from tests.fakes.jose import (
    HEADER,
    ISSUER,
    foreign,
    jwk_of,
    ours,
    signs,
)
from tests.fakes.verifier import Signatory, put, signer
from verifier.report import Outcome

OURS = ours()
FOREIGN = foreign()
BOTH = (OURS, FOREIGN)
KEY = signer(1)._key


@pytest.fixture(scope="module")
def rsa_2048():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(*headers, **options):
    """The outcomes of both kinds of credential, truly signed under each of the headers."""
    return [of_report(base.report(base.jws(header, **options))) for header in headers for base in BOTH]


def changed(change, *bases):
    """The outcomes where ``change`` edits the three parts of a good JWS."""
    return [of_call(lambda base=base: base.report(change(*base.jws(HEADER).split(".")))) for base in bases or BOTH]


# --- positive controls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", BOTH, ids=["ours", "foreign"])
@pytest.mark.parametrize(
    "header",
    [HEADER, b'{"crit":["b64"],"b64":false,"alg":"ES256"}', b'{ "alg": "\\u0045S256", "b64": false, "crit": ["b64"] }'],
    ids=["ours", "another order", "another spelling"],
)
def test_the_header_is_honoured_as_it_was_signed(base, header):
    assert base.report(base.jws(header)).outcome is Outcome.VERIFIED


# --- algorithms ----------------------------------------------------------------------------------------------


@attack("VP001", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_no_algorithm_is_none_in_any_spelling(expected):
    names = ("none", "NONE", "nOnE", "None", "", " none", "none ", "null", "n\u006fne")
    others = (None, 0, False, [], {}, ["ES256"], {"alg": "ES256"})
    headers = [{**HEADER, "alg": name} for name in (*names, *others)] + [{"b64": False, "crit": ["b64"]}]
    expected.met_by(*signed(*headers))
    unsigned = [FOREIGN.report(FOREIGN.jws(header, sign=lambda message: b"")) for header in headers]
    expected.met_by(*map(of_report, unsigned))


@attack("VP004", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_an_algorithm_belongs_to_one_kind_of_key(expected):
    es384 = {**HEADER, "alg": "ES384"}
    expected.met_by(
        *signed(es384, sign=signs(KEY, sha=hashes.SHA384())),
        *signed(es384, sign=signs(KEY, sha=hashes.SHA384(), length=48)),
        *signed({**HEADER, "alg": "EdDSA"}, {**HEADER, "alg": "PS256"}, {**HEADER, "alg": "es256"}),
    )


@attack("VP004", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_the_alg_use_and_key_ops_of_a_jwk_bind_the_key(expected):
    members = ({"alg": "ES384"}, {"alg": "HS256"}, {"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": []})
    bases = [ours({**signer(1).public_key.jwk, **bound}) for bound in members]
    expected.met_by(*[of_report(base.report(base.jws(HEADER))) for base in bases])
    fitting = ours({**signer(1).public_key.jwk, "alg": "ES256", "use": "sig", "key_ops": ["verify"]})
    assert fitting.report(fitting.jws(HEADER)).outcome is Outcome.VERIFIED


@attack("VP006", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_only_the_algorithms_of_our_list_are_taken(expected):
    names = ("ES256K", "ES512", "Ed448", "Ed25519", "ML-DSA-44", "HS256", "HS512", "RS1", "RS384", "PS512", "RSA-OAEP")
    expected.met_by(*signed(*({**HEADER, "alg": name} for name in names)))


@attack("VP006", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_rs256_is_not_an_algorithm_of_this_suite(expected, rsa_2048):
    base = ours(jwk_of(rsa_2048))
    sign = lambda message: rsa_2048.sign(message, padding.PKCS1v15(), hashes.SHA256())  # noqa: E731
    expected.met_by(of_report(base.report(base.jws({**HEADER, "alg": "RS256"}, sign=sign))))


# --- b64 and crit --------------------------------------------------------------------------------------------


@attack("VP007", "reject:PROOF_VERIFICATION_ERROR")
def test_b64_false_needs_crit(expected):
    headers = ({"alg": "ES256", "b64": False}, {"alg": "ES256"}, {"alg": "ES256", "b64": True})
    expected.met_by(*signed(*headers), *signed(*headers, encoded=True))


@attack("VP008", "reject:PROOF_VERIFICATION_ERROR")
def test_crit_is_not_empty(expected):
    expected.met_by(*signed({**HEADER, "crit": []}), *signed({"alg": "ES256", "crit": []}, encoded=True))


@attack("VP009", "reject:PROOF_VERIFICATION_ERROR")
def test_crit_names_nothing_twice(expected):
    expected.met_by(*signed({**HEADER, "crit": ["b64", "b64"]}))


@attack("VP011", "reject:PROOF_VERIFICATION_ERROR")
def test_what_crit_names_is_there(expected):
    expected.met_by(
        *signed({"alg": "ES256", "crit": ["b64"]}), *signed({"alg": "ES256", "crit": ["b64"]}, encoded=True)
    )


@attack("VP012", "reject:PROOF_VERIFICATION_ERROR")
def test_no_extension_is_understood(expected):
    crits = (["b64", "x-unknown"], ["x-unknown", "b64"], ["x-unknown"], ["B64"], ["b64", "alg"], ["exp", "b64"])
    expected.met_by(*signed(*({**HEADER, "crit": crit, "x-unknown": True} for crit in crits)))
    expected.met_by(*signed(*({**HEADER, "crit": crit} for crit in crits)), *signed({**HEADER, "x-unknown": 1}))


@attack("VP013", "reject:PROOF_VERIFICATION_ERROR")
def test_crit_is_a_list_of_names(expected):
    crits = ("b64", {}, {"b64": 1}, None, 1, True, [None], [["b64"]], [1], [False], "")
    expected.met_by(*signed(*({**HEADER, "crit": crit} for crit in crits)))


@attack("VP014", "reject:PROOF_VERIFICATION_ERROR")
def test_b64_is_the_boolean_false(expected):
    values = ("false", 0, 0.0, None, "", [], {}, True, 1, "b64")
    headers = [{**HEADER, "b64": value} for value in values]
    expected.met_by(*signed(*headers), *signed(*headers, encoded=True))


# --- what a header may not bring -----------------------------------------------------------------------------


@attack("VP018", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_a_key_in_the_header_counts_for_nothing_though_it_fits_the_signature(expected):
    attacker = signer(66)
    chain = [base64url.encode(b"certificate")]
    brought = ({"jwk": {**attacker.public_key.jwk}}, {"x5c": chain}, {"x5t": "AA"}, {"x5t#S256": "AA"})
    expected.met_by(*signed(*({**HEADER, **member} for member in brought), sign=signs(attacker._key)))
    expected.met_by(*signed(*({**HEADER, **member} for member in brought)))


@attack("VP019", "reject:FETCH_BLOCKED")
def test_a_url_in_the_header_is_never_fetched(expected):
    urls = ("http://169.254.169.254/", "https://evil.example/keys", "file:///etc/passwd", 7)
    expected.met_by(*signed(*({**HEADER, name: url} for name in ("jku", "x5u") for url in urls)))


@attack("VP020", "reject:MALFORMED_VALUE_ERROR")
def test_no_member_of_the_header_stands_twice(expected):
    expected.met_by(
        *signed(
            b'{"alg":"none","b64":false,"crit":["b64"],"alg":"ES256"}',
            b'{"alg":"ES256","b64":false,"crit":["b64"],"alg":"none"}',
            b'{"alg":"ES256","b64":true,"crit":["b64"],"b64":false}',
            b'{"alg":"ES256","b64":false,"crit":["x"],"crit":["b64"]}',
            b'{"alg":"ES256","b64":false,"crit":["b64"],"\\u0061lg":"none"}',
        )
    )


@attack("VP022", "reject:MALFORMED_VALUE_ERROR")
def test_the_header_is_strict_json(expected):
    extras = (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999", b"'x'", b"01", b'"\\ud800"', b'"\xff"', b'"\x00"')
    raws = [b'{"alg":"ES256","b64":false,"crit":["b64"],"x":' + extra + b"}" for extra in extras]
    good = json.dumps(HEADER).encode()
    wrapped = (
        b"\xef\xbb\xbf" + good,
        good + b"{}",
        good + b"\x00",
        b"[" + good + b"]",
        b"null",
        good.decode().encode("utf-16"),
    )
    expected.met_by(*signed(*raws), *signed(*wrapped), of_report(FOREIGN.report(FOREIGN.jws(b""))))


@attack("VP023", "reject:RESOURCE_LIMIT")
def test_a_header_of_a_hundred_thousand_levels_exceeds_a_limit(expected):
    deep = [b'{"alg":' + o * 100_000 + c * 100_000 + b"}" for o, c in ((b"[", b"]"), (b'{"a":', b"}"))]
    shallow = b'{"alg":"ES256","b64":false,"crit":["b64"],"x":' + b"[" * 9 + b"]" * 9 + b"}"
    # Brackets that nobody closes cost nothing either.
    expected.met_by(*signed(deep[0], shallow, b"[" * 100_000, sign=lambda message: bytes(64)))


# --- framing -------------------------------------------------------------------------------------------------


@attack("VP024", "reject:PROOF_VERIFICATION_ERROR")
def test_the_payload_is_detached(expected):
    payloads = (base64url.encode(FOREIGN.hashed), "e30", "AA")
    expected.met_by(*[out for p in payloads for out in changed(lambda h, _, s, p=p: f"{h}.{p}.{s}", FOREIGN)])


@attack(
    "VP024",
    "reject:SCHEMA_INVALID",
    differs="our types have a closed shape (decision 0003), which is checked before the proof",
)
def test_a_proof_of_our_own_shape_has_no_room_for_a_payload(expected):
    expected.met_by(*changed(lambda h, _, s: f"{h}.{base64url.encode(OURS.hashed)}.{s}", OURS))


@attack("VP026", "reject:MALFORMED_VALUE_ERROR")
def test_base64url_has_no_padding(expected):
    expected.met_by(
        *changed(lambda h, _, s: f"{h}..{s}=="),
        *changed(lambda h, _, s: f"{h}..{s}="),
        *changed(lambda h, _, s: f"{h}=..{s}"),
        *changed(lambda h, _, s: f"{h}..{s[:40]}={s[40:]}"),
    )


@attack("VP027", "reject:MALFORMED_VALUE_ERROR")
def test_base64url_has_its_own_alphabet_and_no_white_space(expected):
    expected.met_by(
        *[out for letter in "+/ \n~\u00ff\uff21" for out in changed(lambda h, _, s, x=letter: f"{h}..{x}{s[1:]}")],
        *[out for letter in "+/ \n" for out in changed(lambda h, _, s, x=letter: f"{h}..{s}{x}")],
        *[out for letter in "+/ \n" for out in changed(lambda h, _, s, x=letter: f"{x}{h}..{s}")],
    )


@attack("VP028", "reject:MALFORMED_VALUE_ERROR")
def test_base64url_has_no_bits_left_over(expected):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 64 bytes fill 86 characters but for four bits of the last one.
    aliases = [lambda h, _, s, n=n: f"{h}..{s[:-1]}{alphabet[alphabet.index(s[-1]) + n]}" for n in (1, 5, 15)]
    expected.met_by(*[out for alias in aliases for out in changed(alias)], *changed(lambda h, _, s: f"{h}..{s}AAA"))


@attack("VP042", "reject:MALFORMED_VALUE_ERROR")
def test_the_json_serialization_is_not_read(expected):
    header, _, signature = FOREIGN.jws(HEADER).split(".")
    good, bad = {"protected": header, "signature": signature}, {"protected": header, "signature": "AA"}
    serializations = ({"signatures": [bad, good]}, {"signatures": [good, bad]}, good)
    texts = [json.dumps({"payload": "", **serialization}) for serialization in serializations]
    expected.met_by(*[of_report(base.report(text)) for text in texts for base in BOTH])
    assert {FOREIGN.report(json.loads(text)).problem for text in texts} == {"PROOF_VERIFICATION_ERROR"}
    assert {OURS.report(json.loads(text)).problem for text in texts} == {"SCHEMA_INVALID"}


@attack("VP044", "reject:CRYPTOGRAPHIC_SECURITY_ERROR")
def test_encryption_is_not_read(expected):
    names = ("PBES2-HS256+A128KW", "dir", "RSA1_5", "RSA-OAEP", "ECDH-ES")
    jwe = [{"alg": name, "enc": "A256GCM", "p2c": 2**31, "p2s": "AAAA"} for name in names]
    expected.met_by(*signed(*jwe, *({**HEADER, "zip": "DEF"}, {**HEADER, "p2c": 2**31})))
    five = [base64url.encode(json.dumps(header).encode()) + ".A.A.A.A" for header in jwe]
    expected.met_by(*[of_report(FOREIGN.report(text)) for text in five])


# --- time and key id: what exp, iat and kid of a token are, is expires, created and verificationMethod of a proof ----


@attack("VP046", "reject:EXPIRED")
def test_a_proof_counts_until_it_expires(expected):
    bases = [foreign(expires=time) for time in ("2026-11-20T20:59:00Z", "1970-01-01T00:00:00Z")]
    expected.met_by(*[of_report(base.report(base.jws(HEADER))) for base in bases])
    later = foreign(expires="2026-11-20T21:01:00Z")
    assert later.report(later.jws(HEADER)).outcome is Outcome.VERIFIED


@attack("VP046", "reject:NOT_YET_VALID")
def test_a_credential_counts_from_its_date_on(expected):
    for base in (ours(), foreign()):
        base.unsecured["issuanceDate"] = "2026-11-20T21:02:00Z"
        expected.met_by(of_report(base.report(base.jws(HEADER))))


@attack("VP046", "reject:MALFORMED_VALUE_ERROR")
def test_a_time_that_no_calendar_has_is_malformed(expected):
    times = ("2026-11-20T20:59:00", "1e30", "-1", "2026-13-01T00:00:00Z", "+12026-01-01T00:00:00Z", "")
    bases = [foreign(expires=time) for time in times]
    expected.met_by(*[of_report(base.report(base.jws(HEADER))) for base in bases])


@attack("VP047", "reject:NOT_YET_VALID")
def test_a_proof_of_the_future_is_refused(expected):
    times = ("2036-11-20T20:00:00Z", "9999-12-31T23:59:59Z", "2026-11-20T21:01:01Z")
    bases = [kind(created=time) for time in times for kind in (ours, foreign)]
    expected.met_by(*[of_report(base.report(base.jws(HEADER))) for base in bases])


@attack("VP049", "reject:INVALID_VERIFICATION_METHOD")
def test_the_key_is_one_of_the_issuers_own(expected):
    evil = Signatory(signer(66), "did:web:evil.example")
    own_key = Signatory(signer(66))
    for method in (
        evil.method,
        own_key.method,
        f"{ISSUER}:tenants:b#key-1",
        "did:web:oracle.example.evil.example#key-1",
    ):
        for base in (ours(verificationMethod=method), foreign(verificationMethod=method)):
            base.world.overrides[evil.did] = base.world.evidence().did_documents[ISSUER]
            expected.met_by(of_report(base.report(base.jws(HEADER, sign=signs(signer(66)._key)))))


@attack("VP050", "reject:INVALID_VERIFICATION_METHOD")
def test_a_key_id_is_absolute_and_spelled_as_in_the_did_document(expected):
    spellings = (
        "did:web:oracle.example#KEY-1",
        "did:web:ORACLE.example#key-1",
        "DID:web:oracle.example#key-1",
        "did:web:oracle%2Eexample#key-1",
        "did:web:oracle.example#key%2D1",
        "did:web:oracle.example.#key-1",
        "did:web:oracle.example?versionId=1#key-1",
        "did:web:oracle.example#key-1#key-1",
        "did:web:oracle.example",
    )
    relative = ("#key-1", "key-1", "")
    bases = [kind(verificationMethod=spelling) for spelling in spellings for kind in (ours, foreign)]
    expected.met_by(*[of_report(base.report(base.jws(HEADER))) for base in bases])
    # JSON-LD knows no base to make these absolute, so they cannot be signed: what is sent is an edited proof.
    for spelling in relative:
        value = FOREIGN.secured(FOREIGN.jws(HEADER))
        put("proof.verificationMethod", spelling)(value)
        expected.met_by(of_report(FOREIGN.world.report(value)))


@attack("VP051", "reject:MALFORMED_VALUE_ERROR")
def test_a_key_id_is_no_path_no_statement_and_no_second_line(expected):
    texts = ("../../etc/passwd\n", "' OR 1=1 --", "a\nb", "a\tb", "a\\b", "<script>", "a b", "\u202ekey")
    for text in texts:
        value = OURS.secured(OURS.jws(HEADER))
        put("proof.verificationMethod", f"{ISSUER}#{text}")(value)
        expected.met_by(of_call(lambda value=value: OURS.world.report(value)))


def test_a_proof_with_a_thousand_headers_in_front_is_cut_off_by_its_framing():
    assert FOREIGN.report(".".join(["e30"] * 1000)).problem in {"MALFORMED_VALUE_ERROR", "CRYPTOGRAPHIC_SECURITY_ERROR"}
