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

_TICK_S: Final = Decimal("0.1")
"""A counter ticks ten times a second: who ran for less may have been counted a whole tick."""

_SHORT_S: Final = Decimal("0.5")
"""So much longer than its period, and 15 %, a credential's energy may have taken. The clocks may differ by 2 s more
than that; but in 2 s an accelerator of 1.25 kW draws what the bound of 5 kW allows in half a second."""


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


def drawing_s(credential: AnyCredential) -> Decimal | None:
    """Return the longest time in which a credential's energy was drawn, in seconds; None where nothing says so.

    Of its duration and its period the shorter one, as far as two clocks may differ: the duration is nobody's but the
    agent's word. Where neither is stated, 24 hours, unless a job may last.
    """
    if isinstance(credential, GreenComputeSummaryCredential):
        return None
    duration_s = _duration(credential)
    lengths = [] if duration_s is None else [max(duration_s, _TICK_S)]
    subject = credential.credential_subject
    if subject.period_start is not None:
        period_s = _seconds(times.parse_claim(subject.period_end) - times.parse_claim(subject.period_start))
        # What ends as it starts, or before, is found inconsistent, or is an instant: when it was, not how long.
        if period_s > 0:
            lengths.append(decimals.add(period_s, decimals.multiply(_CLOCK_DRIFT, period_s), _SHORT_S))
    if not lengths and not _may_last(credential):
        lengths.append(_seconds(MAX_PERIOD))
    return min(lengths, default=None)


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
