"""A status list is a credential of its own, and is verified as one before a bit of it counts (security.md 10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from did.errors import KeyRevokedError
from schemas import status, strict_json, times
from schemas.errors import (
    GreenError,
    MalformedValueError,
    ResourceLimitError,
    StatusIndexError,
    StatusListLengthError,
)
from schemas.status import StatusListCredential
from schemas.strict_json import JsonObject
from verifier.case import Case
from verifier.controllers import body_of, check_pin
from verifier.document import Kind, kind_of, objects
from verifier.errors import (
    FetchError,
    FetchFailedError,
    InvalidVerificationMethodError,
    OverloadedError,
    StatusRetrievalError,
    StatusVerificationError,
)
from verifier.evidence import Fetched, KnownList, name_of_list
from verifier.memo import Lists, VerifiedList, Weight
from verifier.moments import read_moment
from verifier.rdf.context import Profile, check_contexts
from verifier.report import Result
from verifier.status_lists.superseding import MAX_LIST_BYTES, clears
from verifier.steps.proof import verify
from verifier.steps.validity import check_period, check_proof_dates, period_of

# What says more under its own name than as "the list does not verify".
_NAMED: Final = (FetchError, OverloadedError, StatusListLengthError, StatusIndexError, ResourceLimitError)


class StatusBit(NamedTuple):
    """One bit of a verified list, and what a reader needs to judge its age.

    ``age`` is that of the list at the time of the verdict, by its own signed date; ``fresh`` says that the
    issuer's host gave this very list now. ``offered``: the date of the list that was offered, where the one
    remembered counts in its place. ``weight`` and ``flaw`` as verifier.memo.VerifiedList.
    """

    is_set: bool
    issued: str
    retrieved_at: str | None
    age: timedelta
    fresh: bool
    weight: Weight
    flaw: str | None
    offered: str | None = None


def read_bit(case: Case, *, url: str, index: int, purpose: str, issuer: str) -> StatusBit:
    """Return the bit at ``index`` of the list at ``url``, after verifying that list.

    Same issuer, id equal to the URL, our closed shape, purpose, own proof by a key that counts, validity.
    Of the list that is offered and the one that is remembered the later counts, and a revocation in either
    always: it is not reversible (StatusList2021, statusPurpose). Raises StatusRetrievalError (not to be had),
    StatusVerificationError (not to be believed), StatusListLengthError, StatusIndexError,
    ResourceLimitError, MalformedValueError (its encoding).
    """
    # A presentation asks for each of its credentials, and the answer is the same.
    lists = case.memo.status_lists.get((url, purpose, issuer), lambda: _read_lists(case, url, purpose, issuer))
    offered, known = lists
    revoked_before = known is not None and purpose == "revocation" and _says_set(known, index)
    if isinstance(offered, StatusRetrievalError):
        if known is not None and revoked_before:
            return _bit(case, known, index)
        raise StatusRetrievalError(offered.detail + _last_known(known, index, purpose)) from offered
    if known is None or (purpose == "revocation" and _says_set(offered, index)):
        return _bit(case, offered, index)
    if revoked_before or (known.issued > offered.issued and _says_anything(known, index)):
        return _bit(case, known, index)._replace(offered=offered.issued)
    return _bit(case, offered, index)


def _bit(case: Case, listed: VerifiedList, index: int) -> StatusBit:
    age = case.now - times.parse_seconds(listed.issued)
    return StatusBit(
        is_set=status.get(listed.bits, index),
        issued=listed.issued,
        retrieved_at=listed.retrieved_at,
        age=age,
        fresh=listed.from_host,
        weight=listed.weight,
        flaw=listed.flaw,
    )


def _says_anything(known: VerifiedList, index: int) -> bool:
    return known.weight is not Weight.IN_DOUBT or _says_set(known, index)


def _says_set(listed: VerifiedList, index: int) -> bool:
    return index < len(listed.bits) * 8 and status.get(listed.bits, index)


def _last_known(known: VerifiedList | None, index: int, purpose: str) -> str:
    if known is None:
        return ""
    state = "set" if _says_set(known, index) else "clear"
    return f"; last known: the {purpose} entry {index} was {state} in the list of {known.issued}"


def _read_lists(case: Case, url: str, purpose: str, issuer: str) -> Lists:
    fetched, known = (
        case.evidence.status_lists.get(url),
        case.evidence.remembered.get(name_of_list(issuer, url, purpose)),
    )
    same = fetched is not None and known is not None and fetched.body == known.body
    if fetched is None:
        detail = f"the status list {url} is not at hand: nothing was fetched, no folder has it"
        offered: VerifiedList | StatusRetrievalError = StatusRetrievalError(detail)
    else:
        try:
            offered = _read_list(fetched, case, url, purpose, issuer)
        except StatusRetrievalError as error:
            offered = error
    remembered = None if known is None or same else _recalled(known, case, url, purpose, issuer)
    if fetched is None or same or isinstance(offered, StatusRetrievalError):
        return Lists(offered, remembered)
    if remembered is None or not _takes_back(remembered, offered, purpose):
        _note(case, fetched, offered, issuer, purpose)
    return Lists(offered, remembered)


def _note(case: Case, fetched: Fetched, listed: VerifiedList, issuer: str, purpose: str) -> None:
    """Note a list as worth remembering, unless its issuer's key is only believed because somebody said so.

    Else a folder that is trusted for once could put into memory what drives out the issuer's own list.
    """
    if case.controller(issuer).provenance.result is Result.PASSED and fetched.body is not None:
        kept = KnownList(
            issuer=issuer,
            url=listed.url,
            purpose=purpose,
            issued=listed.issued,
            body=fetched.body,
            retrieved_at=fetched.retrieved_at,
            media_type=fetched.media_type,
        )
        case.memo.worth_keeping[kept.name] = kept


def _takes_back(earlier: VerifiedList, later: VerifiedList, purpose: str) -> bool:
    """Return whether a list is older than the one remembered, or clears a revocation that stands in that."""
    return later.issued < earlier.issued or (purpose == "revocation" and clears(earlier.bits, later.bits))


def _recalled(known: Fetched, case: Case, url: str, purpose: str, issuer: str) -> VerifiedList | None:
    """Return the list that is remembered, None where it is no such list, or one of the future.

    It was verified when it was kept. That its validity has ended since, or that its key does not verify it any
    more, is no reason to believe an older one: whoever holds the keys could take any revocation back so.
    """
    try:
        value = strict_json.parse_object(body_of(known), max_bytes=MAX_LIST_BYTES)
        listed = _shaped(value, url, purpose, issuer)
        _check_begun(value, case)
        bits = _bits(listed)
        case.memo.room.take(len(bits))
        ended = _flaw(lambda: _check_dates(value, case))
    except (ResourceLimitError, OverloadedError):
        # That it was not read is no reason to believe an older one either.
        raise
    except GreenError:
        return None
    weight, flaw = _weight(known, _flaw(lambda: _check_proof(value, case, issuer)), ended)
    return VerifiedList(url, listed.issuance_date, bits, known.retrieved_at, known.from_host, weight, flaw)


def _weight(known: Fetched, unproven: GreenError | None, ended: GreenError | None) -> tuple[Weight, str | None]:
    """Return what a remembered list decides, and its flaw in words.

    What this verifier has kept itself was proven once: a key that has gone since takes nothing from that. A key that
    is said to be revoked, or that the policy pins no more, may have been a thief's already then. In a folder of evidence
    anybody can call a list remembered.
    """
    flaws = []
    if unproven is not None:
        flaws.append(f"its signature does not count now ({unproven.detail})")
    if ended is not None:
        flaws.append(f"its validity is over ({ended.detail})")
    flaw = " and ".join(flaws) or None
    if unproven is not None and (
        known.origin != "memory" or isinstance(unproven, KeyRevokedError | InvalidVerificationMethodError)
    ):
        return Weight.IN_DOUBT, flaw
    return (Weight.FULL if ended is None else Weight.SET_ONLY), flaw


def _flaw(check: Callable[[], None]) -> GreenError | None:
    try:
        check()
    except (ResourceLimitError, OverloadedError):
        raise
    except GreenError as error:
        return error
    return None


def _read_list(fetched: Fetched, case: Case, url: str, purpose: str, issuer: str) -> VerifiedList:
    try:
        raw = body_of(fetched)
    except FetchFailedError as error:
        raise StatusRetrievalError(f"the status list cannot be had: {error.detail}") from error
    try:
        value = strict_json.parse_object(raw, max_bytes=MAX_LIST_BYTES)
        listed = _shaped(value, url, purpose, issuer)
        _check_dates(value, case)
        _check_proof(value, case, issuer)
    except _NAMED:
        raise
    except GreenError as error:
        raise StatusVerificationError(f"the status list {url} does not verify: {error.detail}") from error
    bits = _bits(listed)
    case.memo.room.take(len(bits))
    return VerifiedList(url, listed.issuance_date, bits, fetched.retrieved_at, fetched.from_host)


def _shaped(value: JsonObject, url: str, purpose: str, issuer: str) -> StatusListCredential:
    """Return the list, once it is the one that was asked for; neither its time nor its signature is checked."""
    if "credentialStatus" in value and kind_of(value) is Kind.STATUS_LIST:
        raise ResourceLimitError(f"the status list {url} has a status of its own; lists of lists are not followed")
    listed = status.decode(value)
    check_contexts(value, Profile.STATUS_LIST)
    if listed.id != url:
        raise StatusVerificationError(f"its id is {listed.id}")
    if listed.issuer != issuer:
        raise StatusVerificationError(f"it is issued by {listed.issuer}, not by {issuer}")
    if listed.credential_subject.status_purpose != purpose:
        raise StatusVerificationError(f"its purpose is {listed.credential_subject.status_purpose}, not {purpose}")
    if listed.proof is None:
        raise StatusVerificationError("it carries no signature")
    return listed


def _check_begun(value: JsonObject, case: Case) -> None:
    leeway = timedelta(seconds=case.policy.leeway_s)
    begin, _ = period_of(value)
    check_period(begin, None, case.now, leeway)
    for proof in objects(value.get("proof")):
        check_proof_dates({"created": proof.get("created")}, case.now, leeway)


def _check_dates(value: JsonObject, case: Case) -> None:
    begin, end = period_of(value)
    leeway = timedelta(seconds=case.policy.leeway_s)
    check_period(begin, end, case.now, leeway)
    for proof in objects(value.get("proof")):
        check_proof_dates(proof, case.now, leeway)


def _check_proof(value: JsonObject, case: Case, issuer: str) -> None:
    (proof,) = objects(value.get("proof"))
    document = case.controller(issuer).document
    method = document.key_for(str(proof.get("verificationMethod")), "assertionMethod")
    check_pin(issuer, method, case.policy)
    method.check_current(read_moment(proof.get("created"), "proof.created"))
    # The closed shape has been checked, so nothing in it can make canonicalization expensive.
    verify(value, proof, method.key, purpose="assertionMethod", canonicalizer=case.engines.closed)


def _bits(listed: StatusListCredential) -> bytes:
    try:
        return status.decode_list(listed.credential_subject.encoded_list)
    except MalformedValueError as error:
        raise MalformedValueError(f"the status list {listed.id}: {error.detail}") from error
