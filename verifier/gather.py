"""What a verification needs from outside, and fetching it.

``missing`` is pure and says what to fetch; ``gather`` waits for it. Whatever fails is recorded as evidence of
absence, so that the check which needs it can say *inconclusive*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from did.errors import DidError
from did.identifiers import parse_did
from did.web import document_url
from schemas import digests
from schemas.errors import FormatError
from schemas.lexical import DIGEST
from schemas.profile import TPM_QUOTE
from schemas.strict_json import JsonObject
from verifier.document import (
    MAX_STATUS_ENTRIES,
    OURS,
    Document,
    Kind,
    identifier,
    kind_of,
    objects,
    parse,
    strings,
)
from verifier.errors import FetchFailedError
from verifier.evidence import Evidence, Fetched, Part, absent
from verifier.fetch import Fetcher

DID_DOCUMENT_TYPES: Final = (
    "application/did+json",
    "application/did+ld+json",
    "application/did",
    "application/json",
    "application/ld+json",
)
CREDENTIAL_TYPES: Final = (
    "application/vc+ld+json",
    "application/vc",
    "application/ld+json",
    "application/json",
    "application/credential+ld+json",
)
DOCUMENT_TYPES: Final = (*CREDENTIAL_TYPES, "application/vp+ld+json", "application/vp")
ATTACHMENT_TYPES: Final = (
    "application/json",
    "application/cmw+json",
    "application/jose",
    "application/octet-stream",
)
KEY_TYPES: Final = ("application/jwk+json", "application/json")

MAX_CREDENTIALS: Final = 1000
_AT_ONCE: Final = 8
# Pieces of evidence of one credential that anything is fetched for; ours have one.
_MAX_EVIDENCE: Final = 16
# What lies beyond the budget is noted so many times; of the rest, the checks say that it is not at hand.
_MAX_NOTED: Final = 256


class Need(NamedTuple):
    """One thing to fetch: the part of the evidence, the name in it, the URL, and the media types that fit."""

    part: Part
    name: str
    url: str
    accept: tuple[str, ...]


class Budget(NamedTuple):
    """How much one verification may fetch."""

    fetches: int = 8
    timeout_s: float = 10.0
    max_bytes: int = 4 * 1024 * 1024


BUDGET: Final = Budget()
"""What a verification of one credential may fetch."""


def missing(document: Document, evidence: Evidence, *, with_attachments: bool = True) -> list[Need]:
    """Return what is not in ``evidence`` yet, each once, the indispensable first.

    DID documents of did:web issuers and holders, the status lists, and then (``with_attachments``) the bytes
    and keys of the evidence and the slots of the carbon intensity, if they lie on a host that is contacted anyway: no
    document makes the verifier call a further host. Nothing else in a document is ever dereferenced.
    """
    if document.kind is Kind.RECEIPT:
        return _of_receipt(document, evidence, with_attachments=with_attachments)
    credentials = _credentials(document)
    dids = [identifier(document.value.get("holder"))] if document.kind is Kind.PRESENTATION else []
    dids += [identifier(credential.get("issuer")) for credential in credentials]
    needs = [*_did_documents(dids), *(need for credential in credentials for need in _status_lists(credential))]
    if with_attachments:
        hosts = {_authority(need.url) for need in needs}
        slots: set[tuple[str, str]] = set()
        for credential in credentials:
            needs += [*_attachments(credential, hosts), *_slots(credential, hosts, slots)]
    window = window_beside(document, evidence)
    needs += [] if window is None else missing(window, evidence, with_attachments=with_attachments)
    return [need for need in dict.fromkeys(needs) if need.name not in getattr(evidence, need.part)]


def _of_receipt(document: Document, evidence: Evidence, *, with_attachments: bool) -> list[Need]:
    """Return what a receipt needs: its window's credential, and once that is at hand, what that needs."""
    window = window_of(document, evidence)
    if window is not None:
        # Not for a receipt in its place, which would be a circle.
        is_window = window.kind is Kind.WINDOW
        return missing(window, evidence, with_attachments=with_attachments) if is_window else []
    url = document.value.get("window_credential")
    if not isinstance(url, str) or url in evidence.credentials:
        return []
    return [Need("credentials", url, url, CREDENTIAL_TYPES)]


def window_of(document: Document, evidence: Evidence) -> Document | None:
    """Return the window's credential that a receipt names, None if it is not at hand or cannot be read."""
    return _at_hand(document.value.get("window_credential"), evidence)


def window_beside(document: Document, evidence: Evidence) -> Document | None:
    """Return the window's credential that an inference's names, None if it is not at hand: nothing fetches it."""
    if document.kind is not Kind.INFERENCE:
        return None
    subject = next(iter(objects(document.value.get("credentialSubject"))), {})
    window = _at_hand(subject.get("windowCredential"), evidence)
    return window if window is not None and window.kind is Kind.WINDOW else None


def _at_hand(name: object, evidence: Evidence) -> Document | None:
    fetched = evidence.credentials.get(str(name))
    if fetched is None or fetched.body is None:
        return None
    try:
        return parse(fetched.body)
    except FormatError:
        return None


def named_lists(document: Document) -> set[tuple[str, str, str]]:
    """Return (issuer, URL, purpose) of every status list that the document's credentials name, in no order."""
    return {
        (identifier(credential.get("issuer")) or "", url, purpose)
        for credential in _credentials(document)
        for url, purpose in _pointers(credential)
    }


def _credentials(document: Document) -> list[JsonObject]:
    if document.kind is Kind.RECEIPT:
        return []
    if document.kind is not Kind.PRESENTATION:
        return [document.value]
    return list(objects(document.value.get("verifiableCredential")))[:MAX_CREDENTIALS]


def _did_documents(dids: Iterable[str | None]) -> Iterator[Need]:
    for text in dids:
        try:
            # did:key and did:jwk are their own documents, and what is no DID is for the verdict to refuse.
            if text is not None and parse_did(text).method == "web":
                yield Need("did_documents", text, document_url(text), DID_DOCUMENT_TYPES)
        except DidError:
            continue


def _status_lists(credential: JsonObject) -> Iterator[Need]:
    for url, _ in _pointers(credential):
        yield Need("status_lists", url, url, CREDENTIAL_TYPES)


def _pointers(credential: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield (URL, purpose) of the status lists that a credential names."""
    # A credential with more entries is refused, whatever they say.
    for entry in objects(credential.get("credentialStatus"))[:MAX_STATUS_ENTRIES]:
        for member, purpose in (
            ("statusListCredential", entry.get("statusPurpose")),
            ("suspensionListCredential", "suspension"),
        ):
            url = entry.get(member)
            # A list inside the credential that names it would be a circle (the status step says so).
            if isinstance(url, str) and url != credential.get("id"):
                yield url, purpose if isinstance(purpose, str) else ""


def _attachments(credential: JsonObject, hosts: set[str]) -> Iterator[Need]:
    if kind_of(credential) not in OURS:
        return
    for entry in objects(credential.get("evidence"))[:_MAX_EVIDENCE]:
        url, digest = entry.get("id"), entry.get("digestMultibase")
        if not (isinstance(url, str) and isinstance(digest, str)) or _authority(url) not in hosts:
            continue
        folder, _, last = url.rpartition("/")
        if last == digest and "inlineEvidence" not in entry:
            yield Need("attachments", digest, url, ATTACHMENT_TYPES)
        yield from _beside(entry, folder)


def _beside(entry: JsonObject, folder: str) -> Iterator[Need]:
    """Yield what else belongs to a piece of evidence: a software key or the TPM's enrolment, and the record's receipt."""
    key, enrolment, record = entry.get("signedBy"), entry.get("enrolmentDigest"), entry.get("recordDigest")
    is_quote = TPM_QUOTE in strings(entry.get("type"))
    if isinstance(key, str) and not is_quote:
        yield Need("attachments", key, f"{folder}/{key}", KEY_TYPES)
    if isinstance(enrolment, str) and is_quote and DIGEST.fits(enrolment):
        yield Need("attachments", enrolment, f"{folder.rpartition('/')[0]}/enrolments/{enrolment}", ATTACHMENT_TYPES)
    if isinstance(record, str) and "windowDigest" in entry and DIGEST.fits(record):
        yield Need("attachments", record, f"{folder}/{record}", ATTACHMENT_TYPES)


def _slots(credential: JsonObject, hosts: set[str], known: set[tuple[str, str]]) -> Iterator[Need]:
    """Yield the slots of the carbon intensity, beside the evidence; from each host once: ``known`` is (host, digest)."""
    if kind_of(credential) not in OURS:
        return
    places = [
        url for entry in objects(credential.get("evidence"))[:_MAX_EVIDENCE] if isinstance(url := entry.get("id"), str)
    ]
    folder = next((url.rpartition("/")[0] for url in places if _authority(url) in hosts), None)
    for subject in objects(credential.get("credentialSubject"))[:1]:
        digest = subject.get("gridDataDigest")
        if folder is None or not isinstance(digest, str) or not DIGEST.fits(digest):
            continue
        if (host := (_authority(folder), digest)) not in known:
            known.add(host)
            yield Need("attachments", digest, f"{folder}/{digest}", ATTACHMENT_TYPES)


def _authority(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


async def gather(
    document: Document,
    evidence: Evidence,
    fetcher: Fetcher,
    *,
    budget: Budget = BUDGET,
    with_attachments: bool = True,
) -> Evidence:
    """Return ``evidence`` together with what was missing, fetched within ``budget``.

    What lies beyond the budget is recorded as absent (the first 256 of it); the indispensable is fetched first. A receipt's window is
    fetched first, and then what that needs, within the same budget.
    """
    if document.kind is Kind.RECEIPT and window_of(document, evidence) is None:
        begun_s = asyncio.get_running_loop().time()
        first = missing(document, evidence)
        found = await _fetch_all(first, fetcher, budget)
        evidence = evidence.joined(_collect(first, found))
        budget = Budget(
            fetches=budget.fetches - len(first),
            timeout_s=max(0.0, budget.timeout_s - (asyncio.get_running_loop().time() - begun_s)),
            max_bytes=budget.max_bytes - sum(len(one.body or b"") for one in found),
        )
        if window_of(document, evidence) is None:
            return evidence
    needs = missing(document, evidence, with_attachments=with_attachments)[: budget.fetches + _MAX_NOTED]
    found = await _fetch_all(needs[: budget.fetches], fetcher, budget)
    over = FetchFailedError(f"not fetched: a verification fetches at most {budget.fetches} documents")
    found += [absent(need.url, over, origin="network") for need in needs[budget.fetches :]]
    return evidence.joined(_collect(needs, found))


async def _fetch_all(needs: Sequence[Need], fetcher: Fetcher, budget: Budget) -> list[Fetched]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(need: Need) -> Fetched:
        async with gate:
            return await fetcher.fetch(need.url, need.accept)

    tasks = [asyncio.create_task(one(need)) for need in needs]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=budget.timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return _within(budget, needs, tasks)


def _within(budget: Budget, needs: Sequence[Need], tasks: Sequence[asyncio.Task[Fetched]]) -> list[Fetched]:
    """Return the answers in order; those that came too late or are too much in sum become absent."""
    found: list[Fetched] = []
    room = budget.max_bytes
    for need, task in zip(needs, tasks, strict=True):
        if task.cancelled():
            error = FetchFailedError(f"not fetched within the {budget.timeout_s:g} s of the verification")
            found.append(absent(need.url, error, origin="network"))
            continue
        fetched = task.result()
        room -= len(fetched.body or b"")
        if room < 0 and fetched.body is not None:
            error = FetchFailedError(f"not kept: a verification fetches at most {budget.max_bytes} bytes in all")
            fetched = absent(need.url, error, origin="network", retrieved_at=fetched.retrieved_at)
        found.append(fetched)
    return found


def _collect(needs: Sequence[Need], found: Sequence[Fetched]) -> Evidence:
    parts: dict[Part, dict[str, Fetched]] = {
        "did_documents": {},
        "status_lists": {},
        "attachments": {},
        "credentials": {},
    }
    for need, fetched in zip(needs, found, strict=True):
        known = parts[need.part].get(need.name)
        # What has the digest that it is named by is right, whatever another host says for it.
        if known is None or known.body is None or digests.digest(known.body) != need.name:
            parts[need.part][need.name] = fetched
    return Evidence(**parts)
