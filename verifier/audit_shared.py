"""What the windows of a bundle share: DID documents, status lists, keys, enrolments, openings, the nonce log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from did.errors import DidError
from did.jwk import parse_jwk
from schemas import strict_json
from schemas.errors import FormatError
from schemas.opening_quote import parse_boot_event
from verifier.attestation.errors import AttestationError
from verifier.attestation.freshness import IssuedNonce
from verifier.attestation.window import Opening
from verifier.audit_bundle import MAX_BYTES_OF, Bundle, Entry
from verifier.audit_endorsement import check_chain, without_certificates
from verifier.audit_report import Findings
from verifier.document import identifier
from verifier.endorsement.trust import RootClass
from verifier.enrolment import Enrolment, check_enrolment, open_quote
from verifier.errors import EvidenceMismatchError, ResourceLimitError
from verifier.evidence import NOTHING, Evidence, Fetched
from verifier.memo import Memo
from verifier.notices import Notice
from verifier.report import Finding, Result, failed, warning

MAX_SHARED_BYTES: Final = 256 * 1024 * 1024
"""What is held in memory for the whole of an audit."""

_KINDS: Final = ("did-document", "status-list", "key", "enrolment", "boot-event", "ek-certificate", "nonce-log")

# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_NONCES: Final = msgspec.json.Decoder(IssuedNonce)

Read = Callable[[Entry], bytes | None]
"""Reads a file; None where it is missing or damaged."""


@dataclass(frozen=True, slots=True)
class Shared:
    """``nonces`` by their text, None where the bundle has no log; ``openings`` of enrolments and boot events."""

    evidence: Evidence = NOTHING
    openings: tuple[Opening, ...] = ()
    nonces: Mapping[str, IssuedNonce] | None = None


def load_shared(bundle: Bundle, read: Read, findings: Findings, memo: Memo, roots: Mapping[str, RootClass]) -> Shared:
    """Return what is shared, telling ``findings`` what cannot be used. Raises ResourceLimitError for too much of it.

    ``roots`` are those of TPM makers that the policy names (policy.Policy.tpm_roots).
    """
    entries = [entry for entry in bundle.manifest.files if entry.kind in _KINDS]
    if sum(entry.size for entry in entries) > MAX_SHARED_BYTES:
        raise ResourceLimitError(f"DID documents, lists and logs take more than {MAX_SHARED_BYTES} bytes together")
    loading = _Loading(read, findings, memo)
    for kind in _KINDS:
        for entry in entries:
            if entry.kind == kind:
                loading.load(entry)
    loading.check_certificates(roots)
    return loading.result()


class _Loading:
    def __init__(self, read: Read, findings: Findings, memo: Memo) -> None:
        self._read, self._findings, self._memo = read, findings, memo
        self._did_documents: dict[str, Fetched] = {}
        self._status_lists: dict[str, tuple[str, Fetched]] = {}
        self._attachments: dict[str, Fetched] = {}
        self._enrolments: dict[str, Enrolment] = {}
        self._by_key: dict[str, Enrolment] = {}
        self._certificates: dict[str, bytes] = {}
        self._openings: list[Opening] = []
        self._nonces: dict[str, IssuedNonce] | None = None

    def load(self, entry: Entry) -> None:
        raw = self._read(entry)
        if raw is None:
            return
        load = {
            "did-document": self._did_document,
            "status-list": self._status_list,
            "key": self._key,
            "enrolment": self._enrolment,
            "boot-event": self._boot_event,
            "nonce-log": self._nonce_log,
        }.get(entry.kind)
        try:
            if load is None:
                self._certificates[entry.digest] = raw
            else:
                load(entry, raw)
        except (FormatError, DidError, AttestationError, EvidenceMismatchError) as error:
            self._findings.add(entry.name, [Finding(Result.FAILED, error.detail, error.name)])

    def result(self) -> Shared:
        lists = {url: fetched for url, (_, fetched) in self._status_lists.items()}
        evidence = Evidence(did_documents=self._did_documents, status_lists=lists, attachments=self._attachments)
        openings = [enrolment.opening for enrolment in self._enrolments.values()]
        return Shared(evidence, (*openings, *self._openings), self._nonces)

    def _did_document(self, entry: Entry, raw: bytes) -> None:
        value = strict_json.parse_object(raw, max_bytes=MAX_BYTES_OF[entry.kind])
        self._did_documents[identifier(value) or entry.name] = _fetched(entry, raw)

    def _status_list(self, entry: Entry, raw: bytes) -> None:
        value = strict_json.parse_object(raw, max_bytes=MAX_BYTES_OF[entry.kind])
        name = identifier(value) or entry.name
        issued = str(value.get("issuanceDate", value.get("validFrom", "")))
        # Of two versions the later one counts: a revocation must not be hidden behind an older list.
        if issued >= self._status_lists.get(name, ("", None))[0]:
            self._status_lists[name] = issued, _fetched(entry, raw)

    def _key(self, entry: Entry, raw: bytes) -> None:
        self._attachments[parse_jwk(strict_json.parse_object(raw)).thumbprint_uri] = _fetched(entry, raw)

    def _enrolment(self, entry: Entry, raw: bytes) -> None:
        # By the digest of the bytes, which the bundle has checked: it is what a credential names.
        self._attachments[entry.digest] = _fetched(entry, raw)
        enrolment = self._memo.enrolments.get(entry.digest, lambda: check_enrolment(raw))
        # Two records of one key are both looked at: a window names the one that it was enrolled by.
        self._enrolments[entry.digest] = enrolment
        self._by_key[enrolment.record.ak] = enrolment

    def _boot_event(self, entry: Entry, raw: bytes) -> None:
        event = parse_boot_event(raw)
        enrolment = self._by_key.get(event.ak)
        if enrolment is None:
            self._findings.add(
                entry.name, [_unused(f"no enrolment of the attestation key {event.ak} is in the bundle")]
            )
            return
        if event.node_id != enrolment.record.node_id:
            raise EvidenceMismatchError(f"boot event: it is of node {event.node_id}, the key is another node's")
        self._openings.append(open_quote(event.opening, enrolment.key, chain_pcr=enrolment.record.chain_pcr))

    def _nonce_log(self, _: Entry, raw: bytes) -> None:
        log = {} if self._nonces is None else self._nonces
        try:
            for issued in _NONCES.decode_lines(raw):
                if log.setdefault(issued.nonce, issued) != issued:
                    raise EvidenceMismatchError(f"nonce log: {issued.nonce[:50]} stands there with two different fates")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise EvidenceMismatchError("nonce log: a line is no record of a nonce") from error
        self._nonces = log

    def check_certificates(self, roots: Mapping[str, RootClass]) -> None:
        """Tell what the certificates above each TPM's endorsement key are worth, and which of them are not there."""
        named = {digest for enrolment in self._enrolments.values() for digest in enrolment.record.ek_certificates}
        foreign = sorted(self._certificates.keys() - named)
        for enrolment in self._enrolments.values():
            about = f"enrolment of {enrolment.record.node_id}"
            self._findings.add(about, self._chain(enrolment, foreign, roots))

    def _chain(self, enrolment: Enrolment, foreign: Sequence[str], roots: Mapping[str, RootClass]) -> Iterator[Finding]:
        named = enrolment.record.ek_certificates
        missing = [digest for digest in named if digest not in self._certificates]
        if missing and foreign:
            # Somebody put others in their place: silence would make them look as if they had been checked.
            told = f"endorsement key: the bundle has a certificate that no enrolment names, {foreign[0]}, and not {missing[0]}"
            yield failed(EvidenceMismatchError(told))
        if missing or not named:
            yield without_certificates(enrolment, missing)
        else:
            yield check_chain(enrolment, self._certificates, roots)


def _fetched(entry: Entry, raw: bytes) -> Fetched:
    return Fetched(url=entry.name, origin="folder", body=raw)


def _unused(detail: str) -> Finding:
    return warning(Notice.EVIDENCE_NOT_CHECKED, detail)
