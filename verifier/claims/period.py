"""The check of a credential's times against each other; against the clock is another step's (validity)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from schemas import decimals, times
from schemas.credential import AnyCredential, GreenComputeCredential, GreenComputeSummaryCredential
from verifier.claims.figures import ClaimFinding, implausible, inconsistent

MAX_PERIOD: Final = timedelta(hours=24)
"""The longest inference and the longest window; a job or a summary may last longer."""

# A TPM's clock may run 15 % off, and a wall clock is corrected meanwhile: telemetry.md allows 2 s + 15 %.
_CLOCK_STEP_S: Final = Decimal(2)
_CLOCK_DRIFT: Final = Decimal("0.15")


def period_findings(credential: AnyCredential) -> Iterator[ClaimFinding]:
    """Yield what is wrong with period, duration, issuance and expiry."""
    subject = credential.credential_subject
    end = times.parse_claim(subject.period_end)
    issued = times.parse_seconds(credential.issuance_date)
    # issuanceDate is in whole seconds, so this is the same as >= periodEnd rounded up.
    if issued < end:
        yield inconsistent("issuanceDate", f"it is earlier than the period's end, {subject.period_end}")
    if credential.expiration_date is not None and times.parse_seconds(credential.expiration_date) <= issued:
        yield inconsistent("expirationDate", "it is not later than issuanceDate")
    if subject.period_start is not None:
        yield from _length_findings(credential, times.parse_claim(subject.period_start), end)


def _length_findings(credential: AnyCredential, start: datetime, end: datetime) -> Iterator[ClaimFinding]:
    duration = _duration(credential)
    # Without a duration a record may be a single instant.
    if start > end or (start == end and (duration is not None or not isinstance(credential, GreenComputeCredential))):
        yield inconsistent("periodStart", "the period does not end after its start")
        return
    if end - start > MAX_PERIOD and not _may_last(credential):
        yield inconsistent("periodEnd", "an inference or a window lasts at most 24 hours")
    if duration is not None:
        yield from _duration_findings(duration, end - start)


def _duration_findings(duration_s: Decimal, period: timedelta) -> Iterator[ClaimFinding]:
    if duration_s == 0:
        yield inconsistent("durationSeconds", "a duration is more than zero; left out, it is not known")
    period_s = _seconds(period)
    difference_s = decimals.add(duration_s, -period_s).copy_abs()
    if difference_s > decimals.add(_CLOCK_STEP_S, decimals.multiply(_CLOCK_DRIFT, period_s)):
        yield implausible("durationSeconds", f"it differs from the period, {period_s} s, by more than 2 s + 15 %")


def _duration(credential: AnyCredential) -> Decimal | None:
    if isinstance(credential, GreenComputeSummaryCredential):
        return None
    text = credential.credential_subject.duration_seconds
    return None if text is None else decimals.parse(text)


def _may_last(credential: AnyCredential) -> bool:
    if isinstance(credential, GreenComputeSummaryCredential):
        return True
    return isinstance(credential, GreenComputeCredential) and credential.credential_subject.job_id is not None


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)).scaleb(-6)
