"""A small world for the verifier's tests: an issuer and a node with fixed keys, and a fetcher over a mapping."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec

from did import local
from did.documents import PublishedKey, build_document
from did.signers import SoftwareSigner
from schemas import base64url, digests, jcs, json_schema, status, telemetry
from schemas.strict_json import JsonObject
from tests.vectors import FORMATS
from verifier import document
from verifier.case import Engines
from verifier.errors import FetchFailedError
from verifier.evidence import Evidence, Fetched, absent
from verifier.policy import Policy
from verifier.rdf.canonicalize import InProcess
from verifier.report import Report, findings_of
from verifier.suites.json_web_signature_2020 import create_proof
from verifier.verify import Expectation, verify_credential, verify_presentation

NOW = datetime(2026, 11, 20, 21, 0, 0, tzinfo=UTC)
RETRIEVED = "2026-11-20T20:59:59Z"
ORIGIN = "https://oracle.example"
LISTS = {purpose: f"{ORIGIN}/status/{purpose}/7" for purpose in status.PURPOSES}
INDEX = 94568

ENGINE = InProcess()
ENGINES = Engines(closed=ENGINE, general=ENGINE)
"""Both engines in this process: the tests' documents are no strangers, and workers take a second to start."""


class FixedClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class MemoryFetcher:
    """A Fetcher over a mapping of URLs to JSON documents; ``asked`` records every URL."""

    def __init__(self, documents: Mapping[str, JsonObject | bytes]) -> None:
        self.documents = dict(documents)
        self.asked: list[str] = []

    async def fetch(self, url: str, accept: Sequence[str]) -> Fetched:
        self.asked.append(url)
        found = self.documents.get(url)
        if found is None:
            error = FetchFailedError("the host answered with status 404")
            return absent(url, error, origin="network", retrieved_at=RETRIEVED)
        return fetched(url, found, media_type=accept[0])


def signer(seed: int) -> SoftwareSigner:
    """Return a P-256 signer, always the same for the same seed."""
    return SoftwareSigner(ec.derive_private_key(seed, ec.SECP256R1()))


def fetched(
    url: str, content: JsonObject | bytes, *, origin: str = "network", media_type: str | None = None
) -> Fetched:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Fetched(url=url, origin=origin, retrieved_at=RETRIEVED, body=body, media_type=media_type)


@dataclass
class Signatory:
    """Whoever signs documents: an issuer or a holder, under did:web or (``did=None``) its did:key."""

    key: SoftwareSigner
    did: str = ""
    key_id: str = "key-1"

    def __post_init__(self) -> None:
        if not self.did:
            self.did = local.did_key(self.key.public_key)

    @property
    def method(self) -> str:
        return f"{self.did}#{self.key_id}" if self.did.startswith("did:web:") else local.method_id(self.did)

    def document(self, *keys: PublishedKey) -> JsonObject:
        return build_document(self.did, keys or [PublishedKey(self.key_id, self.key.public_key)])

    def sign(self, unsecured: JsonObject, *, created: str = "2026-11-20T20:01:05Z", **options: str) -> JsonObject:
        """Return the document with a proof; ``options`` may name method, purpose, challenge and domain."""
        plain = {name: member for name, member in unsecured.items() if name != "proof"}
        proof = create_proof(
            plain,
            signer=self.key,
            algorithm="ES256",
            verification_method=options.pop("method", self.method),
            created=created,
            purpose=options.pop("purpose", "assertionMethod"),
            canonicalizer=ENGINE,
            **options,
        )
        return {**plain, "proof": proof}


def example(name: str) -> JsonObject:
    """Return one of the examples of the wire formats."""
    return json.loads((FORMATS / name).read_bytes())


def put(path: str, value: object) -> Callable[[JsonObject], None]:
    """Return a change that sets the member at ``path`` (``credentialSubject.pue``, ``evidence.0.id``)."""

    def change(document: JsonObject) -> None:
        parent, last = _parent(document, path)
        parent[last] = value

    return change


def drop(path: str) -> Callable[[JsonObject], None]:
    """Return a change that removes the member at ``path``."""

    def change(document: JsonObject) -> None:
        parent, last = _parent(document, path)
        del parent[last]

    return change


def _parent(document: JsonObject, path: str) -> tuple[JsonObject, str | int]:
    *folders, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in folders:
        document = document[part]
    return document, last


def edited(document: JsonObject, *changes: Callable[[JsonObject], None]) -> JsonObject:
    """Return a copy of a document, changed after it was signed: what a forger could make."""
    value = copy.deepcopy(document)
    for change in changes:
        change(value)
    return value


def problems(report: Report) -> set[tuple[str, str, str]]:
    """Return (step, result, problem) of everything in a report that failed, was inconclusive, or is a warning."""
    return {
        (check.step, finding.result.value, finding.problem or "")
        for check in report.checks
        for finding in findings_of(check)
        if finding.result.value in {"failed", "inconclusive", "warning"}
    }


NODE = signer(2)


def telemetry_record(**changes: object) -> JsonObject:
    """Return a posted record, signed by the node; ``changes`` are made before it signs, None removes a member."""
    body = {
        "node_id": "node-7",
        "model_id": "meta-llama/Llama-3.1-70B-Instruct",
        "inference_id": "019aa2c4-6d00-7a10-8f00-000000000004",
        "timestamp": "2026-11-20T20:01:04.25Z",
        "duration_s": "2.75",
        "energy_kwh": "0.000729",
        "method": "integrated",
        **changes,
    }
    body = {name: value for name, value in body.items() if value is not None}
    signature = NODE.sign(telemetry.signing_input(body), "ES256")
    return {**body, "signature": base64url.encode(signature)}


@dataclass
class World:
    """Everything around one good credential. Change a part, then ask for the report.

    ``record``: the node's telemetry. ``bits``: per purpose, the indexes set in the status lists.
    ``policy``, ``now``: as the verdict takes them. ``overrides``: evidence to put in another's place, and
    ``without``: evidence to leave out, each by its name. ``base``: where the issuer serves everything.
    """

    issuer: Signatory = field(default_factory=lambda: Signatory(signer(1), "did:web:oracle.example"))
    record: JsonObject = field(default_factory=telemetry_record)
    policy: Policy = field(default_factory=Policy)
    now: datetime = NOW
    bits: dict[str, set[int]] = field(default_factory=dict)
    overrides: dict[str, Fetched] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    origin: str = "network"
    base: str = ORIGIN

    @property
    def lists(self) -> dict[str, str]:
        """The URL of the status list of each purpose."""
        return {purpose: f"{self.base}/status/{purpose}/7" for purpose in status.PURPOSES}

    def unsecured(self, change: Callable[[JsonObject], None] = lambda document: None) -> JsonObject:
        """Return our credential over the record, before it is signed, after ``change`` has edited it."""
        value = copy.deepcopy(example("credential-minimal.vc11.json"))
        del value["proof"]
        value["type"] = ["VerifiableCredential", "GreenComputeCredential"]
        value["issuer"] = self.issuer.did
        value["credentialSchema"]["digestMultibase"] = json_schema.schema_digest(value["credentialSchema"]["id"])
        value["credentialSubject"] |= {"assurance": "software", "measurementMethod": "integrated"}
        lists, index = self.lists, value["credentialStatus"]["statusListIndex"]
        value["credentialStatus"] |= {
            "id": f"{lists['revocation']}#{index}",
            "statusListCredential": lists["revocation"],
            "suspensionListCredential": lists["suspension"],
        }
        digest = digests.digest(jcs.canonical_bytes(self.record))
        value["evidence"][0] |= {
            "id": f"{self.base}/evidence/{digest}",
            "digestMultibase": digest,
            "recordDigest": digest,
            "signedBy": NODE.public_key.thumbprint_uri,
        }
        change(value)
        return value

    def credential(self, change: Callable[[JsonObject], None] = lambda document: None, **options: str) -> JsonObject:
        """Return our credential, changed and then signed: what a hostile issuer could make."""
        return self.issuer.sign(self.unsecured(change), **options)

    def status_list(
        self, purpose: str, change: Callable[[JsonObject], None] = lambda document: None, **options: str
    ) -> JsonObject:
        """Return a signed status list with ``bits`` set."""
        bits = bytearray(status.MIN_BYTES)
        for index in self.bits.get(purpose, ()):
            status.set_bit(bits, index)
        value = copy.deepcopy(example("status-list.vc11.json"))
        del value["proof"]
        value |= {"id": self.lists[purpose], "issuer": self.issuer.did}
        value["credentialSubject"] |= {
            "id": f"{self.lists[purpose]}#list",
            "statusPurpose": purpose,
            "encodedList": status.encode_bits(bits),
        }
        change(value)
        return self.issuer.sign(value, **options)

    def evidence(self) -> Evidence:
        """Return all evidence for the credential, with overrides put in and ``without`` left out."""
        key, digest = NODE.public_key, digests.digest(jcs.canonical_bytes(self.record))
        did_documents = {
            self.issuer.did: fetched(f"{self.base}/.well-known/did.json", self.issuer.document(), origin=self.origin)
        }
        lists = {
            url: fetched(url, self.status_list(purpose), origin=self.origin) for purpose, url in self.lists.items()
        }
        attachments = {
            digest: fetched(f"{self.base}/evidence/{digest}", jcs.canonical_bytes(self.record), origin=self.origin),
            key.thumbprint_uri: fetched(f"{self.base}/evidence/{key.thumbprint_uri}", {**key.jwk}, origin=self.origin),
        }
        return Evidence(
            **{
                part: {
                    name: self.overrides.get(name, entry) for name, entry in entries.items() if name not in self.without
                }
                for part, entries in (
                    ("did_documents", did_documents),
                    ("status_lists", lists),
                    ("attachments", attachments),
                )
            }
        )

    def report(self, value: JsonObject | None = None, evidence: Evidence | None = None) -> Report:
        """Return the verdict on ``value``, by default the good credential."""
        parsed = document.parse(json.dumps(value or self.credential()).encode())
        return verify_credential(parsed, evidence or self.evidence(), self.policy, self.now, engines=ENGINES)

    def served(self) -> dict[str, JsonObject | bytes]:
        """Return what the issuer's host answers, by URL."""
        return {entry.url: entry.body for _, _, entry in self.evidence().items() if entry.body is not None}


EXPECTED = Expectation("c-1", "audit.example")
HOLDER = Signatory(signer(3))


def presentation(
    *credentials: JsonObject,
    holder: Signatory = HOLDER,
    change: Callable[[JsonObject], None] = lambda document: None,
    **options: str,
) -> JsonObject:
    """Return a presentation signed by its holder, by default for the challenge ``c-1`` of ``audit.example``."""
    value: JsonObject = {
        "@context": ["https://www.w3.org/2018/credentials/v1", "https://w3id.org/security/suites/jws-2020/v1"],
        "id": "urn:uuid:0d9a2f8e-3a5c-4c57-9f2b-2c8f3f0c7a11",
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
        "verifiableCredential": list(credentials),
    }
    change(value)
    signing = {"purpose": "authentication", "challenge": "c-1", "domain": "audit.example", **options}
    return holder.sign(value, created="2026-11-20T20:59:00Z", **signing)


def judge_presentation(
    world: World,
    value: JsonObject,
    expectation: Expectation = EXPECTED,
    evidence: Evidence | None = None,
) -> Report:
    """Return the verdict on a presentation in ``world``."""
    parsed = document.parse_presentation(json.dumps(value).encode())
    evidence = evidence or world.evidence()
    return verify_presentation(parsed, evidence, world.policy, expectation, world.now, engines=ENGINES)
