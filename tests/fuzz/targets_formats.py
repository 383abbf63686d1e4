"""Targets of ``schemas`` and ``did``: the wire formats, JOSE, keys, DIDs and DID documents."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec

from did import base58, jose_header, jwk, jws, local, multikey, web
from did.algorithms import ALGORITHMS
from did.documents import RELATIONSHIPS, read_document
from did.errors import DidError
from did.identifiers import parse_did, split_did_url
from did.signers import pkcs11_uri
from schemas import base64url, bitstring, credential, decimals, jcs, status, strict_json, telemetry, times
from schemas.errors import GreenError, MalformedValueError
from tests.fakes.did import CURVES, public_key, signer
from tests.fakes.verifier import World, example
from tests.fuzz.target import target, text_of
from tests.vectors import FORMATS

WORLD = World()
_LIMIT = 64 * 1024 * 1024
_DEPTH = 64


@cache
def documents() -> list[bytes]:
    """Return every JSON example of the wire formats."""
    return [path.read_bytes() for path in sorted(FORMATS.glob("*.json"))]


@cache
def credentials() -> list[bytes]:
    """Return a signed credential of ours and the examples of the wire formats."""
    names = ("credential-minimal.vc11.json", "credential.vc11.json", "window.vc11.json", "summary.vc11.json")
    return [_encoded(WORLD.credential()), *((FORMATS / name).read_bytes() for name in names)]


@cache
def records() -> list[bytes]:
    """Return posted telemetry."""
    return [_encoded(WORLD.record), (FORMATS / "telemetry.json").read_bytes(), (FORMATS / "record.json").read_bytes()]


@cache
def jwks() -> list[bytes]:
    """Return a public JWK of each kind."""
    return [_encoded({**public_key(algorithm).jwk, "kid": "a", "use": "sig"}) for algorithm in ALGORITHMS]


@cache
def dids() -> list[bytes]:
    """Return DIDs of every method."""
    texts = [
        "did:web:oracle.example",
        "did:web:oracle.example%3A8443:issuers:a",
        "did:web:xn--bcher-kva.example:%C3%A9",
    ]
    texts += [local.did_key(public_key(algorithm)) for algorithm in CURVES]
    texts += [local.did_jwk(public_key(algorithm)) for algorithm in CURVES]
    return [text.encode() for text in texts]


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@cache
def _detached() -> list[bytes]:
    signed = [jws.sign_detached(b"payload", signer(algorithm), algorithm).encode() for algorithm in CURVES]
    return [*signed, WORLD.credential()["proof"]["jws"].encode()]


@cache
def _compact() -> list[bytes]:
    header = {"typ": "x+jwt", "kid": "did:web:oracle.example#key-1"}
    return [jws.sign_compact(b'{"iss":"x"}', header, signer(name), name).encode() for name in CURVES]


def _same(left: Any, right: Any) -> None:
    # As JSON: True is not 1, and 1.0 is another text than 1.
    assert json.dumps(left) == json.dumps(right), "it does not read back as it was"


@target("strict_json", documents, inputs=300)
def _(raw: bytes) -> None:
    value = strict_json.parse(raw)
    _same(value, json.loads(raw))
    _same(value, strict_json.parse(json.dumps(value, ensure_ascii=False).encode(), max_bytes=_LIMIT))
    try:
        canonical = jcs.canonical_bytes(value)
    except MalformedValueError:
        return
    again = strict_json.parse(canonical, max_bytes=_LIMIT)
    assert again == value
    assert jcs.canonical_bytes(again) == canonical


@target("credential", credentials, inputs=300)
def _(raw: bytes) -> None:
    value = strict_json.parse_object(raw)
    view = credential.decode(value)
    assert msgspec.json.decode(msgspec.json.encode(view)) == value
    assert credential.kind_of(value) is type(view)


@target("telemetry", records, inputs=300)
def _(raw: bytes) -> None:
    posted = telemetry.parse_telemetry(raw)
    again = telemetry.parse_telemetry(posted.record_bytes)
    assert again == posted
    body = strict_json.parse_object(raw)
    assert telemetry.signing_input(body) == posted.signing_input
    assert telemetry.body_digest(body) == posted.body_digest
    assert b'"signature"' not in posted.signing_input.replace(b'\\"', b"")
    record = posted.record
    assert decimals.kwh_from_mj(record.energy_mj) == record.energy_kwh
    assert record.duration_s is None or 0 < record.duration_s <= telemetry.MAX_DURATION_S
    assert (record.period_start is None) or record.period_start <= record.timestamp
    assert 64 <= len(record.signature) <= 512


@target("status_credential", lambda: [(FORMATS / "status-list.vc11.json").read_bytes()])
def _(raw: bytes) -> None:
    value = strict_json.parse_object(raw)
    listed = status.decode(value)
    assert msgspec.json.decode(msgspec.json.encode(listed)) == value
    status.decode_list(listed.credential_subject.encoded_list, max_bytes=1 << 20)


@target("status_list", lambda: [example("status-list.vc11.json")["credentialSubject"]["encodedList"].encode()])
def _(raw: bytes) -> None:
    bits = status.decode_list(text_of(raw), max_bytes=1 << 20)
    assert status.decode_list(status.encode_bits(bits), max_bytes=1 << 20) == bits


@target("bitstring", lambda: [bytes(range(256)), b"\x00" * 100, b"\xff" * 16_384])
def _(raw: bytes) -> None:
    bits = bytearray(raw.ljust(bitstring.MIN_BYTES, b"\x00"))
    assert bitstring.decode_list(bitstring.encode_bits(bits)) == bits
    index = int.from_bytes(raw[:4], "big") % (len(bits) * 8)
    before = bitstring.get(bits, index)
    bitstring.set_bit(bits, index, value=not before)
    assert bitstring.get(bits, index) is not before
    bitstring.set_bit(bits, index, value=before)
    assert bits == raw.ljust(bitstring.MIN_BYTES, b"\x00")


@target("gzip", lambda: [base64url.decode(bitstring.encode_bits(bytes(16_384)))])
def _(raw: bytes) -> None:
    assert len(bitstring.decode_list(base64url.encode(raw), max_bytes=1 << 20)) >= bitstring.MIN_BYTES


@target("decimals", lambda: [b"0", b"0.000729", b"999999999999999999.999999999999999999", b"2.75"])
def _(raw: bytes) -> None:
    text = text_of(raw)
    value = decimals.parse(text)
    assert decimals.render(value) == text
    if "." not in text:
        assert decimals.parse_integer(text) == value
    assert decimals.render(decimals.multiply(value, decimals.Decimal(1))) == text


@target("times", lambda: [b"2026-11-20T20:01:04Z", b"2026-11-20T20:01:04.25Z", b"0001-01-01T00:00:00Z"])
def _(raw: bytes) -> None:
    text = text_of(raw)
    moment = times.parse_claim(text)
    assert times.render_claim(moment) == text
    assert times.from_microseconds(times.to_microseconds(moment)) == moment


@target("base64url", lambda: [b"", b"AA", b"AAA", b"_-_-"])
def _(raw: bytes) -> None:
    text = text_of(raw)
    assert base64url.encode(base64url.decode(text)) == text


@target("base58", lambda: [b"z6Mk"[1:], b"1112", b"JxF12TrwUP45BMd"])
def _(raw: bytes) -> None:
    text = text_of(raw[:200])
    assert base58.encode(base58.decode(text)) == text


@target("jws_detached", _detached)
def _(raw: bytes) -> None:
    text = text_of(raw)
    parsed = jws.parse_detached(text)
    assert f"{parsed.header_b64.decode()}..{base64url.encode(parsed.signature)}" == text
    _refuses_the_signature(parsed, b"another payload")


@target("jws_compact", _compact)
def _(raw: bytes) -> None:
    text = text_of(raw)
    parsed = jws.parse_compact(text)
    header, payload, signature = text.split(".")
    assert parsed.signing_input == f"{header}.{payload}".encode()
    assert (base64url.encode(parsed.payload), base64url.encode(parsed.signature)) == (payload, signature)
    assert parsed.header["alg"] == parsed.algorithm
    assert parsed.algorithm in ALGORITHMS


def _refuses_the_signature(parsed: jws.DetachedJws, payload: bytes) -> None:
    try:
        parsed.verify(payload, public_key("ES256", 99))
    except DidError:
        return
    raise AssertionError("a signature of nobody verifies")


@target("jose_header", lambda: [text.split(b".")[0] for text in (*_detached(), *_compact())])
def _(raw: bytes) -> None:
    text = text_of(raw)
    header = jose_header.parse(text)
    refusals = 0
    for unencoded in (True, False):
        try:
            algorithm = jose_header.check(header, jws.COMPACT_MEMBERS | {"b64", "crit"}, unencoded=unencoded)
            assert algorithm in ALGORITHMS
        except GreenError:
            refusals += 1
    assert refusals > 0, "one header passes for both kinds of JWS"


@target("jwk", jwks)
def _(raw: bytes) -> None:
    value = strict_json.parse_object(raw)
    key = jwk.parse_jwk(value)
    assert jwk.parse_jwk({**key.jwk}).thumbprint_uri == key.thumbprint_uri
    assert {name: value[name] for name in key.jwk} == {**key.jwk}
    assert not jwk.secret_members({**key.jwk})
    assert set(key.algorithms) <= set(ALGORITHMS)


@target("multikey", lambda: [multikey.encode(public_key(algorithm)).encode() for algorithm in CURVES])
def _(raw: bytes) -> None:
    text = text_of(raw)
    assert multikey.encode(multikey.decode(text)) == text


@target("did_with_its_key", dids)
def _(raw: bytes) -> None:
    text = text_of(raw)
    document = local.resolve(text)
    assert document.id == text
    method = document.key_for(local.method_id(text), "assertionMethod")
    assert parse_did(text).method != "key" or local.did_key(method.key) == text
    assert local.resolve(local.did_jwk(method.key)).id.startswith("did:jwk:")


@target("did_web", dids)
def _(raw: bytes) -> None:
    text = text_of(raw)
    assert str(parse_did(text)) == text
    url = web.document_url(text)
    assert url.startswith("https://")
    base, *segments = url.removeprefix("https://").removesuffix("/did.json").split("/")
    assert web.did_of(f"https://{base}", *([] if segments == [".well-known"] else segments)) == text


@target("did_url", lambda: [did + b"#key-1" for did in dids()])
def _(raw: bytes) -> None:
    text = text_of(raw)
    did, fragment = split_did_url(text)
    assert f"{did}#{fragment}" == text
    assert "#" not in did
    assert parse_did(did)


@target("did_document", lambda: [_encoded(WORLD.issuer.document())])
def _(raw: bytes) -> None:
    did = WORLD.issuer.did
    document = read_document(raw, did)
    assert document.id == did
    assert set(document.relationships) <= set(RELATIONSHIPS)
    for name, ids in document.relationships.items():
        assert all(identifier.startswith(f"{did}#") for identifier in ids)
        for identifier in ids & document.verification_methods.keys():
            method = document.verification_methods[identifier]
            assert method.controller == did
            if method.revoked is None:
                assert document.key_for(identifier, name) is method


@target(
    "pkcs11_uri",
    lambda: [b"pkcs11:token=gco;object=k%20%01;type=private?module-path=/lib/p.so&pin-source=file:/run/pin"],
)
def _(raw: bytes) -> None:
    pkcs11_uri.parse(text_of(raw))


@target("size_gate", lambda: [b"[" + b"[]," * 100 + b"0]", b'{"a":"' + b"x" * 400 + b'"}', b'"'], inputs=60)
def _(raw: bytes) -> None:
    # As many copies as the gate lets through: what costs more than its size shows here.
    copies = strict_json.MAX_BYTES // (len(raw) + 1) - 1
    strict_json.parse(b"[" + b",".join([raw] * copies) + b"]")
