"""A TPM in software that signs whatever it is told, lies included, and a node that makes windows with it.

Structures are packed here by hand, so that the readers are not tested with their own writers.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from did.jwk import from_cryptography
from schemas import base64url, digests, merkle
from schemas.cmw import WindowEvidence
from schemas.window_record import WindowRecords, decode_records
from verifier.attestation import chain
from verifier.attestation.attestation_key import AttestationKey, check_attestation_key
from verifier.attestation.window import Opening, check_opening

RSA, ECC, NULL = 0x0001, 0x0023, 0x0010
SHA1, SHA256, SHA384, SHA512 = 0x0004, 0x000B, 0x000C, 0x000D
RSASSA, RSAPSS, ECDSA = 0x0014, 0x0016, 0x0018
P256, P384 = 0x0003, 0x0004
AK_ATTRIBUTES = 0x00050472  # fixedTPM fixedParent sensitiveDataOrigin userWithAuth noDA restricted sign

QUOTED = (0, 1, 2, 3, 4, 5, 6, 7, 10, 15)
SELECTION = ((SHA256, QUOTED),)
NAMES = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}
VENDOR_HASHES = {SHA1: hashes.SHA1(), SHA256: hashes.SHA256(), SHA384: hashes.SHA384(), SHA512: hashes.SHA512()}
CURVES = {P256: ec.SECP256R1(), P384: ec.SECP384R1()}

START_US = 1_795_204_800_000_000
WINDOW_US = 10_000_000


def sized(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


def canonical(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def domain(name: str, *parts: bytes) -> bytes:
    return hashlib.sha256(f"ecw/1 {name}\0".encode() + b"".join(parts)).digest()


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class SoftTpm:
    """A key and the public area that it is said to have. ``curve`` and ``bits`` may lie; ``key_curve`` does not."""

    scheme: int = ECDSA
    hash_algorithm: int = SHA256
    attributes: int = AK_ATTRIBUTES
    name_algorithm: int = SHA256
    symmetric: bytes = struct.pack(">H", NULL)
    kdf: bytes = struct.pack(">H", NULL)
    curve: int = P256
    key_curve: int = P256
    bits: int = 2048
    exponent: int = 0
    seed: int = 7

    @property
    def vendor(self) -> Any:
        if self.scheme in (RSASSA, RSAPSS):
            return rsa_key(self.bits)
        return ec.derive_private_key(self.seed, CURVES[self.key_curve])

    @property
    def public(self) -> bytes:
        """TPMT_PUBLIC."""
        is_rsa = self.scheme in (RSASSA, RSAPSS)
        scheme = (
            struct.pack(">H", NULL) if self.scheme == NULL else struct.pack(">HH", self.scheme, self.hash_algorithm)
        )
        head = struct.pack(">HHI", RSA if is_rsa else ECC, self.name_algorithm, self.attributes)
        head += sized(b"") + self.symmetric + scheme
        numbers = self.vendor.public_key().public_numbers()
        if is_rsa:
            return (
                head + struct.pack(">HI", self.bits, self.exponent) + sized(numbers.n.to_bytes(self.bits // 8, "big"))
            )
        length = (CURVES[self.key_curve].key_size + 7) // 8
        point = sized(numbers.x.to_bytes(length, "big")) + sized(numbers.y.to_bytes(length, "big"))
        return head + struct.pack(">H", self.curve) + self.kdf + point

    @property
    def ak(self) -> str:
        return digests.digest(self.public)

    @property
    def uri(self) -> str:
        return from_cryptography(self.vendor.public_key()).thumbprint_uri

    @property
    def key(self) -> AttestationKey:
        return check_attestation_key(self.public)

    def sign(self, message: bytes, *, scheme: int | None = None, hash_algorithm: int | None = None) -> bytes:
        """TPMT_SIGNATURE; ``scheme`` and ``hash_algorithm`` other than the key's are signed by all the same."""
        used, digest = scheme or self.scheme, hash_algorithm or self.hash_algorithm
        head, vendor_hash = struct.pack(">HH", used, digest), VENDOR_HASHES[digest]
        if self.scheme == ECDSA:
            r, s = decode_dss_signature(self.vendor.sign(message, ec.ECDSA(vendor_hash)))
            length = (CURVES[self.key_curve].key_size + 7) // 8
            return head + sized(r.to_bytes(length, "big")) + sized(s.to_bytes(length, "big"))
        pss = padding.PSS(padding.MGF1(vendor_hash), vendor_hash.digest_size)
        return head + sized(self.vendor.sign(message, padding.PKCS1v15() if used == RSASSA else pss, vendor_hash))


@dataclass(frozen=True)
class Attested:
    """The fields of a TPMS_ATTEST with a quote, each of which a test may make another."""

    extra: bytes
    digest: bytes
    clock_ms: int
    reset: int = 1
    restart: int = 0
    safe: int = 1
    firmware: int = 0x2019_1023_0016_3636
    selection: Sequence[tuple[int, Sequence[int]]] = SELECTION
    magic: int = 0xFF544347
    kind: int = 0x8018
    signer: bytes = b"\x00\x0b" + bytes(32)

    def pack(self) -> bytes:
        body = struct.pack(">I", len(self.selection))
        for bank, indices in self.selection:
            body += struct.pack(">HB", bank, 3) + sum(1 << index for index in indices).to_bytes(3, "little")
        head = struct.pack(">IH", self.magic, self.kind) + sized(self.signer) + sized(self.extra)
        clock = struct.pack(">QIIBQ", self.clock_ms, self.reset, self.restart, self.safe, self.firmware)
        return head + clock + body + sized(self.digest)


def composite(pcrs: Mapping[int, bytes], hash_algorithm: int, indices: Sequence[int] = QUOTED) -> bytes:
    return hashlib.new(NAMES[hash_algorithm], b"".join(pcrs[index] for index in indices)).digest()


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a record's members; ``changes`` may set them, or leave one out with ``...``."""
    members = {
        "v": 1,
        "salt": base64url.encode(hashlib.sha256(str(number).encode()).digest()[:16]),
        "inference_id": f"inference-{number}",
        "model_id": "meta-llama/Llama-3.1-70B-Instruct",
        "tenant_id": "did:web:tenant-b.example",
        "start_us": START_US,
        "end_us": START_US + 3_000_000,
        "duration_us": 3_000_000,
        "accelerator_active_mj": 1_000_000 + number,
        "accelerator_loaded_idle_mj": 1000,
        "accelerator_idle_mj": 2000,
        "host_cpu_mj": 3000,
        "host_dram_mj": 4000,
        "host_other_mj": 0,
        "network_mj": 0,
        "estimated_mj": 0,
        "attribution": "step-log",
        "input_tokens": 10,
        "output_tokens": 20,
        "requests": 1,
    }
    return {name: value for name, value in (members | changes).items() if value is not ...}


def lines(*records: Mapping[str, Any]) -> bytes:
    return b"".join(canonical(one) + b"\n" for one in records)


@dataclass
class Made:
    """A window as it was made: what travels, its records, the members of its header."""

    evidence: WindowEvidence
    records: WindowRecords
    header: dict[str, Any]

    @property
    def digest(self) -> bytes:
        return domain("window", self.evidence.header)


@dataclass
class Node:
    """A node that closes a window every ten seconds, honest unless it is told otherwise."""

    tpm: SoftTpm = field(default_factory=SoftTpm)
    node_id: str = "node-7"
    sequence: int = 0
    previous: str | None = None
    clock_ms: int = 50_000
    wall_us: int = START_US
    counter_mj: int = 918_273_645_000
    reset: int = 1
    restart: int = 0
    firmware: int = 0x2019_1023_0016_3636
    pcrs: dict[int, bytes] = field(default_factory=lambda: {index: bytes([index]) * 32 for index in QUOTED})

    def header(self, own: Sequence[Mapping[str, Any]], /, **changes: Any) -> dict[str, Any]:
        energy = sum(one["accelerator_active_mj"] for one in own)
        counted = energy + 500_000
        counters = {"counter_start_mj": self.counter_mj, "counter_end_mj": self.counter_mj + counted}
        gpu = {"model": "NVIDIA H100 80GB HBM3", "scope": "gpu", "uuid": "GPU-1", "energy_mj": counted}
        members = {
            "v": 1,
            "node_id": self.node_id,
            "agent": "green-agent/1.0.0",
            "key": self.tpm.uri,
            "ak": self.tpm.ak,
            "boot": {"reset": self.reset, "restart": self.restart},
            "sequence": self.sequence,
            "previous": self.previous if self.previous is not None else ...,
            "records": len(own),
            "merkle_root": digests.encode(merkle.root([merkle.leaf_hash(canonical(one)) for one in own])),
            "freshness": "nonce",
            "nonce": base64url.encode(hashlib.sha256(f"nonce {self.sequence}".encode()).digest()),
            "start_us": self.wall_us,
            "end_us": self.wall_us + WINDOW_US,
            "duration_us": WINDOW_US,
            "measured_us": WINDOW_US,
            "largest_gap_us": 0,
            "method": "counter",
            "accelerators": [gpu | counters],
            "accelerator_active_mj": energy,
            "accelerator_loaded_idle_mj": 100_000,
            "accelerator_idle_mj": 150_000,
            "unattributed_mj": 250_000,
            "host_cpu_mj": 1_230_001,
            "host_dram_mj": 569_999,
            "host_other_mj": 0,
            "network_mj": 0,
            "estimated_mj": 0,
        }
        return {name: value for name, value in (members | changes).items() if value is not ...}

    def own_records(self, count: int = 2) -> list[dict[str, Any]]:
        times = {"start_us": self.wall_us, "end_us": self.wall_us + 3_000_000}
        return [record(100 * self.sequence + number, **times) for number in range(count)]

    def window(
        self,
        *,
        records: Sequence[Mapping[str, Any]] | None = None,
        header: Mapping[str, Any] | None = None,
        raw_header: bytes | None = None,
        pcrs: Mapping[int, bytes] | None = None,
        attested: Mapping[str, Any] | None = None,
        attest: Callable[[bytes], bytes] = lambda raw: raw,
        sign: Callable[[SoftTpm, bytes], bytes] = lambda tpm, raw: tpm.sign(raw),
    ) -> Made:
        """Return the next window. Each argument is a lie, told consistently by everything that follows from it."""
        records = self.own_records() if records is None else records
        members = self.header(records, **(header or {}))
        raw = canonical(members) if raw_header is None else raw_header
        digest = domain("window", raw)
        self.clock_ms += WINDOW_US // 1000
        self.pcrs = {**self.pcrs, 15: hashlib.sha256(self.pcrs[15] + digest).digest()}
        values = {**self.pcrs, **(pcrs or {})}
        nonce = base64url.decode(members["nonce"]) if "nonce" in members else b""
        signed = attest(self._attested(domain("quote", digest, nonce), values, attested or {}).pack())
        evidence = WindowEvidence(raw, signed, sign(self.tpm, signed), self.tpm.public, values)
        self.sequence, self.previous = members["sequence"] + 1, digests.encode(digest)
        self.wall_us, self.counter_mj = members["end_us"], members["accelerators"][-1]["counter_end_mj"]
        return Made(evidence, decode_records(lines(*records)), members)

    def quote_opening(self, *, nonce: bytes = b"", attested: Mapping[str, Any] | None = None) -> tuple[bytes, bytes]:
        """Return the quote of an opening after the last window, and its signature."""
        last = bytes(32) if self.previous is None else digests.decode(self.previous)
        self.clock_ms += 5
        raw = self._attested(domain("open", last, nonce), self.pcrs, attested or {}).pack()
        return raw, self.tpm.sign(raw)

    def opening(self, *, nonce: bytes = b"", attested: Mapping[str, Any] | None = None) -> Opening:
        """Return an opening, checked, after the last window."""
        raw, signature = self.quote_opening(nonce=nonce, attested=attested)
        return check_opening(raw, signature, self.tpm.key, previous=self.previous, nonce=nonce, pcrs=self.pcrs)

    def begun(self) -> chain.ChainState:
        """Return the first state of this node's chain."""
        return chain.begin(self.node_id, self.opening(), next_sequence=self.sequence).state

    def reboot(self) -> None:
        """Start the machine anew: registers as before the first window, the next epoch."""
        self.reset, self.restart = self.reset + 1, 0
        self.pcrs = {index: bytes([index]) * 32 for index in QUOTED}

    def _attested(self, extra: bytes, values: Mapping[int, bytes], changes: Mapping[str, Any]) -> Attested:
        honest = Attested(
            extra=extra,
            digest=composite(values, self.tpm.hash_algorithm),
            clock_ms=self.clock_ms,
            reset=self.reset,
            restart=self.restart,
            firmware=self.firmware,
        )
        return replace(honest, **changes)
