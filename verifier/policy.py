"""What a verifier demands beyond correctness: whom it trusts, which assurance it wants.

A policy decides between a warning and a refusal; it can never turn a false signature into a good one.
It is part of the report, so that a verdict can be understood later.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from did.errors import DidError, UnsupportedDidMethodError
from did.identifiers import parse_did
from did.web import document_url
from schemas import strict_json
from schemas.errors import FormatError
from schemas.terms import ASSURANCES
from verifier.endorsement.trust import RootClass
from verifier.errors import UsageError

Assurance: TypeAlias = Literal["simulated", "software", "tpm-emulated", "tpm-virtual", "tpm-hardware"]

MAX_LEEWAY_S: Final = 3600
Leeway: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_LEEWAY_S)]
# A century: more would not fit into a timedelta, in the middle of a verdict.
Age: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=3_155_760_000)]
_PORT_AS_PATH: Final = re.compile(r"\A(did:web:[^:]+):([1-9][0-9]{0,4})(?=:|\Z)", re.ASCII)
Fingerprint: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The demands of one verifier. Every default is what the command line and the page use.

    ``trusted_issuers``: DIDs; where there is a list, an issuer outside it is refused.
    ``require_trusted_issuer``: refuse every issuer that is on no list (audits).
    ``pinned_keys``: DID → JWK thumbprint URIs (RFC 9278); a pinned DID signs with these keys only, and its
    DID document may come from a folder.
    ``trust_evidence``: take the DID documents of a folder without a pin; the report says so.
    ``allow_simulated``: accept figures that nobody measured.
    ``minimum_assurance``: the least assurance that the evidence must show.
    ``require_evidence``: what cannot be checked again from its evidence is inconclusive, not a warning.
    ``require_status``: a credential that names no status list is refused.
    ``require_holder_binding``: credentials that name nobody as their tenant are refused in a presentation.
    ``require_challenge``: a presentation that is checked without a challenge is inconclusive.
    ``require_understood``: credentials of types that this verifier does not know are refused.
    ``require_grid_data``: the carbon intensity has to be computed again from its slots: an annual average is refused,
    and where the slots are not at hand the verdict is inconclusive.
    ``accepted_carbon_sources``: values of ``carbonIntensitySource``, one that ends in ``*`` for all that begin so; where
    there is a list, other sources are refused.
    ``max_status_age_s``: a status list that the issuer signed longer ago than this leaves the status
    inconclusive. Our issuer signs its lists anew at least every hour.
    ``tpm_roots``: SHA-256 of a certificate (hexadecimal) → ``hardware``, ``virtual`` or ``emulated``: roots of TPM
    makers that count besides the shipped ones, for which class; audit bundles hold the certificates that lead there.
    ``leeway_s``: how far clocks may disagree, in seconds.
    """

    trusted_issuers: tuple[str, ...] = ()
    require_trusted_issuer: bool = False
    pinned_keys: dict[str, tuple[str, ...]] = {}
    trust_evidence: bool = False
    allow_simulated: bool = False
    minimum_assurance: Assurance = "simulated"
    require_evidence: bool = False
    require_status: bool = False
    require_holder_binding: bool = False
    require_challenge: bool = False
    require_understood: bool = False
    require_grid_data: bool = False
    accepted_carbon_sources: tuple[str, ...] = ()
    max_status_age_s: Age | None = None
    tpm_roots: dict[Fingerprint, RootClass] = {}
    leeway_s: Leeway = 60

    @property
    def on_list(self) -> frozenset[str]:
        """The DIDs that this verifier knows: those listed and those pinned."""
        return frozenset(self.trusted_issuers) | frozenset(self.pinned_keys)


def read_policy(raw: bytes) -> Policy:
    """Return the policy in ``raw``: a JSON object, or TOML. Raises UsageError naming what is wrong in it."""
    try:
        members = strict_json.parse_object(raw) if raw.lstrip()[:1] == b"{" else tomllib.loads(raw.decode("utf-8"))
        policy = msgspec.convert(members, Policy)
        for did in sorted(policy.on_list):
            _check_did(did)
    except (FormatError, ValueError, msgspec.ValidationError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, or a number of more digits than Python reads.
        raise UsageError(f"the policy cannot be read: {error}") from error
    return policy


def port_hint(policy: Policy, issuer: str) -> str:
    """Return in words that the list has ``issuer`` with its port written wrongly; nothing where it has not."""
    for did in policy.on_list:
        if did != issuer and _PORT_AS_PATH.sub(r"\1%3A\2", did) == issuer:
            return f"; the list has {did}, where a path begins behind the host: a port is written %3A, {issuer}"
    return ""


def _check_did(did: str) -> None:
    """Raise UsageError for what no issuer can be named by; methods that are not resolved here may stand there."""
    try:
        if parse_did(did).method == "web":
            document_url(did)
    except UnsupportedDidMethodError:
        return
    except DidError as error:
        hint = "; a port is written %3A, as in did:web:localhost%3A8443" if did.startswith("did:web:") else ""
        raise UsageError(f"the policy names an issuer that cannot be: {error.detail}{hint}") from error


def reaches(level: Assurance, minimum: Assurance) -> bool:
    """Return whether an assurance is at least the one demanded."""
    return ASSURANCES.index(level) >= ASSURANCES.index(minimum)
