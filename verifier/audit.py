"""The check of an audit bundle: every window of each node in order, its receipts, credentials and sums; no network.

    with open_bundle(path) as bundle:
        report = audit(bundle, Policy(trust_evidence=True), now)

Each file is checked as if it had come alone; beyond that, the windows are held against each other. What a bundle
lists and does not have leaves the verdict inconclusive, and is named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeAlias

from schemas import times
from schemas.credential import GreenComputeCredential, GreenComputeWindowCredential, decode, kind_of
from schemas.errors import GreenError
from schemas.receipt import parse_receipt
from verifier import gather, window_chain
from verifier.attestation.chain_state import ChainState
from verifier.attestation.window import CheckedWindow
from verifier.audit_bundle import Bundle, Entry, Kind
from verifier.audit_errors import BundleDamagedError
from verifier.audit_named import Place, named_by, place_of
from verifier.audit_nonces import check_nonce, windows_not_here
from verifier.audit_report import AuditReport, Files, Findings, count
from verifier.audit_shared import Shared, load_shared
from verifier.audit_sums import NodeSums, summaries
from verifier.audit_superseded import Superseded, named_in_receipts
from verifier.audit_twice import Twice
from verifier.audit_withdrawn import is_withdrawn, to_tell, worst
from verifier.case import Engines
from verifier.document import Document, parse
from verifier.errors import EvidenceMismatchError
from verifier.evidence import Evidence, Fetched
from verifier.memo import Memo
from verifier.notices import Notice
from verifier.policy import Policy
from verifier.receipt import WindowRoot, check_receipt, claimed_root, root_of
from verifier.report import Finding, Outcome, Result, failed, undecided, warning
from verifier.verify import judge_window, verify_credential
from verifier.verify_receipt import Judged
from verifier.window_factors import Factors, factors_of

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being worked on, how many of it are done, and how many there are."""


def audit(
    bundle: Bundle, policy: Policy, now: datetime, *, engines: Engines, progress: Progress = lambda *_: None
) -> AuditReport:
    """Return the verdict on a bundle at the time ``now``. Nothing is raised but ResourceLimitError, nothing fetched."""
    return _Audit(bundle, policy, now, engines, progress).run()


class _Audit:
    def __init__(self, bundle: Bundle, policy: Policy, now: datetime, engines: Engines, progress: Progress) -> None:
        self._bundle, self._policy, self._now = bundle, policy, now
        self._engines, self._progress, self._memo = engines, progress, Memo()
        self._findings = Findings()
        self._missing = {entry.name for entry in bundle.manifest.files if not bundle.has(entry)}
        self._damaged: set[str] = set()
        self._wanted: set[str] = set()
        self._seen: dict[str, str] = {}
        self._verified: dict[str, dict[str, Factors]] = defaultdict(dict)
        self._factors: dict[Factors, Factors] = {}
        self._twice = Twice()
        self._superseded = Superseded()
        self._ids: dict[str, set[str]] = defaultdict(set)
        self._followed: set[str] = set()
        self._outcomes: dict[Kind, list[Outcome | None]] = {"window": [], "receipt": [], "credential": []}
        self._sums: dict[str, NodeSums] = defaultdict(NodeSums)
        self._by_digest = {entry.digest: entry for entry in (*self._entries("evidence"), *self._entries("grid-data"))}
        self._records = {entry.of: entry for entry in self._entries("records") if entry.of is not None}
        self._receipts: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._entries("receipt"):
            self._receipts[entry.of or ""].append(entry)
        self._receipt_of_record: dict[str, Entry] = {}
        self._shared = Shared()

    def run(self) -> AuditReport:
        for name in sorted(self._missing):
            self._damage(name, "it is listed, and missing from the archive")
        self._shared = load_shared(self._bundle, self._read, self._findings, self._memo, self._policy.tpm_roots)
        self._windows()
        self._orphans()
        self._credentials()
        self._findings.add("nonce log", windows_not_here(self._shared.nonces, self._ids.keys()))
        self._unused()
        for name, finding in self._superseded.tell():
            self._findings.add(name, [finding])
        return self._report()

    def _entries(self, kind: Kind) -> Iterator[Entry]:
        return (entry for entry in self._bundle.manifest.files if entry.kind == kind)

    def _read(self, entry: Entry) -> bytes | None:
        """Return a file's bytes; where it is missing or damaged None, and that is told once."""
        if entry.name in self._missing or entry.name in self._damaged:
            return None
        try:
            return self._bundle.read(entry)
        except BundleDamagedError as error:
            self._damaged.add(entry.name)
            self._damage(entry.name, error.detail.removeprefix(f"{entry.name}: "))
            return None

    def _damage(self, name: str, detail: str) -> None:
        # What was in it is not known: nothing against anybody, and nothing for them.
        self._findings.add(name, [Finding(Result.INCONCLUSIVE, detail, BundleDamagedError.name)])

    # --- windows -------------------------------------------------------------------------------------------

    def _windows(self) -> None:
        # Of two credentials for one window the later one is read first: it counts, and the other once more not.
        places = sorted(self._places(), key=lambda place: place.issued, reverse=True)
        places.sort(key=lambda place: (place.node_id, place.sequence, place.start))
        states: dict[str, ChainState] = {}
        for done, place in enumerate(places):
            self._progress("windows", done, len(places))
            raw = self._read(place.entry)
            if raw is not None:
                self._window(place, parse(raw), states)
        self._progress("windows", len(places), len(places))

    def _places(self) -> Iterator[Place]:
        for entry in self._entries("window"):
            raw = self._read(entry)
            if raw is None:
                continue
            try:
                value = parse(raw).value
            except GreenError as error:
                self._refuse(entry.name, error, "window")
                continue
            place = place_of(entry, value)
            self._ids[place.digest] |= named_in_receipts(value)
            yield place

    def _window(self, place: Place, document: Document, states: dict[str, ChainState]) -> None:
        judged = judge_window(
            document, self._evidence(document), self._policy, self._now, engines=self._engines, memo=self._memo
        )
        self._superseded.heard(place.name, judged.report, document.value)
        told = to_tell(judged.report, f"window {place.sequence}")
        self._findings.add(place.name, told)
        if is_withdrawn(judged.report):
            self._withdrawn(place, judged, worst(told), states)
            return
        outcome = judged.report.outcome
        if outcome is Outcome.VERIFIED:
            counts = judged.window is None or judged.window.digest not in self._seen
            found = [*self._beside_others(judged, states)]
            self._findings.add(place.name, found)
            outcome = worst(found)
            if not counts:
                self._outcomes["window"].append(outcome)
                return
        self._outcomes["window"].append(outcome)
        self._receipts_of(judged, outcome)
        if judged.credential is not None and judged.window is not None and outcome is Outcome.VERIFIED:
            self._sums[judged.window.header.node_id].add(judged.credential, judged.window.header)

    def _withdrawn(self, place: Place, judged: Judged, alone: Outcome, states: dict[str, ChainState]) -> None:
        """Keep the place of a window that its issuer withdrew, and that counts for nothing."""
        window, outcome = judged.window, alone
        if alone is Outcome.VERIFIED and window is not None and judged.credential is not None:
            self._keep_factors(window, judged.credential)
            found = [*self._in_chain(window, states)]
            self._findings.add(place.name, found)
            outcome = worst(found)
            if window.digest not in self._seen:
                self._sums[window.header.node_id].leave_out(window.header)
        self._outcomes["window"].append(counts := None if outcome is Outcome.VERIFIED else outcome)
        self._receipts_of(judged, counts)

    def _beside_others(self, judged: Judged, states: dict[str, ChainState]) -> Iterator[Finding]:
        """Yield how a window that verified alone stands to its nonce, and to the other windows of the bundle."""
        window, credential = judged.window, judged.credential
        if window is None or credential is None:
            # Else whoever leaves out a window's evidence would hide a fork, and energy that counts twice.
            told = "its evidence is not shown, or cannot be checked: whether it follows from others, or counts twice"
            yield undecided(Notice.EVIDENCE_NOT_CHECKED, f"{told}, is not known")
            return
        yield from self._twice.credential(credential)
        self._keep_factors(window, credential)
        if window.digest in self._seen:
            return
        self._seen[window.digest] = credential.id
        followed = [*self._in_chain(window, states)]
        yield from followed
        if not any(finding.result is Result.FAILED for finding in followed):
            yield from self._twice.window(window.header, judged.enrolment)

    def _keep_factors(self, window: CheckedWindow, credential: GreenComputeWindowCredential) -> None:
        """Keep what a window's inferences are held against; those of a withdrawn one too."""
        # One object for all that are equal: a bundle has many thousands of windows, mostly of one place.
        factors = factors_of(credential)
        self._verified[window.digest][credential.id] = self._factors.setdefault(factors, factors)

    def _in_chain(self, window: CheckedWindow, states: dict[str, ChainState]) -> Iterator[Finding]:
        """Yield how a window stands to its nonce and to those before it; of one that was held against them before nothing."""
        if window.digest not in self._followed:
            self._followed.add(window.digest)
            yield from check_nonce(window, self._shared.nonces)
            yield from window_chain.follow_on(states, window, now=self._now, openings=self._shared.openings)

    # --- receipts and credentials -------------------------------------------------------------------------

    def _receipts_of(self, judged: Judged, outcome: Outcome | None) -> None:
        """Check the receipts of one window, all against one root."""
        if judged.credential is None:
            return
        root = claimed_root(judged.credential)
        entries = self._receipts.pop(root.digest, [])
        if judged.window is not None:
            root = root_of(judged.window.header, judged.window.digest)
        for entry in entries:
            raw = self._read(entry)
            if raw is None:
                self._outcomes["receipt"].append(Outcome.INCONCLUSIVE)
            elif self._receipt(entry, raw, root):
                self._outcomes["receipt"].append(outcome)

    def _receipt(self, entry: Entry, raw: bytes, root: WindowRoot) -> bool:
        try:
            receipt = parse_receipt(raw)
            check_receipt(receipt, root)
            # A credential that was superseded since may be the one that it names.
            if receipt.window_credential not in self._ids[root.digest]:
                raise EvidenceMismatchError(f"window_credential: the receipt names {receipt.window_credential}")
        except GreenError as error:
            self._refuse(entry.name, error, "receipt")
            return False
        self._receipt_of_record[receipt.record_digest] = entry
        return True

    def _orphans(self) -> None:
        """Tell of the receipts whose windows are not here."""
        for digest, entries in self._receipts.items():
            for entry in entries:
                told = undecided(
                    Notice.EVIDENCE_NOT_CHECKED, f"the window {digest or 'of this receipt'} is not in the bundle"
                )
                self._findings.add(entry.name, [told])
                self._outcomes["receipt"].append(Outcome.INCONCLUSIVE)

    def _credentials(self) -> None:
        entries = [*self._entries("credential")]
        for done, entry in enumerate(entries):
            self._progress("credentials", done, len(entries))
            raw = self._read(entry)
            if raw is None:
                self._outcomes["credential"].append(Outcome.INCONCLUSIVE)
                continue
            try:
                document = parse(raw)
            except GreenError as error:
                self._refuse(entry.name, error, "credential")
                continue
            self._outcomes["credential"].append(self._credential(entry, document))

    def _credential(self, entry: Entry, document: Document) -> Outcome | None:
        report = verify_credential(
            document,
            self._evidence(document),
            self._policy,
            self._now,
            engines=self._engines,
            memo=self._memo,
            windows=self._verified,
        )
        self._superseded.heard(entry.name, report, document.value)
        told = to_tell(report, "this credential")
        self._findings.add(entry.name, told)
        if is_withdrawn(report):
            return None if (outcome := worst(told)) is Outcome.VERIFIED else outcome
        if report.outcome is not Outcome.VERIFIED or kind_of(document.value) is None:
            return report.outcome
        found: list[Finding] = []
        credential = decode(document.value)
        if isinstance(credential, GreenComputeCredential):
            found = [*self._twice.credential(credential)]
        elif isinstance(credential, GreenComputeWindowCredential):
            # The manifest is nobody's word: under another name, a fork would never meet the other windows.
            why = "the manifest does not list it as a window, and it was not held against the others; make the bundle anew"
            found = [undecided(Notice.NOT_CHECKED, why)]
        self._findings.add(entry.name, found)
        return worst(found)

    def _evidence(self, document: Document) -> Evidence:
        """Return what the bundle has for one document, and remember what it does not have."""
        attachments: dict[str, Fetched] = {}
        for name, entry in named_by(document.value, self._by_digest, self._receipt_of_record, self._records):
            raw = self._read(entry)
            if raw is not None:
                attachments[name] = Fetched(url=entry.name, origin="folder", body=raw)
        evidence = Evidence(attachments=attachments).joined(self._shared.evidence)
        self._wanted |= {f"{need.part.replace('_', ' ')}: {need.name}" for need in gather.missing(document, evidence)}
        return evidence

    # --- the end ------------------------------------------------------------------------------------------

    def _refuse(self, name: str, error: GreenError, kind: Kind) -> None:
        self._findings.add(name, [failed(error)])
        self._outcomes[kind].append(Outcome.REFUSED)

    def _unused(self) -> None:
        """Look at every file once, those too that nothing asked for: what is damaged is to be named."""
        for entry in self._bundle.manifest.files:
            if entry.kind in ("evidence", "records", "grid-data"):
                self._read(entry)
        for name in self._bundle.unlisted:
            self._findings.add(name, [warning(Notice.NOT_CHECKED, "the manifest does not list it; it was not read")])
        if not self._outcomes["window"]:
            self._findings.add("manifest.json", [undecided(Notice.NOT_CHECKED, "there is no window in the bundle")])

    def _report(self) -> AuditReport:
        first = self._findings.first
        return AuditReport(
            outcome=self._findings.outcome,
            bundle_digest=self._bundle.digest,
            created=self._bundle.manifest.created,
            at=times.render_seconds(self._now),
            files=Files(
                listed=len(self._bundle.manifest.files),
                missing=tuple(sorted(self._missing)),
                damaged=tuple(sorted(self._damaged)),
                unlisted=self._bundle.unlisted,
            ),
            windows=count(self._outcomes["window"]),
            receipts=count(self._outcomes["receipt"]),
            credentials=count(self._outcomes["credential"]),
            nodes=summaries(self._sums),
            findings=self._findings.kept,
            findings_left_out=self._findings.left_out,
            evidence_missing=tuple(sorted(self._wanted)),
            problem=None if first is None else first.problem,
            detail=None if first is None else f"{first.about}: {first.detail}",
            policy=self._policy,
            warned_of=self._findings.warned_of,
        )
