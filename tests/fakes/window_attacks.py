"""Windows that have to be refused, each a lie told consistently by everything that follows from it.

An attack stands under the words of the protocol's list, "What must be refused", and makes a request's two parts
with a node that was honest so far. The same attacks are made on the verifier and, over HTTP, on the issuer.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas import base64url
from schemas.cmw import WindowEvidence
from tests.fakes.soft_tpm import (
    ECDSA,
    P256,
    QUOTED,
    RSASSA,
    SHA1,
    SHA256,
    SHA384,
    Made,
    Node,
    SoftTpm,
    canonical,
    composite,
    domain,
    lines,
    sized,
)

FIXED_TPM, FIXED_PARENT, SENSITIVE_DATA_ORIGIN, RESTRICTED, DECRYPT, SIGN = (1 << n for n in (1, 4, 5, 16, 17, 18))
CHAINED = {"nonce": ..., "freshness": "chained"}
_CLOCK_END = 101
"""Bytes of an attestation before what is attested: magic, type, signer, extraData, clock, firmware."""

_NAME = sized(b"\x00\x0b" + bytes(32))


@dataclass(frozen=True)
class Sent:
    """A window as it travels: the CMW collection and the lines of its records."""

    evidence: bytes
    records: bytes
    made: Made


def cmw(evidence: WindowEvidence) -> bytes:
    """Return the collection, written by hand."""
    octets = "application/octet-stream"
    pcrs = {"sha256": {str(index): base64url.encode(value) for index, value in evidence.pcrs.items()}}
    parts = {
        "ak": (octets, evidence.ak),
        "attest": (octets, evidence.attest),
        "header": ("application/json", evidence.header),
        "pcrs": ("application/json", canonical(pcrs)),
        "signature": (octets, evidence.signature),
    }
    return canonical({name: [kind, base64url.encode(raw)] for name, (kind, raw) in parts.items()})


def sent(
    node: Node,
    *,
    records: Sequence[Mapping[str, Any]] | None = None,
    header: Mapping[str, Any] | None = None,
    edit_header: Callable[[bytes], bytes] = lambda raw: raw,
    after: Callable[[WindowEvidence], WindowEvidence] = lambda evidence: evidence,
    edit_records: Callable[[bytes], bytes] = lambda raw: raw,
    edit_evidence: Callable[[bytes], bytes] = lambda raw: raw,
    **lies: Any,
) -> Sent:
    """Return the node's next window; ``lies`` as Node.window's, ``after`` and the edits are made when all is signed."""
    own = [
        {name: value for name, value in one.items() if name != "tenant_id"}
        for one in (node.own_records() if records is None else records)
    ]
    members = node.header(own, **(CHAINED | dict(header or {})))
    told = {"nonce": ..., "previous": ..., "ak": ...} | members
    made = node.window(records=[], header=told, raw_header=edit_header(canonical(members)), **lies)
    made.evidence = after(made.evidence)
    return Sent(edit_evidence(cmw(made.evidence)), edit_records(lines(*own)), made)


@dataclass(frozen=True)
class OddTpm(SoftTpm):
    """A TPM whose public area was edited, and whose key may be weaker than the house would name."""

    edit: Callable[[bytes], bytes] = lambda raw: raw

    @property
    def public(self) -> bytes:
        return self.edit(super().public)

    @property
    def uri(self) -> str:
        return "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + base64url.encode(hashlib.sha256(self.public).digest())


@dataclass(frozen=True)
class Attack:
    """One lie: ``name`` is the error that it ends in, ``over_http`` where the issuer's answer has another.

    ``tpm`` is the TPM that lies about its key, None where it is the enrolled one; ``in_chain`` where only the
    windows before show the lie.
    """

    item: str
    what: str
    name: str
    make: Callable[[Node], Sent]
    over_http: str = ""
    tpm: SoftTpm | None = None
    in_chain: bool = False

    def __str__(self) -> str:
        return f"{self.item}: {self.what}"


ATTACKS: list[Attack] = []


def lie(item: str, what: str, name: str, *, over_http: str = "", **lies: Any) -> None:
    """Add an attack that a single window shows."""
    ATTACKS.append(Attack(item, what, name, lambda node: sent(node, **lies), over_http))


def key(item: str, what: str, tpm: SoftTpm, name: str = "ATTESTATION_KEY_REFUSED") -> None:
    """Add an attack by a TPM whose key is none of an attestation key: it signs, and the header names it."""

    def make(node: Node) -> Sent:
        node.tpm = tpm
        return sent(node)

    # The issuer holds every window against the key that was enrolled, and these never are.
    ATTACKS.append(Attack(item, what, name, make, "WINDOW_SIGNER_MISMATCH", tpm))


def chained(item: str, what: str, name: str, make: Callable[[Node], Sent], over_http: str = "") -> None:
    """Add an attack that only the windows before show."""
    ATTACKS.append(Attack(item, what, name, make, over_http, in_chain=True))


def cut(part: str, end: int) -> Callable[[WindowEvidence], WindowEvidence]:
    """Return the edit that takes all from byte ``end`` on away."""
    return lambda evidence: replace(evidence, **{part: getattr(evidence, part)[:end]})


def attested_as(kind: int, body: bytes) -> Callable[[bytes], bytes]:
    """Return the edit that makes a well-formed attestation of another kind, to be signed."""
    return lambda raw: raw[:4] + struct.pack(">H", kind) + raw[6:_CLOCK_END] + body


def numbers(r: bytes, s: bytes) -> Callable[[SoftTpm, bytes], bytes]:
    """Return an ECDSA signature of these numbers."""
    return lambda tpm, raw: struct.pack(">HH", ECDSA, SHA256) + sized(r) + sized(s)


def _one(tpm: SoftTpm, raw: bytes) -> tuple[bytes, bytes]:
    signature = tpm.sign(raw)
    return signature[6:38], signature[40:72]


def _without(number: int) -> Callable[[SoftTpm, bytes], bytes]:
    def sign(tpm: SoftTpm, raw: bytes) -> bytes:
        pair = list(_one(tpm, raw))
        pair[number] = bytes(32)
        return numbers(*pair)(tpm, raw)

    return sign


def _relabelled(label: bytes) -> Callable[[SoftTpm, bytes], bytes]:
    return lambda tpm, raw: label + tpm.sign(raw)[4:]


def _extra(make: Callable[[bytes], bytes]) -> Callable[[Node], Sent]:
    """Return an attack whose extraData is made from the window digest that was about to be signed."""

    def attack(node: Node) -> Sent:
        honest = sent(replace(node)).made
        return sent(node, attested={"extra": make(honest.digest)})

    return attack


# --- the bytes of the structures ---------------------------------------------------------------------------

_MAGIC = "Wrong magic or type"
for value in (0, 0x474354FF, 0xFF544348):
    lie(_MAGIC, f"magic {value:08x}", "NOT_A_QUOTE", attested={"magic": value})
for value in (0, 0x8000, 0x801B, 0x1880):
    lie(_MAGIC, f"type {value:04x}", "NOT_A_QUOTE", attested={"kind": value})

_CLOCK = struct.pack(">QIIB", 60_000, 1, 0, 1)
_OTHERS = {
    "an NV index": (0x8014, _NAME + struct.pack(">H", 0) + sized(bytes(8))),
    "an audit of commands": (0x8015, struct.pack(">QH", 1, SHA256) + 2 * sized(bytes(32))),
    "an audit of a session": (0x8016, b"\x01" + sized(bytes(32))),
    "a certified key": (0x8017, 2 * _NAME),
    "the time": (0x8019, struct.pack(">Q", 1) + _CLOCK + struct.pack(">Q", 1)),
    "a created key": (0x801A, _NAME + sized(bytes(32))),
    "an NV digest": (0x801C, _NAME + sized(bytes(32))),
}
for name, (kind, body) in _OTHERS.items():
    lie("another attest type presented as a quote", name, "NOT_A_QUOTE", attest=attested_as(kind, body))

# Every offset is tried in test_mutations; here the whole way from the collection's bytes on is gone.
for part, ends in {"attest": (1, 5, 50, -1), "signature": (1, 4, 40, -1), "ak": (1, 6, 40, -1)}.items():
    for end in ends:
        lie("truncation at any offset", f"{part}[:{end}]", "TPM_STRUCTURE_INVALID", after=cut(part, end),
            over_http="WINDOW_SIGNER_MISMATCH" if part == "ak" else "")  # fmt: skip

_TRAILING = "trailing bytes (attest, signature, public)"
lie(_TRAILING, "attest", "TPM_STRUCTURE_INVALID", attest=lambda raw: raw + b"\0")
lie(_TRAILING, "signature", "TPM_STRUCTURE_INVALID", sign=lambda tpm, raw: tpm.sign(raw) + b"\0")
key(_TRAILING, "public", OddTpm(edit=lambda raw: raw + b"\0"), "TPM_STRUCTURE_INVALID")

_LENGTH = "a TPM2B length that lies"
for offset, what in ((6, "qualifiedSigner"), (42, "extraData"), (111, "pcrDigest")):
    for size in (b"\xff\xff", b"\x00\x21"):
        lie(_LENGTH, f"{what} of {size.hex()}", "TPM_STRUCTURE_INVALID",
            attest=lambda raw, at=offset, size=size: raw[:at] + size + raw[at + 2 :])  # fmt: skip
lie(_LENGTH, "r", "TPM_STRUCTURE_INVALID", sign=lambda tpm, raw: tpm.sign(raw)[:4] + b"\xff\xff" + tpm.sign(raw)[6:])
key(_LENGTH, "policy", OddTpm(edit=lambda raw: raw[:8] + b"\xff\xff" + raw[10:]), "TPM_STRUCTURE_INVALID")

_COUNT = "PCR count overflow"
for count in (0xFFFFFFFF, 17, 2):
    lie(_COUNT, f"{count} selections", "TPM_STRUCTURE_INVALID",
        attest=lambda raw, count=count: raw[:_CLOCK_END] + struct.pack(">I", count) + raw[_CLOCK_END + 4 :])  # fmt: skip
for size in (5, 255):
    lie(_COUNT, f"sizeofSelect {size}", "TPM_STRUCTURE_INVALID",
        attest=lambda raw, size=size: raw[: _CLOCK_END + 6] + bytes([size]) + raw[_CLOCK_END + 7 :])  # fmt: skip

for value in (2, 0x80, 0xFF):
    lie("a non-boolean", f"safe = {value}", "TPM_STRUCTURE_INVALID", attested={"safe": value})

# --- what was signed, by whom ------------------------------------------------------------------------------

for item, what, make in (
    ("extraData of another window", "its digest", lambda digest: domain("quote", domain("window", b"{}"))),
    ("extraData of another window", "an opening's", lambda digest: domain("open", digest)),
    ("extraData of another window", "another nonce's", lambda digest: domain("quote", digest, bytes(32))),
    ("truncated", "31 bytes", lambda digest: domain("quote", digest)[:31]),
    ("truncated", "none at all", lambda digest: b""),
    ("without domain", "the digest itself", lambda digest: digest),
    ("without domain", "hashed without it", lambda digest: hashlib.sha256(digest).digest()),
    ("without domain", "the window's", lambda digest: domain("window", digest)),
):
    ATTACKS.append(Attack(item, what, "QUALIFYING_DATA_MISMATCH", _extra(make)))

_KEYS = "another key's signature"
lie(_KEYS, "another seed", "QUOTE_SIGNATURE_INVALID", sign=lambda tpm, raw: replace(tpm, seed=8).sign(raw))
lie(_KEYS, "over another quote", "QUOTE_SIGNATURE_INVALID", sign=lambda tpm, raw: tpm.sign(raw + b"\0"))

_ZERO = "r or s zero"
lie(_ZERO, "r", "QUOTE_SIGNATURE_INVALID", sign=_without(0))
lie(_ZERO, "s", "QUOTE_SIGNATURE_INVALID", sign=_without(1))
lie(_ZERO, "both", "QUOTE_SIGNATURE_INVALID", sign=numbers(bytes(32), bytes(32)))
lie(_ZERO, "both empty", "QUOTE_SIGNATURE_INVALID", sign=numbers(b"", b""))

_SCHEME = "scheme or hash mismatch"
lie(_SCHEME, "hash of another", "QUOTE_ALGORITHM_REFUSED", sign=lambda tpm, raw: tpm.sign(raw, hash_algorithm=SHA384))
lie(_SCHEME, "a label of SHA-384", "QUOTE_ALGORITHM_REFUSED", sign=_relabelled(struct.pack(">HH", ECDSA, SHA384)))
lie(_SCHEME, "a label of SM2", "QUOTE_ALGORITHM_REFUSED", sign=_relabelled(struct.pack(">HH", 0x001B, SHA256)))
lie(_SCHEME, "RSASSA", "QUOTE_ALGORITHM_REFUSED", sign=lambda tpm, raw: SoftTpm(scheme=RSASSA).sign(raw))
lie(_SCHEME, "an HMAC", "TPM_STRUCTURE_INVALID", sign=_relabelled(struct.pack(">HH", 0x0005, SHA256)))

_SHA1 = "SHA-1 anywhere"
lie(_SHA1, "signed with it", "QUOTE_ALGORITHM_REFUSED", sign=lambda tpm, raw: tpm.sign(raw, hash_algorithm=SHA1))
lie(_SHA1, "the bank", "PCR_SELECTION_REFUSED", attested={"selection": ((SHA1, QUOTED),)})
lie(_SHA1, "a bank besides", "PCR_SELECTION_REFUSED", attested={"selection": ((SHA256, QUOTED), (SHA1, QUOTED))})
_PCRS = {index: bytes([index]) * 32 for index in QUOTED}
lie(_SHA1, "the digest of the registers", "PCR_DIGEST_MISMATCH", attested={"digest": composite(_PCRS, SHA1)})
key(_SHA1, "the key's scheme", SoftTpm(hash_algorithm=SHA1))
key(_SHA1, "the key's Name", SoftTpm(name_algorithm=SHA1))

_AK = "AK not restricted / not fixed / decrypting"
_HONEST = SoftTpm().attributes
for what, attributes in {
    "not restricted": _HONEST & ~RESTRICTED,
    "not fixed to the TPM": _HONEST & ~FIXED_TPM,
    "not fixed to its parent": _HONEST & ~FIXED_PARENT,
    "imported": _HONEST & ~SENSITIVE_DATA_ORIGIN,
    "not signing": _HONEST & ~SIGN,
    "decrypting": _HONEST | DECRYPT,
}.items():
    key(_AK, what, SoftTpm(attributes=attributes))

for bits in (1024, 1536):
    key("RSA < 2048", f"{bits} bits", OddTpm(scheme=RSASSA, bits=bits))
for curve, what in ((0x0001, "P-192"), (0x0002, "P-224"), (0x0005, "P-521"), (0x0010, "BN P-256"), (0x0020, "SM2")):
    key("wrong curve", what, SoftTpm(curve=curve, key_curve=P256))
key("wrong curve", "P-384 in name only", SoftTpm(curve=4, key_curve=P256))
key("point off curve", "y + 1", OddTpm(edit=lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])))
key("point off curve", "at infinity", OddTpm(edit=lambda raw: raw[:-68] + 2 * sized(bytes(32))))

# --- registers ---------------------------------------------------------------------------------------------

_DIGEST = "PCR digest mismatch"
lie(_DIGEST, "another digest", "PCR_DIGEST_MISMATCH", attested={"digest": bytes(32)})
lie(_DIGEST, "none", "PCR_DIGEST_MISMATCH", attested={"digest": b""})
for index in (0, 7, 10, 15):
    lie(_DIGEST, f"PCR {index} of another value", "PCR_DIGEST_MISMATCH",
        after=lambda evidence, at=index: replace(evidence, pcrs={**evidence.pcrs, at: b"\xee" * 32}))  # fmt: skip


def select(*indices: int) -> dict[str, Any]:
    return {"selection": ((SHA256, indices),)}


for index in (10, 15):
    rest = tuple(one for one in QUOTED if one != index)
    lie("a selection without 10 or 15", f"without {index}", "PCR_SELECTION_REFUSED", attested=select(*rest))
lie("empty", "no bank", "PCR_SELECTION_REFUSED", attested={"selection": ()})
lie("empty", "no register", "PCR_SELECTION_REFUSED", attested=select())
_MORE = "or with extra values"
lie(_MORE, "16 quoted", "PCR_SELECTION_REFUSED", attested=select(*QUOTED, 16))
lie(_MORE, "16 beside", "PCR_SELECTION_REFUSED",
    after=lambda evidence: replace(evidence, pcrs={**evidence.pcrs, 16: bytes(32)}))  # fmt: skip
lie(_MORE, "a value missing", "PCR_SELECTION_REFUSED",
    after=lambda evidence: replace(evidence, pcrs={i: v for i, v in evidence.pcrs.items() if i != 7}))  # fmt: skip
