"""Targets of signed windows: headers, records, receipts, the collection of evidence, and the TPM's structures."""

from __future__ import annotations

import gzip
from functools import cache

from schemas import base64url, cmw, jcs, receipt, strict_json, window_header, window_record
from schemas.errors import FormatError
from schemas.tpm.attest import parse_attest
from schemas.tpm.public import parse_public
from schemas.tpm.signature import parse_signature
from tests.fuzz.target import target
from tests.vectors import FORMATS
from verifier.attestation.attestation_key import check_attestation_key
from verifier.audit_bundle import entry_of
from verifier.audit_issuer import take_page
from verifier.audit_make import Collected


def _canonical(raw: bytes) -> bytes:
    """Return JSON in the one form that is read, so that more than its form is tried; other bytes as they are."""
    try:
        return jcs.canonical_bytes(strict_json.parse(raw))
    except FormatError:
        return raw


@cache
def _evidence() -> cmw.WindowEvidence:
    return cmw.parse_evidence(_example("evidence.cmw.json"))


def _example(name: str) -> bytes:
    return _canonical((FORMATS / name).read_bytes())


@target("window_header", lambda: [_example("window-header.json")])
def _(raw: bytes) -> None:
    canonical = _canonical(raw)
    assert window_header.encode_header(window_header.decode_header(canonical)) == canonical
    assert len(window_header.window_digest(canonical)) == 32


@target("window_records", lambda: [_example("record.json") + b"\n", b""])
def _(raw: bytes) -> None:
    lines = b"".join(_canonical(line) + b"\n" for line in raw.split(b"\n") if line)
    found = window_record.decode_records(lines)
    assert window_record.encode_records(found.records) == lines
    assert len(found.leaves) == len(found)
    assert not found.records or found.merkle_root.startswith("uEi")


@target("receipt", lambda: [_example("receipt.json")])
def _(raw: bytes) -> None:
    found = receipt.parse_receipt(raw)
    assert receipt.parse_receipt(receipt.build_receipt(found)) == found


@target("window_evidence", lambda: [_example("evidence.cmw.json")])
def _(raw: bytes) -> None:
    canonical = _canonical(raw)
    assert cmw.build_evidence(cmw.parse_evidence(canonical)) == canonical


@target("tpm_public", lambda: [_evidence().ak])
def _(raw: bytes) -> None:
    assert parse_public(raw).encode() == raw
    check_attestation_key(raw)


@target("tpm_attest", lambda: [_evidence().attest])
def _(raw: bytes) -> None:
    assert parse_attest(raw) == parse_attest(bytes(raw))


@target("tpm_signature", lambda: [_evidence().signature])
def _(raw: bytes) -> None:
    parse_signature(raw)


def _page() -> bytes:
    body = b'{"evidence":' + _example("evidence.cmw.json") + b"}\n" + _example("record.json") + b"\n"
    credential = (FORMATS / "window.vc11.json").read_text()
    request = base64url.encode(gzip.compress(body, mtime=0))
    return (
        f'{{"items":[{{"sequence":41,"credential":{credential},"request":"{request}"}}],"next_cursor":null}}'.encode()
    )


@target("issuer_page", lambda: [_page(), b'{"items":[]}'], cpu_s=2.0)
def _(raw: bytes) -> None:
    collected = Collected()
    page = take_page(raw, collected)
    assert len([*collected.of("window")]) <= len(page.items)
    for entry, content in collected.files.items():
        assert entry_of(entry.kind, bytes(content), of=entry.of) == entry
