"""The closed shapes of our credentials as VC 1.1 JSON-LD (FORMATS.md "Types", "Terms", "Securing").

Made from the table of terms; the rules between terms stand here. What only code can compare (an id made
of two others) is in schemas.credential.
"""

from __future__ import annotations

from typing import Final

from schemas.document_rules import NeedsEvidence, SimulatedMarker
from schemas.lexical import DETACHED_JWS, DID, ENVELOPE_TIME, INTEGER, IRI
from schemas.presence import AtMostOne, Needs, Rule, together
from schemas.shapes import AnyArray, ArrayOf, ByType, Choice, OneOfLists, Shape, Text, Value
from schemas.terms import TERMS, Place, Term, in_place

CREDENTIAL_TYPE: Final = "GreenComputeCredential"
WINDOW_TYPE: Final = "GreenComputeWindowCredential"
SUMMARY_TYPE: Final = "GreenComputeSummaryCredential"
SIMULATED_TYPE: Final = "SimulatedCredential"
TPM_QUOTE: Final = "TpmQuoteEvidence"
SOFTWARE_SIGNATURE: Final = "SoftwareSignatureEvidence"


def _value(term: Term) -> Value:
    value: Value = Choice(term.values) if term.values else Text(term.lexical)
    return ArrayOf(value) if term.is_set else value


def _subject(place: Place, *rules: Rule) -> Shape:
    terms = in_place(place)
    members: dict[str, Value] = {"id": Text(IRI)} | {term.name: _value(term) for term in terms}
    required = {"id"} | {term.name for term in terms if place in term.required_places}
    return Shape(members, frozenset(required), rules)


_MARKET_BASED: Final = together("marketBasedIntensityGco2ePerKwh", "marketBasedEmissionsGco2e", "marketBasedInstrument")
_FACILITY: Final = (*together("pue", "pueKind", "facilityOverheadKwh"), Needs("pueSource", ("pue",)))
# Members of a summary may have had different PUEs: their overheads add up, a common PUE need not exist.
_SUMMARY_FACILITY: Final = (
    Needs("pue", ("pueKind", "facilityOverheadKwh")),
    Needs("pueKind", ("pue",)),
    Needs("pueSource", ("pue",)),
)
_TENANT: Final = AtMostOne("tenantId", "tenantCommitment")

CREDENTIAL_SUBJECT: Final = _subject(
    "credential",
    AtMostOne("inferenceId", "jobId", required=True),
    _TENANT,
    Needs("durationSeconds", ("periodStart",)),
    AtMostOne("carbonIntensityYear", "gridDataDigest", required=True),
    *_FACILITY,
    *_MARKET_BASED,
    *together("marginalIntensityGco2ePerKwh", "marginalEmissionsGco2e"),
)
WINDOW_SUBJECT: Final = _subject(
    "window", AtMostOne("carbonIntensityYear", "gridDataDigest", required=True), *_FACILITY, *_MARKET_BASED
)
SUMMARY_SUBJECT: Final = _subject(
    "summary", _TENANT, AtMostOne("carbonIntensityYear", "gridDataDigest"), *_SUMMARY_FACILITY, *_MARKET_BASED
)


def _entry(kind: str, required: tuple[str, ...], optional: tuple[str, ...], *rules: Rule) -> Shape:
    terms = ("mediaType", "digestMultibase", "signedBy", *required, *optional, "inlineEvidence")
    members: dict[str, Value] = {"id": Text(IRI), "type": OneOfLists(((kind,),))}
    members |= {name: _value(TERMS[name]) for name in terms}
    always = frozenset({"id", "type", "mediaType", "digestMultibase", "signedBy", *required})
    return Shape(members, always, rules)


# A software signature covers a posted record alone (recordDigest) or a window header and, in it, a record.
_RECORD_EVIDENCE: Final = ByType(
    {
        TPM_QUOTE: _entry(TPM_QUOTE, ("windowDigest", "enrolmentDigest", "recordDigest", "recordIndex"), ()),
        SOFTWARE_SIGNATURE: _entry(
            SOFTWARE_SIGNATURE,
            ("recordDigest",),
            ("windowDigest", "recordIndex", "enrolmentDigest"),
            *together("windowDigest", "recordIndex"),
        ),
    }
)
_WINDOW_EVIDENCE: Final = ByType(
    {
        TPM_QUOTE: _entry(TPM_QUOTE, ("windowDigest", "enrolmentDigest"), ()),
        SOFTWARE_SIGNATURE: _entry(SOFTWARE_SIGNATURE, ("windowDigest",), ("enrolmentDigest",)),
    }
)

_SCHEMA_REFERENCE: Final = Shape(
    {
        "id": Text(IRI),
        "type": Choice(("JsonSchemaValidator2018",)),
        "digestMultibase": _value(TERMS["digestMultibase"]),
    },
    frozenset({"id", "type", "digestMultibase"}),
)
_STATUS_ENTRY_MEMBERS: Final[dict[str, Value]] = {
    "id": Text(IRI),
    "type": Choice(("StatusList2021Entry",)),
    "statusPurpose": Choice(("revocation",)),
    "statusListIndex": Text(INTEGER),
    "statusListCredential": Text(IRI),
    "suspensionListCredential": _value(TERMS["suspensionListCredential"]),
}
_STATUS_ENTRY: Final = Shape(_STATUS_ENTRY_MEMBERS, frozenset(_STATUS_ENTRY_MEMBERS))

_PROOF_MEMBERS: Final[dict[str, Value]] = {
    "type": Choice(("JsonWebSignature2020",)),
    "created": Text(ENVELOPE_TIME),
    "verificationMethod": Text(IRI),
    "proofPurpose": Choice(("assertionMethod",)),
    "jws": Text(DETACHED_JWS),
}
PROOF: Final = Shape(_PROOF_MEMBERS, frozenset(_PROOF_MEMBERS))


def _document(kind: str, subject: Shape, evidence: ByType | None) -> Shape:
    plain = ("VerifiableCredential", kind)
    members: dict[str, Value] = {
        "@context": AnyArray(),
        "id": Text(IRI),
        "type": OneOfLists((plain, (*plain, SIMULATED_TYPE))),
        "issuer": Text(DID),
        "issuanceDate": Text(ENVELOPE_TIME),
        "expirationDate": Text(ENVELOPE_TIME),
        "credentialSchema": _SCHEMA_REFERENCE,
        "credentialStatus": _STATUS_ENTRY,
        "credentialSubject": subject,
    }
    rules: tuple[Rule, ...] = (SimulatedMarker(SIMULATED_TYPE),)
    if evidence is not None:
        members["evidence"] = ArrayOf(evidence)
        rules += (NeedsEvidence("hardwareId", TPM_QUOTE),)
    return Shape(members | {"proof": PROOF}, frozenset(members) - {"expirationDate"}, rules)


DOCUMENTS: Final[dict[str, Shape]] = {
    CREDENTIAL_TYPE: _document(CREDENTIAL_TYPE, CREDENTIAL_SUBJECT, _RECORD_EVIDENCE),
    WINDOW_TYPE: _document(WINDOW_TYPE, WINDOW_SUBJECT, _WINDOW_EVIDENCE),
    SUMMARY_TYPE: _document(SUMMARY_TYPE, SUMMARY_SUBJECT, None),
}
"""The shape of a whole document, with or without its proof, by its type."""
