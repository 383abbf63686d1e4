"""What docs/formats.md says of windows, held against what reads them: its examples, flags, limits and words."""

import json
import re

import pytest

from did.jwk import parse_jwk
from issuer.claims.completeness import COVERAGE_LOW, COVERAGE_REDUCED
from issuer.windows.compression import MAX_INFLATED_BYTES
from issuer.windows.plan import INFERENCE_REPEATED, TENANT_NOT_ALLOWED
from issuer.windows.request import MAX_BYTES, MAX_LINE_BYTES, read_first_line, read_records
from schemas import base64url, cmw, digests, window_header, window_record
from schemas.opening_quote import parse_boot_event
from schemas.window_record import decode_records
from tests.fakes.soft_tpm import canonical, domain
from tests.vectors import ROOT
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.chain_state import FlagKind
from verifier.attestation.software import check_software_window
from verifier.attestation.window import check_opening

PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
WINDOWS = PAGE.partition("\n## Windows\n")[2].partition("\n## ")[0]
EXAMPLES = {
    name: json.loads(text)
    for name, text in re.findall(r"<!-- example: ([a-z ]+) -->\n```json\n(.*?)```", WINDOWS, re.DOTALL)
}


def token():
    """The compact JWS that the page's header, JWS header and signature make together."""
    signing = f"{base64url.encode(canonical(EXAMPLES['protected']))}.{base64url.encode(canonical(EXAMPLES['header']))}"
    return f"{signing}.{EXAMPLES['signature']['signature']}"


def test_the_example_of_a_software_window_holds_with_its_record():
    records = decode_records(canonical(EXAMPLES["record"]) + b"\n")
    window = check_software_window(token(), parse_jwk(EXAMPLES["jwk"]), records)
    assert window.digest == EXAMPLES["signature"]["window_digest"]
    assert window.header.ak is None
    assert (window.header.sequence, window.header.previous, window.header.freshness) == (0, None, "chained")
    assert window.digest == digests.encode(domain("window", canonical(EXAMPLES["header"])))


def test_the_example_makes_a_request_that_the_issuer_reads():
    line = canonical({"evidence": {"jws": token()}}) + b"\n"
    first = read_first_line(line + canonical(EXAMPLES["record"]) + b"\n", "identity")
    assert first.token == token()
    assert read_records(line + b"{}\n", "identity", first) == b"{}\n"


def test_the_example_of_a_boot_event_holds_by_the_key_beside_it():
    event = parse_boot_event(canonical(EXAMPLES["boot event"]))
    public = base64url.decode(re.search(r"By the key `([\w-]+)`", WINDOWS)[1])
    quote, key = event.opening, check_attestation_key(public)
    opening = check_opening(
        quote.attest_bytes, quote.signature_bytes, key, previous=quote.previous, nonce=b"", pcrs=quote.values
    )
    assert (event.ak, opening.previous) == (key.digest, quote.previous)
    extra = domain("open", digests.decode(quote.previous))
    assert extra in quote.attest_bytes


def test_every_flag_has_its_row_and_no_row_is_of_another():
    rows = WINDOWS.partition("| flag | |\n|---|---|\n")[2].partition("\n\n")[0]
    named = {name for row in rows.splitlines() for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    ours = {TENANT_NOT_ALLOWED, INFERENCE_REPEATED, COVERAGE_LOW, COVERAGE_REDUCED}
    assert named == {kind.value for kind in FlagKind} | ours


def test_every_member_of_a_header_has_its_row_and_those_that_may_be_absent_are_said():
    rows = WINDOWS.partition("| member | |\n|---|---|\n")[2].partition("\n\n")[0]
    named = {name for row in rows.splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert named == set(window_header.SHAPE.members)
    said = re.search(r"only (.*?) may be absent", WINDOWS)[1]
    assert set(re.findall(r"`(\w+)`", said)) == set(window_header.SHAPE.members) - set(window_header.SHAPE.required)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("JCS, at most 64 KiB", window_header.MAX_HEADER_BYTES, 1024),
        ("`records`, `merkle_root` | at most 50,000", window_record.MAX_RECORDS, 1),
        ("`duration_us` is 1 to 3,600,000,000", window_header.MAX_DURATION_US, 1),
        ("`accelerators` | at most 128", window_header.MAX_ACCELERATORS, 1),
        ("line feed, at most 4 KiB", window_record.MAX_RECORD_BYTES, 1024),
        ("the CMW collection, at most 128 KiB", cmw.MAX_EVIDENCE_BYTES, 1024),
        ("Line 1, at most 256 KiB", MAX_LINE_BYTES, 1024),
        ("At most 8 MiB", MAX_BYTES, 1024 * 1024),
        ("64 MiB inflated", MAX_INFLATED_BYTES, 1024 * 1024),
    ],
)
def test_a_limit_is_the_one_that_is_kept(text, value, unit):
    assert text in WINDOWS
    assert int(re.findall(r"[\d,]+", text)[-1].replace(",", "")) * unit == value


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")))
def test_the_json_of_the_pages_is_json(page):
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    for block in blocks:
        try:
            json.loads(block)
        except json.JSONDecodeError:
            # An answer of which parts are left out.
            assert "…" in block, block
