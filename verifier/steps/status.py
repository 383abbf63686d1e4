"""The step on revocation and suspension."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from schemas.errors import GreenError, MalformedValueError, SchemaInvalidError
from schemas.status import PURPOSES
from schemas.strict_json import Json, JsonObject
from verifier.case import Case
from verifier.document import MAX_STATUS_ENTRIES, identifier, objects
from verifier.errors import ResourceLimitError, RevokedError, StatusRequiredError, SuspendedError
from verifier.memo import Weight
from verifier.notices import Notice
from verifier.report import Finding, failed, finding_of, passed, undecided, warning
from verifier.status_lists.status_list import StatusBit, read_bit

STALE: Final = timedelta(days=1)
"""From this age on, a list that nobody fetched now is shown with a warning."""
_MAX_INDEX_DIGITS: Final = 9


class Pointer(NamedTuple):
    """One bit that a credential points to."""

    url: str
    entry: int
    purpose: str


def check_status(case: Case) -> Iterable[Finding]:
    """Yield for each status list of the credential that its bit is not set. StatusList2021 §3.2.

    A list that cannot be had leaves the step inconclusive, one that cannot be believed refuses.
    """
    member = case.value.get("credentialStatus")
    if member is None:
        yield _without(case)
        return
    entries = objects(member)
    if not entries or (isinstance(member, list) and len(entries) != len(member)):
        raise SchemaInvalidError("credentialStatus: an object is required")
    if len(entries) > MAX_STATUS_ENTRIES:
        raise ResourceLimitError(f"{len(entries)} status entries; at most {MAX_STATUS_ENTRIES} are followed")
    for entry in entries:
        if entry.get("type") == "StatusList2021Entry":
            for listed in _listed(entry):
                yield from _look_up(case, listed)
        else:
            detail = f"a status of type {ascii(entry.get('type'))[:60]} cannot be checked by this version"
            yield undecided(Notice.STATUS_TYPE_UNKNOWN, detail)


def _without(case: Case) -> Finding:
    if case.policy.require_status:
        return failed(StatusRequiredError("the credential names no status list, and the policy requires one"))
    return warning(Notice.NO_STATUS, "the credential names no status list: its issuer cannot revoke it")


def _listed(entry: JsonObject) -> Iterator[Pointer]:
    purpose, url = entry.get("statusPurpose"), entry.get("statusListCredential")
    if not isinstance(purpose, str) or purpose not in PURPOSES:
        raise SchemaInvalidError(f"credentialStatus.statusPurpose: it is none of {', '.join(PURPOSES)}")
    if not isinstance(url, str):
        raise SchemaInvalidError("credentialStatus.statusListCredential: a URL is required")
    index = _index(entry.get("statusListIndex"))
    yield Pointer(url, index, purpose)
    if "suspensionListCredential" in entry:
        suspension = entry["suspensionListCredential"]
        # Written as ["…"] it is signed all the same: passing over it would hide a suspension.
        if not isinstance(suspension, str):
            raise SchemaInvalidError("credentialStatus.suspensionListCredential: a URL is required")
        yield Pointer(suspension, index, "suspension")


def _index(value: Json) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > _MAX_INDEX_DIGITS:
        raise MalformedValueError("credentialStatus.statusListIndex: a non-negative integer is required")
    return int(text)


def _look_up(case: Case, listed: Pointer) -> Iterator[Finding]:
    """Yield what one list says. Each is looked up for itself, so that one that fails does not hide the other."""
    if listed.url == case.value.get("id"):
        yield failed(ResourceLimitError("credentialStatus: the status list is the credential itself, a circle"))
        return
    issuer = identifier(case.value.get("issuer")) or ""
    try:
        bit = read_bit(case, url=listed.url, index=listed.entry, purpose=listed.purpose, issuer=issuer)
    except GreenError as error:
        yield finding_of(error)
        return
    yield _judge(case, listed, bit)
    if bit.offered is not None and bit.offered < bit.issued:
        detail = f"{listed.url} gave a list of {bit.offered}, and this verifier has seen one of {bit.issued}"
        yield warning(Notice.STATUS_ROLLED_BACK, f"{detail}: the later one counts; ask why its host gives an older one")


def _judge(case: Case, listed: Pointer, bit: StatusBit) -> Finding:
    age = f"list of {bit.issued}" + (f", retrieved {bit.retrieved_at}" if bit.retrieved_at else "")
    if not bit.is_set:
        return _clear(case, bit, f"no {listed.purpose}: entry {listed.entry} of {listed.url} is clear ({age})")
    where = f"entry {listed.entry} of {listed.url} is set ({age})"
    if bit.weight is Weight.IN_DOUBT:
        detail = f"{where}, by a list that was seen earlier and decides nothing: {bit.flaw}"
        return undecided(Notice.STATUS_IN_DOUBT, f"{detail}; ask the issuer whether the {listed.purpose} stands")
    if bit.flaw is not None:
        where += f"; that list was verified when it was seen, and counts though {bit.flaw}"
    if listed.purpose == "revocation":
        if bit.offered is not None and bit.offered >= bit.issued:
            where += f"; the list of {bit.offered} says otherwise, but a revocation cannot be taken back"
        return failed(RevokedError(f"the issuer has revoked this credential for good: {where}"))
    return failed(SuspendedError(f"the issuer has suspended this credential for now: {where}"))


def _clear(case: Case, bit: StatusBit, detail: str) -> Finding:
    """Return what a clear bit is worth: who hands over an old list may hide a revocation that came later."""
    if bit.weight is Weight.SET_ONLY:
        # What is offered is older still.
        return undecided(Notice.STALE_STATUS, f"{detail}, in the newest list that was seen, and {bit.flaw}")
    limit = case.policy.max_status_age_s
    if limit is not None and bit.age > timedelta(seconds=limit):
        return undecided(Notice.STALE_STATUS, f"{detail}; the policy takes lists of at most {limit} s")
    if not bit.fresh and bit.age > STALE:
        return warning(
            Notice.STALE_STATUS, f"{detail}; what the issuer did in the {bit.age.days} day(s) since is not known"
        )
    return passed(detail)
