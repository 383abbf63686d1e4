"""The terms of our vocabulary as data, one row each, as FORMATS.md "Terms" lists them.

The shapes that decoding accepts, the JSON Schemas and the test of the JSON-LD context are made from
this table; a test holds it equal to docs/formats.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from schemas.lexical import (
    BASE64URL,
    BOOT_EPOCH,
    CLAIM_TIME,
    DECIMAL,
    DIGEST,
    INTEGER,
    IRI,
    STRING,
    YEAR,
    Lexical,
)

NAMESPACE: Final = "https://w3id.org/green-compute#"

Place = Literal["credential", "window", "summary", "evidence", "status", "schema"]
Datatype = Literal["string", "@id", "xsd:decimal", "xsd:dateTime", "xsd:gYear", "xsd:nonNegativeInteger", "multibase"]

_BY_DATATYPE: Final[dict[Datatype, Lexical]] = {
    "string": STRING,
    "@id": IRI,
    "xsd:decimal": DECIMAL,
    "xsd:dateTime": CLAIM_TIME,
    "xsd:gYear": YEAR,
    "xsd:nonNegativeInteger": INTEGER,
    "multibase": DIGEST,
}


@dataclass(frozen=True, slots=True)
class Term:
    """One term: its JSON name, its RDF datatype, and where it may or must (``*``) stand.

    ``form`` narrows the lexical rule of the datatype; ``values`` lists the only values; ``is_set`` says
    that the member is an array.
    """

    name: str
    datatype: Datatype
    where: str
    form: Lexical | None = None
    values: tuple[str, ...] = ()
    is_set: bool = False
    places: frozenset[str] = field(init=False, repr=False)
    required_places: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read ``where``."""
        words = self.where.split(", ")
        object.__setattr__(self, "places", frozenset(word.rstrip("*") for word in words))
        object.__setattr__(self, "required_places", frozenset(word[:-1] for word in words if word.endswith("*")))

    @property
    def lexical(self) -> Lexical:
        """The rule that each of the term's values follows."""
        return self.form or _BY_DATATYPE[self.datatype]


METHODS: Final = ("modelled", "partition-estimate", "integrated", "counter", "metered")
"""measurementMethod, the lowest first (docs/formats.md)."""

ASSURANCES: Final = ("simulated", "software", "tpm-emulated", "tpm-virtual", "tpm-hardware")
"""assurance, the lowest first (docs/formats.md)."""

_GRANULARITIES: Final = ("PT5M", "PT15M", "PT30M", "PT1H", "P1D", "P1M", "P1Y")
_TIERS: Final = ("live", "history", "operator", "subregion-annual", "country-annual", "world-annual")
_ATTRIBUTIONS: Final = ("exclusive", "step-log", "phase-weighted", "reserved-time")

_ALL: Final = "credential, window, summary"
_ALL_REQUIRED: Final = "credential*, window*, summary*"

_ROWS: Final = (
    Term("inferenceId", "string", "credential"),
    Term("jobId", "string", "credential"),
    Term("modelId", "string", "credential*, summary"),
    Term("nodeId", "string", "credential*, window*"),
    Term("hardwareId", "string", "credential, window", form=DIGEST),
    Term("acceleratorId", "string", "window*", is_set=True),
    Term("acceleratorModel", "string", "credential, window"),
    Term("tenantId", "@id", "credential, summary"),
    Term("tenantCommitment", "string", "credential, summary", form=DIGEST),
    Term("periodStart", "xsd:dateTime", "credential, window*, summary*"),
    Term("periodEnd", "xsd:dateTime", _ALL_REQUIRED),
    Term("durationSeconds", "xsd:decimal", "credential, window*"),
    Term("acceleratorActiveKwh", "xsd:decimal", _ALL_REQUIRED),
    Term("acceleratorIdleKwh", "xsd:decimal", "credential, window*, summary"),
    Term("hostKwh", "xsd:decimal", _ALL),
    Term("networkKwh", "xsd:decimal", _ALL),
    Term("unattributedKwh", "xsd:decimal", "window*"),
    Term("facilityOverheadKwh", "xsd:decimal", _ALL),
    Term("energyKwh", "xsd:decimal", _ALL_REQUIRED),
    Term("estimatedKwh", "xsd:decimal", _ALL),
    Term("pue", "xsd:decimal", _ALL),
    Term("pueKind", "string", _ALL, values=("metered", "reported", "default")),
    Term("pueSource", "string", _ALL),
    Term("gridRegion", "string", "credential*, window*, summary"),
    Term("carbonIntensityGco2ePerKwh", "xsd:decimal", "credential*, window*"),
    Term("carbonIntensitySource", "string", "credential*, window*, summary"),
    Term("carbonIntensityYear", "xsd:gYear", _ALL),
    Term("gridDataDigest", "string", _ALL, form=DIGEST),
    Term("carbonIntensityGranularity", "string", "credential*, window*, summary", values=_GRANULARITIES),
    Term("carbonIntensityTier", "string", "credential*, window*, summary", values=_TIERS),
    Term("emissionFactorType", "string", "credential*, window*, summary", values=("direct", "lifecycle")),
    Term("ipccCharacterizationFactors", "string", _ALL, values=("AR4", "AR5", "AR6")),
    Term("operationalEmissionsGco2e", "xsd:decimal", _ALL_REQUIRED),
    Term("embodiedEmissionsGco2e", "xsd:decimal", _ALL),
    Term("marketBasedIntensityGco2ePerKwh", "xsd:decimal", _ALL),
    Term("marketBasedEmissionsGco2e", "xsd:decimal", _ALL),
    Term("marketBasedInstrument", "@id", _ALL),
    Term("marginalIntensityGco2ePerKwh", "xsd:decimal", "credential"),
    Term("marginalEmissionsGco2e", "xsd:decimal", "credential"),
    Term("claimStatus", "string", _ALL_REQUIRED, values=("final", "provisional")),
    Term("measurementMethod", "string", _ALL_REQUIRED, values=METHODS),
    Term("attributionMethod", "string", "credential, window", values=_ATTRIBUTIONS),
    Term("assurance", "string", _ALL_REQUIRED, values=ASSURANCES),
    Term("measurementCoverage", "xsd:decimal", "credential, window*, summary"),
    Term("largestGapSeconds", "xsd:decimal", "credential, window*, summary"),
    Term("energyUncertaintyPercent", "xsd:decimal", _ALL),
    Term("emissionsUncertaintyPercent", "xsd:decimal", _ALL),
    Term("standardUncertaintyMeterPercent", "xsd:decimal", _ALL),
    Term("standardUncertaintyTimingPercent", "xsd:decimal", _ALL),
    Term("standardUncertaintyGapsPercent", "xsd:decimal", _ALL),
    Term("standardUncertaintyAttributionPercent", "xsd:decimal", _ALL),
    Term("standardUncertaintyPuePercent", "xsd:decimal", _ALL),
    Term("standardUncertaintyIntensityPercent", "xsd:decimal", _ALL),
    Term("functionalUnit", "string", "credential, summary", values=("token", "request", "image", "second", "job")),
    Term("functionalUnitCount", "xsd:nonNegativeInteger", "credential, summary"),
    Term("inputTokens", "xsd:nonNegativeInteger", _ALL),
    Term("outputTokens", "xsd:nonNegativeInteger", _ALL),
    Term("requestCount", "xsd:nonNegativeInteger", _ALL),
    Term("windowSequence", "xsd:nonNegativeInteger", "window*"),
    Term("bootEpoch", "string", "window*", form=BOOT_EPOCH),
    Term("windowDigest", "string", "window*, evidence", form=DIGEST),
    Term("previousWindowDigest", "string", "window", form=DIGEST),
    Term("recordCount", "xsd:nonNegativeInteger", "window*"),
    Term("recordsMerkleRoot", "string", "window*", form=DIGEST),
    Term("freshness", "string", "window*", values=("nonce", "chained")),
    Term("credentialCount", "xsd:nonNegativeInteger", "summary*"),
    Term("credentialsMerkleRoot", "string", "summary*", form=DIGEST),
    Term("windowCredential", "@id", "credential"),
    Term("supersedes", "@id", _ALL),
    Term("recordDigest", "string", "evidence", form=DIGEST),
    Term("recordIndex", "xsd:nonNegativeInteger", "evidence"),
    Term("enrolmentDigest", "string", "evidence", form=DIGEST),
    Term("signedBy", "@id", "evidence*"),
    Term("inlineEvidence", "string", "evidence", form=BASE64URL),
    Term("suspensionListCredential", "@id", "status"),
    Term("digestMultibase", "multibase", "evidence, schema"),
    Term("mediaType", "string", "evidence"),
)

TERMS: Final[dict[str, Term]] = {row.name: row for row in _ROWS}
"""Every term of the vocabulary by its JSON name, in the order of FORMATS.md."""


def in_place(place: Place) -> tuple[Term, ...]:
    """Return the terms that may stand in ``place``, in the table's order."""
    return tuple(term for term in _ROWS if place in term.places)
