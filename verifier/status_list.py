"""A status list is a credential of its own, and is verified as one before a bit of it counts (security.md 10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

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
from verifier.context import Profile, check_contexts
from verifier.controllers import body_of, check_pin
from verifier.document import objects
from verifier.errors import FetchError, FetchFailedError, OverloadedError, StatusRetrievalError, StatusVerificationError
from verifier.evidence import Fetched
from verifier.moments import read_moment
from verifier.steps.proof import verify
from verifier.steps.validity import check_period, check_proof_dates, period_of

MAX_BYTES: Final = 4 * 1024 * 1024
# What says more under its own name than as "the list does not verify".
_NAMED: Final = (FetchError, OverloadedError, StatusListLengthError, StatusIndexError, ResourceLimitError)


class StatusBit(NamedTuple):
    """One bit of a verified list, and what a reader needs to judge its age.

    ``age`` is that of the list at the time of the verdict, by its own signed date; ``fresh`` says that the
    issuer's host gave this very list now.
    """

    is_set: bool
    issued: str
    retrieved_at: str | None
    age: timedelta
    fresh: bool


def read_bit(case: Case, *, url: str, index: int, purpose: str, issuer: str) -> StatusBit:
    """Return the bit at ``index`` of the list at ``url``, after verifying that list.

    Same issuer, id equal to the URL, our closed shape, purpose, own proof by a key that counts, validity.
    Raises StatusRetrievalError (not to be had), StatusVerificationError (not to be believed),
    StatusListLengthError, StatusIndexError, ResourceLimitError, MalformedValueError (its encoding).
    """
    fetched = case.evidence.status_lists.get(url)
    if fetched is None:
        raise StatusRetrievalError(f"the status list {url} is not at hand: nothing was fetched, no folder has it")
    # A presentation asks for each of its credentials, and the answer is the same.
    listed, bits = case.memo.status_lists.get(
        (url, purpose, issuer), lambda: _read_list(fetched, case, url, purpose, issuer)
    )
    age = case.now - times.parse_seconds(listed.issuance_date)
    fresh = fetched.origin == "network"
    return StatusBit(status.get(bits, index), listed.issuance_date, fetched.retrieved_at, age, fresh)


def _read_list(fetched: Fetched, case: Case, url: str, purpose: str, issuer: str) -> tuple[StatusListCredential, bytes]:
    try:
        raw = body_of(fetched)
    except FetchFailedError as error:
        raise StatusRetrievalError(f"the status list cannot be had: {error.detail}") from error
    try:
        listed = _verified(strict_json.parse_object(raw, max_bytes=MAX_BYTES), case, url, purpose, issuer)
    except _NAMED:
        raise
    except GreenError as error:
        raise StatusVerificationError(f"the status list {url} does not verify: {error.detail}") from error
    bits = _bits(listed)
    case.memo.room.take(len(bits))
    return listed, bits


def _verified(value: JsonObject, case: Case, url: str, purpose: str, issuer: str) -> StatusListCredential:
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
    begin, end = period_of(value)
    leeway = timedelta(seconds=case.policy.leeway_s)
    check_period(begin, end, case.now, leeway)
    for proof in objects(value.get("proof")):
        check_proof_dates(proof, case.now, leeway)
    _check_proof(value, listed.proof.verification_method, case, issuer)
    return listed


def _check_proof(value: JsonObject, method_id: str, case: Case, issuer: str) -> None:
    (proof,) = objects(value.get("proof"))
    document = case.controller(issuer).document
    method = document.key_for(method_id, "assertionMethod")
    check_pin(issuer, method, case.policy)
    method.check_current(read_moment(proof.get("created"), "proof.created"))
    # The closed shape has been checked, so nothing in it can make canonicalization expensive.
    verify(value, proof, method.key, purpose="assertionMethod", canonicalizer=case.engines.closed)


def _bits(listed: StatusListCredential) -> bytes:
    try:
        return status.decode_list(listed.credential_subject.encoded_list)
    except MalformedValueError as error:
        raise MalformedValueError(f"the status list {listed.id}: {error.detail}") from error
