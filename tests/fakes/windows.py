"""Windows and what is made from them, as a truthful node and issuer of the small world would make it.

Figures are derived here by hand from the members of a header or a record, so that what compares them is not
tested with itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from schemas import base64url, digests, enrolment_record, json_schema, merkle, times
from schemas.cmw import build_evidence
from schemas.enrolment_record import EnrolmentRecord
from schemas.opening_quote import opening_of
from schemas.strict_json import JsonObject
from tests.fakes import tpm_maker as maker
from tests.fakes.soft_tpm import Made, Node, canonical, domain, record
from tests.fakes.verifier import NODE, ORIGIN, World, example, fetched
from verifier.evidence import Evidence

FIRST: Final = 41
SALT: Final = "aaK4r0W5Z2Rvt0ifwucGfw"
TENANT: Final = "did:web:tenant-b.example"
PUE, INTENSITY = Decimal("1.12"), Decimal("195.03")
EK_PUBLIC: Final = maker.area("L-2", maker.private_key("p256", "ek").public_key()).encode()
EK_ROOT: Final = maker.authority("A maker's root")
_EK_CA: Final = maker.authority("A maker's CA", EK_ROOT)
CERTIFICATE: Final = maker.ek_certificate(
    _EK_CA,
    maker.private_key("p256", "ek").public_key(),
    uses=("key_agreement",),
    names=maker.tpm_names("id:49465800", "SLB9672"),
)
CERTIFICATES: Final = (CERTIFICATE, _EK_CA.raw, EK_ROOT.raw)
"""From the endorsement key's to the root."""

_GRID: Final = (
    "pue",
    "pueKind",
    "pueSource",
    "gridRegion",
    "carbonIntensityGco2ePerKwh",
    "carbonIntensitySource",
    "carbonIntensityYear",
    "carbonIntensityGranularity",
    "carbonIntensityTier",
    "emissionFactorType",
    "claimStatus",
)


def plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def kwh(energy_mj: int) -> Decimal:
    return (Decimal(energy_mj) / 3_600_000_000).quantize(Decimal("1e-12"))


def moment(microseconds: int) -> str:
    return times.render_claim(times.from_microseconds(microseconds))


def figures(signed: Mapping[str, Any]) -> JsonObject:
    """Return the energies and emissions that are claimed of a header or a record."""
    parts = {
        "acceleratorActiveKwh": signed["accelerator_active_mj"],
        "acceleratorIdleKwh": signed["accelerator_loaded_idle_mj"] + signed["accelerator_idle_mj"],
        "hostKwh": signed["host_cpu_mj"] + signed["host_dram_mj"] + signed["host_other_mj"],
        "networkKwh": signed["network_mj"],
        **({"unattributedKwh": signed["unattributed_mj"]} if "unattributed_mj" in signed else {}),
    }
    it_kwh = sum((kwh(part) for part in parts.values()), Decimal(0))
    estimated = {"estimatedKwh": plain(kwh(signed["estimated_mj"]))} if signed["estimated_mj"] else {}
    return {
        **{name: plain(kwh(part)) for name, part in parts.items()},
        **estimated,
        "facilityOverheadKwh": plain((PUE - 1) * it_kwh),
        "energyKwh": plain(PUE * it_kwh),
        "operationalEmissionsGco2e": plain(PUE * it_kwh * INTENSITY),
    }


def _grid() -> JsonObject:
    subject = example("window.vc11.json")["credentialSubject"]
    return {name: subject[name] for name in _GRID}


def _envelope(world: World, name: str, number: str, subject: JsonObject, entry: JsonObject) -> JsonObject:
    value = example(name)
    del value["proof"]
    end = times.round_up(times.parse_claim(subject["periodEnd"]))
    issued = max(end, times.parse_seconds("2026-11-20T20:01:00Z"))
    value |= {"id": f"{world.base}/credentials/{number}", "issuer": world.issuer.did}
    value |= {"issuanceDate": times.render_seconds(issued), "credentialSubject": subject, "evidence": [entry]}
    value["credentialSchema"]["digestMultibase"] = json_schema.schema_digest(value["credentialSchema"]["id"])
    lists, index = world.lists, value["credentialStatus"]["statusListIndex"]
    value["credentialStatus"] |= {
        "id": f"{lists['revocation']}#{index}",
        "statusListCredential": lists["revocation"],
        "suspensionListCredential": lists["suspension"],
    }
    if subject["assurance"] == "simulated":
        value["type"] = [*value["type"], "SimulatedCredential"]
    return value


def window_subject(header: Mapping[str, Any], digest: str, **claims: object) -> JsonObject:
    """Return what is truthfully claimed of a header; ``claims`` are put on top, None leaves one out."""
    boot = header["boot"]
    subject = {
        "id": f"{ORIGIN}/windows/{header['node_id']}/{header['sequence']}",
        "nodeId": header["node_id"],
        "acceleratorId": [one["uuid"] for one in header["accelerators"]],
        "acceleratorModel": header["accelerators"][0]["model"],
        "periodStart": moment(header["start_us"]),
        "periodEnd": moment(header["end_us"]),
        "durationSeconds": plain(Decimal(header["duration_us"]) / 1_000_000),
        **figures(header),
        **_grid(),
        "measurementMethod": header["method"],
        "assurance": "software",
        "measurementCoverage": plain(Decimal(header["measured_us"] * 1_000_000 // header["duration_us"]) / 1_000_000),
        "largestGapSeconds": plain(Decimal(header["largest_gap_us"]) / 1_000_000),
        "windowSequence": str(header["sequence"]),
        "bootEpoch": str(boot["start"]) if "start" in boot else f"{boot['reset']}.{boot['restart']}",
        "windowDigest": digest,
        "previousWindowDigest": header.get("previous"),
        "recordCount": str(header["records"]),
        "recordsMerkleRoot": header["merkle_root"],
        "freshness": header["freshness"],
        **claims,
    }
    return {name: value for name, value in subject.items() if value is not None}


def _entry(world: World, raw: bytes, **members: object) -> JsonObject:
    digest = digests.digest(raw)
    return {"id": f"{world.base}/evidence/{digest}", "digestMultibase": digest, **members}


@dataclass
class WindowWorld:
    """A node with a TPM, its enrolment, its windows, and the issuer that turns them into credentials.

    ``lies`` are claims put into every window's credential. Evidence stands inline unless ``inline`` is False.
    """

    world: World = field(default_factory=World)
    node: Node = field(default_factory=Node)
    enrolment_class: str = "tpm-hardware"
    inline: bool = True
    enrolment: bytes = b""
    made: list[Made] = field(default_factory=list)
    attachments: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.enrolment = self.enrolment or self.enrol()

    def enrol(self, **changes: Any) -> bytes:
        """Return the enrolment record of the node's TPM as it is now."""
        attest, signature = self.node.quote_opening()
        record_ = EnrolmentRecord(
            **{
                "v": 1,
                "node_id": self.node.node_id,
                "enrolment_class": self.enrolment_class,
                "enrolled_us": self.node.wall_us,
                "manufacturer": "IFX",
                "ek": digests.digest(EK_PUBLIC),
                "ek_public": base64url.encode(EK_PUBLIC),
                "ek_certificates": tuple(map(digests.digest, CERTIFICATES)),
                "ak": self.node.tpm.ak,
                "ak_public": base64url.encode(self.node.tpm.public),
                "key": self.node.tpm.uri,
                "chain_pcr": 15,
                "opening": opening_of(attest, signature, self.node.pcrs, previous=self.node.previous),
                **changes,
            }
        )
        return enrolment_record.build_enrolment(record_)

    def close(self, **lies: Any) -> Made:
        """Close a window and remember it; ``lies`` as Node.window."""
        made = self.node.window(**lies)
        self.made.append(made)
        return made

    def unsecured(self, made: Made, **claims: object) -> JsonObject:
        """Return the credential of a window, before it is signed."""
        raw = build_evidence(made.evidence)
        entry = _entry(
            self.world,
            raw,
            type=["TpmQuoteEvidence"],
            mediaType="application/cmw+json",
            signedBy=self.node.tpm.uri,
            enrolmentDigest=digests.digest(self.enrolment),
            windowDigest=digests.encode(made.digest),
        )
        self._keep(entry, raw)
        told = {"assurance": self.enrolment_class, "hardwareId": digests.digest(EK_PUBLIC), **claims}
        subject = window_subject(made.header, digests.encode(made.digest), **told)
        return _envelope(self.world, "window.vc11.json", f"window-{made.header['sequence']}", subject, entry)

    def credential(self, made: Made, **claims: object) -> JsonObject:
        """Return the credential of a window, signed by the issuer."""
        return self.world.issuer.sign(self.unsecured(made, **claims))

    def receipt(self, made: Made, index: int = 0, **changes: object) -> JsonObject:
        """Return the receipt of a record, as its customer keeps it."""
        own = json.loads(lines_of(made)[index])
        path = merkle.inclusion_path(made.records.leaves, index)
        receipt = {
            "v": 1,
            "record": own,
            "inclusion": {
                "index": index,
                "tree_size": len(made.records),
                "path": [digests.encode(sibling) for sibling in path],
            },
            "merkle_root": made.header["merkle_root"],
            "window_digest": digests.encode(made.digest),
            "window_credential": f"{self.world.base}/credentials/window-{made.header['sequence']}",
            "tenant_salt": SALT,
            **changes,
        }
        self.attachments[digests.encode(made.records.leaves[index])] = canonical(receipt)
        return receipt

    def inference(self, made: Made, index: int = 0, **claims: object) -> JsonObject:
        """Return the credential of one record of a window, signed by the issuer."""
        own, header = json.loads(lines_of(made)[index]), made.header
        commitment = hashlib.sha256(b"gc/1 tenant\0" + base64url.decode(SALT) + TENANT.encode()).digest()
        self.receipt(made, index)
        subject = {
            "id": f"{self.world.base}/inferences/{own['inference_id']}",
            "inferenceId": own["inference_id"],
            "modelId": own["model_id"],
            "nodeId": header["node_id"],
            "hardwareId": digests.digest(EK_PUBLIC),
            "tenantCommitment": digests.encode(commitment),
            "periodStart": moment(own["start_us"]),
            "periodEnd": moment(own["end_us"]),
            "durationSeconds": plain(Decimal(own["duration_us"]) / 1_000_000),
            **figures(own),
            **_grid(),
            "measurementMethod": header["method"],
            "attributionMethod": own["attribution"],
            "assurance": self.enrolment_class,
            "functionalUnit": "token",
            "functionalUnitCount": str(own["input_tokens"] + own["output_tokens"]),
            "inputTokens": str(own["input_tokens"]),
            "outputTokens": str(own["output_tokens"]),
            "requestCount": str(own["requests"]),
            "windowCredential": f"{self.world.base}/credentials/window-{header['sequence']}",
            **claims,
        }
        raw = build_evidence(made.evidence)
        entry = _entry(
            self.world,
            raw,
            type=["TpmQuoteEvidence"],
            mediaType="application/cmw+json",
            signedBy=self.node.tpm.uri,
            enrolmentDigest=digests.digest(self.enrolment),
            windowDigest=digests.encode(made.digest),
            recordDigest=digests.encode(made.records.leaves[index]),
            recordIndex=str(index),
        )
        self.attachments[entry["digestMultibase"]] = raw
        subject = {name: value for name, value in subject.items() if value is not None}
        number = f"inference-{header['sequence']}-{index}"
        return self.world.issuer.sign(_envelope(self.world, "credential.vc11.json", number, subject, entry))

    def evidence(self, *, without: Sequence[str] = ()) -> Evidence:
        """Return all evidence, with what lies beside the credentials; ``without`` names what is left out."""
        own = {digests.digest(self.enrolment): self.enrolment, **self.attachments}
        found = {name: fetched(f"{ORIGIN}/evidence/{name}", raw) for name, raw in own.items() if name not in without}
        return Evidence(attachments=found).joined(self.world.evidence())

    def with_windows(self, *credentials: JsonObject, evidence: Evidence | None = None) -> Evidence:
        """Return the evidence together with windows' credentials, for receipts."""
        windows = {value["id"]: fetched(value["id"], value) for value in credentials}
        return Evidence(credentials=windows).joined(evidence or self.evidence())

    def _keep(self, entry: JsonObject, raw: bytes) -> None:
        if self.inline:
            entry["inlineEvidence"] = base64url.encode(raw)
        else:
            self.attachments[entry["digestMultibase"]] = raw


def lines_of(made: Made) -> list[bytes]:
    """Return the records of a window in their bytes."""
    from schemas.window_record import encode_record

    return [encode_record(one) for one in made.records.records]


def software_header(number: int = FIRST, records: Sequence[Mapping[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    """Return the members of a header that the node's software key signs."""
    own = list(records) or [record(number)]
    members = Node(sequence=number, previous=digests.digest(b"before")).header(own)
    members |= {"key": NODE.public_key.thumbprint_uri, "boot": {"start": 3}}
    return {name: value for name, value in (members | changes).items() if name != "ak" and value is not ...}


def software_token(header: bytes, *, typ: str = "ecw-window+jws", signer: Any = NODE, **members: str) -> bytes:
    """Return the compact JWS over a header's bytes."""
    protected = {"alg": "ES256", "typ": typ, "kid": signer.public_key.thumbprint_uri, **members}
    signing = base64url.encode(canonical(protected)) + "." + base64url.encode(header)
    return (signing + "." + base64url.encode(signer.sign(signing.encode(), "ES256"))).encode()


def software_window(
    world: World, header: Mapping[str, Any], *, token: bytes | None = None, **claims: object
) -> JsonObject:
    """Return the credential, not yet signed, of a window that the node's software key signed."""
    raw = canonical(header)
    token = software_token(raw) if token is None else token
    digest = digests.encode(domain("window", raw))
    entry = _entry(
        world,
        token,
        type=["SoftwareSignatureEvidence"],
        mediaType="application/jose",
        signedBy=header["key"],
        windowDigest=digest,
        inlineEvidence=base64url.encode(token),
    )
    subject = window_subject(header, digest, **claims)
    return _envelope(world, "window.vc11.json", f"window-{header['sequence']}", subject, entry)


def window_of(world: World, *, number: int = FIRST, **claims: object) -> JsonObject:
    """Return a window of node-7 that its software key signed, with other ``claims``; the key signed those too."""
    changes: dict[str, Any] = {}
    if "nodeId" in claims:
        changes["node_id"] = claims["nodeId"]
    for term, name in (("periodStart", "start_us"), ("periodEnd", "end_us")):
        if term in claims:
            changes[name] = times.to_microseconds(times.parse_claim(str(claims[term])))
    if "durationSeconds" in claims:
        changes |= dict.fromkeys(
            ("duration_us", "measured_us"), int(Decimal(str(claims["durationSeconds"])) * 1_000_000)
        )
    return software_window(world, software_header(number, **changes), **claims)
