import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts import pinned
from schemas import base64url, decimals, digests, lexical, times
from schemas.errors import MalformedValueError, SchemaInvalidError
from schemas.lexical import (
    BASE64URL,
    BOOT_EPOCH,
    CLAIM_TIME,
    DECIMAL,
    DETACHED_JWS,
    DID,
    DIGEST,
    ENVELOPE_TIME,
    INTEGER,
    IRI,
    POSTED_TIME,
    STRING,
    YEAR,
)

RULES = {name: rule for name, rule in vars(lexical).items() if isinstance(rule, lexical.Lexical)}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (DECIMAL, "0"),
        (DECIMAL, "999999999999999999.999999999999999999"),
        (INTEGER, "0"),
        (CLAIM_TIME, "2026-11-20T20:00:03.912501Z"),
        (CLAIM_TIME, "2028-02-29T23:59:59Z"),
        (ENVELOPE_TIME, "2026-11-20T20:00:03Z"),
        (POSTED_TIME, "2026-11-20T20:00:03.500000Z"),
        (YEAR, "2023"),
        (DIGEST, digests.digest(b"")),
        (BASE64URL, "AA"),
        (STRING, "operator, 2025, ISO/IEC 30134-2 category 1"),
        (STRING, "Ω" * 256),
        (STRING, "\U0001f600"),
        (IRI, "urn:ietf:params:oauth:jwk-thumbprint:sha-256:3hUWADHMx_oztXtppFq2Fx__IZGzBxEy3l8uIQs7SR8"),
        (IRI, "https://oracle.example/windows/node-7/1.0/41?x=[1]&y='(*)'#f"),
        (IRI, "did:web:localhost%3A8080"),
        (IRI, "gc://not-abbreviated"),
        (DID, "did:web:localhost%3A8080:issuers:one"),
        (DID, "did:key:zDnaeVfMTW2FXNunxZaGLTQqg8q28KdNX31teQHFicGGwnQWS"),
        (DETACHED_JWS, "eyJ9..AbC-_"),
        (BOOT_EPOCH, "12"),
        (BOOT_EPOCH, "12.0"),
    ],
)
def test_the_one_spelling_fits(rule, text):
    assert rule.fits(text)
    rule.check(text, "x")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (DECIMAL, "1.50"),
        (DECIMAL, "1e3"),
        (DECIMAL, "+1"),
        (DECIMAL, "1,5"),
        (DECIMAL, "1" * 40),
        (DECIMAL, "٣"),
        (INTEGER, "01"),
        (INTEGER, "1" * 19),
        (CLAIM_TIME, "2026-11-20T20:00:03.50Z"),
        (CLAIM_TIME, "2026-02-30T00:00:00Z"),
        (CLAIM_TIME, "2026-11-20T23:59:60Z"),
        (CLAIM_TIME, "2026-11-20T24:00:00Z"),
        (CLAIM_TIME, "2026-11-20T20:00:03+00:00"),
        (CLAIM_TIME, "0000-01-01T00:00:00Z"),
        (CLAIM_TIME, "2026-11-20T20:00:03"),
        (ENVELOPE_TIME, "2026-11-20T20:00:03.5Z"),
        (POSTED_TIME, "2026-11-20T20:00:03.1234567Z"),
        (YEAR, "23"),
        (YEAR, "02023"),
        (DIGEST, "u" + "A" * 46),
        (DIGEST, digests.digest(b"")[:-1] + "x"),
        (BASE64URL, ""),
        (BASE64URL, "A"),
        (BASE64URL, "AB"),
        (BASE64URL, "AA=="),
        (BASE64URL, "AA+/"),
        (STRING, ""),
        (STRING, "a" * 257),
        (IRI, ""),
        (IRI, "x"),
        (IRI, "/relative"),
        (IRI, "//oracle.example/x"),
        (IRI, "_:b0"),
        (IRI, "https:"),
        (DID, "did:web:"),
        (DID, "did:WEB:x"),
        (DID, "did:key:z6Mk#z6Mk"),
        (DID, "https://oracle.example"),
        (DETACHED_JWS, "a.b.c"),
        (DETACHED_JWS, "..c"),
        (BOOT_EPOCH, "12."),
        (BOOT_EPOCH, "1.2.3"),
        (BOOT_EPOCH, "01.0"),
    ],
)
def test_another_spelling_is_not_of_the_shape(rule, text):
    assert not rule.fits(text)
    with pytest.raises(SchemaInvalidError, match=r"^member: "):
        rule.check(text, "member")


@pytest.mark.parametrize("character", ["\x00", "\n", "\x1b", "\x7f", "\ud800", "\ufffe", "\uffff"])
@pytest.mark.parametrize("name", RULES)
def test_a_forbidden_character_is_malformed_in_every_rule(name, character):
    with pytest.raises(MalformedValueError):
        RULES[name].check(f"https://a{character}b", "x")


@pytest.mark.parametrize("character", list(' <>"{}|\\^`\u00e9\u200b'))
def test_an_iri_with_another_character_is_malformed(character):
    with pytest.raises(MalformedValueError):
        IRI.check(f"https://oracle.example/a{character}b", "id")


@pytest.mark.parametrize("text", ["eyJ9..AbC=", "eyJ9=..AbC", "eyJ9..A+C", "eyJ9..A/C", "eyJ9..AbC ", '{"payload":""}'])
def test_a_jws_in_another_base64_is_malformed(text):
    with pytest.raises(MalformedValueError):
        DETACHED_JWS.check(text, "proof.jws")


def prefixes(context):
    """Yield the terms that a JSON-LD 1.1 processor takes for prefixes, in scoped contexts too."""
    if isinstance(context, list):
        for entry in context:
            yield from prefixes(entry)
    if isinstance(context, dict):
        for term, definition in context.items():
            if isinstance(definition, str) and definition[-1:] in ":/?#[]@" and not term.startswith("@"):
                yield term
            if isinstance(definition, dict):
                yield from [term] if definition.get("@prefix") else []
                yield from prefixes(definition.get("@context"))


@pytest.mark.parametrize("url", pinned.PINNED)
def test_no_pinned_context_can_expand_an_iri_that_fits(url):
    assert [name for name in prefixes(pinned.load(url)["@context"]) if IRI.fits(f"{name}:x")] == []


@pytest.mark.parametrize("name", RULES)
def test_no_rule_lets_a_final_newline_through(name):
    assert not RULES[name].fits("0\n")
    assert not RULES[name].fits("https://oracle.example/\n")


@given(st.text(max_size=30) | st.from_regex(DECIMAL.pattern, fullmatch=True))
def test_the_decimal_rule_is_that_of_schemas_decimals(text):
    assert DECIMAL.fits(text) == reads(decimals.parse, text)


@given(st.text(max_size=12) | st.from_regex(INTEGER.pattern, fullmatch=True))
def test_the_integer_rule_is_that_of_schemas_decimals(text):
    assert INTEGER.fits(text) == reads(decimals.parse_integer, text)


@given(st.from_regex(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?Z", fullmatch=True).filter(str.isascii))  # fmt: skip
def test_the_time_rules_are_those_of_schemas_times(text):
    assert CLAIM_TIME.fits(text) == reads(times.parse_claim, text)
    assert ENVELOPE_TIME.fits(text) == reads(times.parse_seconds, text)


@given(st.text("AQgwBEx_-=+", max_size=9))
def test_the_base64url_rule_is_that_of_schemas_base64url(text):
    assert BASE64URL.fits(text) == (text != "" and reads(base64url.decode, text))


@given(st.binary(min_size=34, max_size=34) | st.binary(min_size=32, max_size=32).map(b"\x12\x20".__add__))
def test_the_digest_rule_is_that_of_schemas_digests(multihash):
    text = "u" + base64url.encode(multihash)
    assert DIGEST.fits(text) == reads(digests.decode, text)


def reads(parse, text):
    try:
        parse(text)
    except MalformedValueError:
        return False
    return True


def test_what_is_shown_of_a_value_is_short_and_ascii():
    assert lexical.shown("\u202e<b>\n") == '"\\u202e<b>\\n"'
    assert len(lexical.shown("x" * 500)) <= 42
    assert lexical.shown(["x"]) == "['x']"


@pytest.mark.parametrize("name", RULES)
def test_patterns_use_only_what_python_rust_and_ecma_read_alike(name):
    assert not re.search(r"\\[dDwWsSbBAZz]|\(\?P|\(\?<|\(\?i", RULES[name].pattern)
