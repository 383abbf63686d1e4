"""One verification under way: what is given, and what the steps have established so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from did.documents import VerificationMethod
from schemas.credential import AnyCredential
from schemas.errors import GreenError
from schemas.grid_data import GridData
from schemas.strict_json import JsonObject
from verifier.attestation.window import CheckedWindow
from verifier.controllers import Controller, resolve
from verifier.document import Document, Kind
from verifier.enrolment import Enrolment
from verifier.evidence import Evidence
from verifier.memo import Memo
from verifier.policy import Assurance, Policy
from verifier.rdf.canonicalize import Canonicalizer
from verifier.rdf.work import WithinBudget
from verifier.report import Check, Finding, Result, Space, Spec, conclude, finding_of, skipped
from verifier.window_factors import Windows


class Engines(NamedTuple):
    """Who canonicalizes: ``closed`` what passed a closed shape, ``general`` what a stranger wrote."""

    closed: Canonicalizer
    general: Canonicalizer


class SignedProof(NamedTuple):
    """A proof together with the key that it names, established and fit for its purpose."""

    proof: JsonObject
    method: VerificationMethod


@dataclass(kw_only=True)
class Case:
    """The arguments of a verdict, and below them the facts, each written by one step and read by later ones.

    ``credential``: the typed view, once the schema step has passed; claims are read from it alone.
    ``proofs``: those whose keys the key step established. ``shown``: the assurance that the evidence
    was seen to support. ``window``: the window behind a windowed credential, once its evidence held; ``enrolment``:
    that of the TPM which signed it. ``windows`` are factors of windows' credentials that were verified before:
    what is claimed of an inference is held against its own. ``grid_data``: the slots that ``gridDataDigest`` names.
    ``memo`` is shared by the credentials of a presentation, and so is ``space``, for
    what their reports list.
    """

    document: Document
    evidence: Evidence
    policy: Policy
    now: datetime
    engines: Engines
    memo: Memo = field(default_factory=Memo)
    space: Space = field(default_factory=Space)
    credential: AnyCredential | None = None
    proofs: list[SignedProof] = field(default_factory=list)
    shown: Assurance | None = None
    window: CheckedWindow | None = None
    enrolment: Enrolment | None = None
    windows: Windows = field(default_factory=dict)
    grid_data: GridData | None = None

    @property
    def value(self) -> JsonObject:
        """The JSON of the document, as received."""
        return self.document.value

    def controller(self, did: str) -> Controller:
        """Return the DID document of ``did``, read once; raises as verifier.controllers.resolve."""
        return self.memo.controllers.get(did, lambda: resolve(did, self.evidence, self.policy))

    @property
    def canonicalizer(self) -> Canonicalizer:
        """The engine for this document: in this process only what passed our closed shape.

        The foreign credentials of a verdict share one budget. A presentation itself is one document, with its own.
        """
        if self.credential is not None:
            return self.engines.closed
        if self.document.kind is Kind.PRESENTATION:
            return self.engines.general
        return WithinBudget(self.engines.general, self.memo.forms)


C = TypeVar("C", bound=Case)


class Step(NamedTuple, Generic[C]):
    """One step of a verification.

    ``run`` yields findings and may raise any GreenError, which ends the step. ``needs`` names the steps
    without which this one says nothing: if one of them failed or was skipped, so is this.
    """

    name: str
    run: Callable[[C], Iterable[Finding]]
    spec: Spec
    needs: tuple[str, ...] = ()


def walk(steps: Iterable[Step[C]], case: C) -> tuple[Check, ...]:
    """Return the check of every step, in order. Failures do not end the walk: all of them are shown."""
    done: dict[str, Check] = {}
    for step in steps:
        blocking = [need for need in step.needs if done[need].result in {Result.FAILED, Result.SKIPPED}]
        if blocking:
            findings = [skipped(f"not checked, since {' and '.join(blocking)} did not hold")]
        else:
            findings = _findings(step, case)
        done[step.name] = conclude(step.name, step.spec, findings, case.space)
    return tuple(done.values())


def _findings(step: Step[C], case: C) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(step.run(case))
    except GreenError as error:
        findings.append(finding_of(error))
    return findings
