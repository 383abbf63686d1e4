"""Quotes of real and emulated TPMs: each file of the folder that is a quote is verified, or refused for its own reason."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from schemas.errors import GreenError
from schemas.tpm.algorithms import TpmAlg, TpmEcc
from schemas.tpm.attest import parse_attest
from schemas.tpm.errors import ForeignAttestError
from schemas.tpm.pcr import PcrSelection, window_selection
from schemas.tpm.public import EccKey, Public, Scheme, Symmetric, parse_public
from schemas.tpm.signature import EccSignature, RsaSignature, parse_signature
from tests.fakes.soft_tpm import AK_ATTRIBUTES, SoftTpm, sized
from tests.vectors import shared
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.errors import (
    AttestationKeyError,
    NotAQuoteError,
    PcrSelectionError,
    QuoteAlgorithmError,
    QuoteSignatureError,
)
from verifier.attestation.quote import check_quote

FOLDER = shared("vectors/attestation/tpm")
MAGIC = b"\xff\x54\x43\x47"


@dataclass
class Sample:
    """A quote as its file gives it; ``public`` and ``values`` are None where the file does not have them."""

    attest: bytes
    signature: bytes
    public: bytes | None = None
    values: dict[int, dict[int, bytes]] | None = None
    nonce: bytes = b""


def enact_trust(raw: bytes) -> Sample:
    """A node id of 16 bytes, the length of the attestation, it, and the signature."""
    length = int.from_bytes(raw[16:18], "big")
    return Sample(raw[18 : 18 + length], raw[18 + length :])


def parsec(raw: bytes) -> Sample:
    """CBOR: the platform's attestation is its last member, and its signature stands before the key id."""
    platform = raw.index(b"\x63pat")
    start = raw.index(b"\x63sig", platform)
    signature = raw[start + 6 : start + 6 + raw[start + 5]]
    return Sample(raw[raw.index(MAGIC, platform) :], signature)


def keylime(raw: bytes) -> Sample:
    """``r`` and base64 of attestation, signature and registers, with colons between."""
    attest, signature, _ = raw.decode().strip().removeprefix("r").split(":")
    return Sample(base64.b64decode(attest), base64.b64decode(signature + "=="))


def go_attestation(raw: bytes) -> Sample:
    members = json.loads(raw)
    quote = members["Quote"]
    values = {one["Index"]: base64.b64decode(one["Digest"]) for one in members["Log"]["PCRs"]}
    return Sample(
        base64.b64decode(quote["Quote"]),
        base64.b64decode(quote["Signature"]),
        base64.b64decode(members["AK"]["Public"]),
        {TpmAlg.SHA1: values},
    )


def vaportpm(raw: bytes) -> Sample:
    """The point alone is there, and the signature in DER: both are put into the TPM's own form."""
    members = json.loads(raw)
    quote, point = members["attestation"]["tpm"]["ecc_p256"], members["ak_pubkeys"]["ecc_p256"]
    numbers = decode_dss_signature(bytes.fromhex(quote["signature"]))
    signature = bytes.fromhex("0018000b") + b"".join(sized(number.to_bytes(32, "big")) for number in numbers)
    key = EccKey(
        Symmetric(),
        Scheme(TpmAlg.ECDSA, TpmAlg.SHA256),
        TpmEcc.NIST_P256,
        Scheme(),
        bytes.fromhex(point["x"]),
        bytes.fromhex(point["y"]),
    )
    banks = {"sha256": TpmAlg.SHA256, "sha384": TpmAlg.SHA384}
    return Sample(
        bytes.fromhex(quote["attest_data"]),
        signature,
        Public(TpmAlg.SHA256, AK_ATTRIBUTES, b"", key).encode(),
        {
            banks[bank]: {int(index): bytes.fromhex(value) for index, value in values.items()}
            for bank, values in members["pcrs"].items()
        },
        bytes.fromhex(members["nonce"]),
    )


QUOTES = {
    "basic.token": enact_trust,
    "evidence.cbor": parsec,
    "test-quote.txt": keylime,
    "windows_gcp_shielded_vm.json": go_attestation,
    "cloud_vtpm_quotes/test-gcp-amd-fixture.json": vaportpm,
    "cloud_vtpm_quotes/test-gcp-tdx-fixture.json": vaportpm,
    "cloud_vtpm_quotes/test-nitro-fixture.json": vaportpm,
}
CLOUD = {name: reader for name, reader in QUOTES.items() if reader is vaportpm}


def sample(name: str) -> Sample:
    return QUOTES[name]((FOLDER / name).read_bytes())


def holds_a_quote(path: Path) -> bool:
    """Whether a file has the beginning of a quote in it: as bytes, in hexadecimal or in base64."""
    raw = path.read_bytes()
    begins = MAGIC + b"\x80\x18"
    return any(form in raw for form in (begins, begins.hex().encode(), base64.b64encode(begins)))


def test_every_file_that_holds_a_quote_is_accounted_for():
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file() and holds_a_quote(path)}
    assert found == set(QUOTES)


@pytest.mark.parametrize("name", QUOTES)
def test_every_quote_is_read(name):
    attest = parse_attest(sample(name).attest)
    assert attest.clock_info.safe in (True, False)
    assert isinstance(parse_signature(sample(name).signature), EccSignature | RsaSignature)


@pytest.mark.parametrize(("name", "bank"), list(zip(CLOUD, (TpmAlg.SHA256, TpmAlg.SHA256, TpmAlg.SHA384), strict=True)))
def test_the_quote_of_a_cloud_vm_verifies_over_the_registers_that_it_selected(name, bank):
    found = sample(name)
    quote = check_quote(
        found.attest,
        found.signature,
        check_attestation_key(found.public),
        qualifying_data=found.nonce,
        selections=(PcrSelection(bank, tuple(range(24))),),
        values=found.values,
    )
    assert quote.clock_info.safe is True


@pytest.mark.parametrize("name", CLOUD)
def test_the_quote_of_a_cloud_vm_is_no_windows_since_it_selected_all_registers(name):
    found = sample(name)
    with pytest.raises(PcrSelectionError):
        check_quote(
            found.attest,
            found.signature,
            check_attestation_key(found.public),
            qualifying_data=found.nonce,
            selections=window_selection(),
            values=found.values,
        )


def test_the_windows_vm_is_refused_for_the_sha1_of_its_key():
    with pytest.raises(AttestationKeyError, match="SHA1"):
        check_attestation_key(sample("windows_gcp_shielded_vm.json").public)


@pytest.mark.parametrize("name", ["test-quote.txt", "windows_gcp_shielded_vm.json"])
def test_a_quote_signed_with_sha1_is_refused_by_every_key(name):
    found = sample(name)
    for tpm in (SoftTpm(scheme=0x14), SoftTpm()):
        with pytest.raises(QuoteAlgorithmError):
            check_quote(
                found.attest, found.signature, tpm.key, qualifying_data=b"", selections=window_selection(), values={}
            )
    assert parse_attest(found.attest).attested.selections[0].hash_algorithm == TpmAlg.SHA1


@pytest.mark.parametrize("name", ["basic.token", "evidence.cbor"])
def test_a_quote_without_its_key_is_nobodys(name):
    found = sample(name)
    with pytest.raises(QuoteSignatureError):
        check_quote(
            found.attest, found.signature, SoftTpm().key, qualifying_data=b"", selections=window_selection(), values={}
        )
    # A SHA-256 selection, and of too few registers.
    selected = parse_attest(found.attest).attested.selections
    assert selected[0].hash_algorithm == TpmAlg.SHA256
    assert selected != window_selection()


def webauthn() -> list[Path]:
    return sorted((FOLDER / "real_webauthn").iterdir())


@pytest.mark.parametrize("folder", webauthn(), ids=lambda folder: folder.name)
def test_a_key_certified_by_a_real_tpm_is_read_and_is_no_quote(folder):
    certified = (folder / "certInfo.bin").read_bytes()
    public = parse_public((folder / "pubArea.bin").read_bytes())
    assert public.name in certified
    assert public.encode() == (folder / "pubArea.bin").read_bytes()
    tpm = SoftTpm()
    with pytest.raises(NotAQuoteError):
        check_quote(
            certified, tpm.sign(certified), tpm.key, qualifying_data=b"", selections=window_selection(), values={}
        )


@pytest.mark.parametrize("folder", webauthn(), ids=lambda folder: folder.name)
def test_a_key_for_signing_in_is_no_attestation_key(folder):
    with pytest.raises(AttestationKeyError, match="restricted"):
        check_attestation_key((folder / "pubArea.bin").read_bytes())


def test_the_creation_of_a_windows_key_is_no_quote():
    members = json.loads((FOLDER / "windows_gcp_shielded_vm.json").read_bytes())["AK"]
    created = base64.b64decode(members["CreateAttestation"])
    assert parse_public(base64.b64decode(members["Public"])).name in created
    with pytest.raises(ForeignAttestError):
        parse_attest(created)


@pytest.mark.parametrize("name", QUOTES)
def test_a_changed_byte_of_a_real_quote_never_does_more_than_refuse(name):
    found = sample(name)
    key = check_attestation_key(found.public) if QUOTES[name] is vaportpm else SoftTpm().key
    selections = parse_attest(found.attest).attested.selections
    for index in range(len(found.attest)):
        changed = found.attest[:index] + bytes([found.attest[index] ^ 0x80]) + found.attest[index + 1 :]
        with pytest.raises(GreenError):
            check_quote(
                changed,
                found.signature,
                key,
                qualifying_data=found.nonce,
                selections=selections,
                values=found.values or {},
            )
