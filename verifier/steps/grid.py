"""The step on the carbon intensity: computed again from the slots that the credential names, and held against the policy."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from schemas import decimals, digests
from schemas.credential import AnyCredential, GreenComputeSummaryCredential
from schemas.errors import FormatError
from schemas.grid_data import GridData, decode_grid_data
from verifier.case import Case
from verifier.claims import grid
from verifier.claims.figures import ClaimFinding
from verifier.claims.grid import Measured
from verifier.errors import EvidenceMismatchError
from verifier.grid_errors import CarbonSourceNotAcceptedError, GridDataRequiredError
from verifier.notices import Notice
from verifier.report import Finding, Result, failed, passed, skipped, undecided, warning
from verifier.steps.claims import unread
from verifier.steps.sources import attached, unchecked
from verifier.window_factors import factor_mismatches, factors_of

_MICROSECONDS = 1_000_000


def check_grid(case: Case) -> Iterable[Finding]:
    """Yield whether the intensity follows from its slots; of an annual average, that there is nothing to compute.

    Slots that are not at hand are never counted: a warning, or inconclusive if the policy requires them or evidence.
    """
    credential, policy = case.credential, case.policy
    if credential is None:
        yield unread(case, wanted=policy.require_grid_data or bool(policy.accepted_carbon_sources))
        return
    yield from _source(case, credential)
    if isinstance(credential, GreenComputeSummaryCredential):
        told = "a summary has no intensity of its own: its members have, and they are not at hand here"
        yield undecided(Notice.NOT_CHECKED, told) if policy.require_grid_data else skipped(told)
    elif credential.credential_subject.grid_data_digest is None:
        yield _annual(case, credential)
    else:
        yield from _slots(case, credential, credential.credential_subject.grid_data_digest)


def _source(case: Case, credential: AnyCredential) -> Iterator[Finding]:
    accepted = case.policy.accepted_carbon_sources
    source = credential.credential_subject.carbon_intensity_source
    if not accepted:
        return
    if source is None:
        yield undecided(
            Notice.NOT_CHECKED, "carbonIntensitySource is not stated, and the policy accepts certain ones only"
        )
    elif source in accepted or any(name[-1:] == "*" and source.startswith(name[:-1]) for name in accepted):
        yield passed(f"carbonIntensitySource: the policy accepts {source}")
    else:
        yield failed(CarbonSourceNotAcceptedError(f"carbonIntensitySource: {source} is none that the policy accepts"))


def _annual(case: Case, credential: Measured) -> Finding:
    subject = credential.credential_subject
    average = f"an average over {subject.carbon_intensity_year}"
    if case.policy.require_grid_data:
        return failed(
            GridDataRequiredError(f"carbonIntensityYear: {average} is claimed, and the policy requires slots")
        )
    told = f"{subject.carbon_intensity_gco2e_per_kwh} g/kWh in {subject.grid_region} is {average}"
    return skipped(f"{told} by {subject.carbon_intensity_source}: the issuer's word, with no slots to compute it from")


def _slots(case: Case, credential: Measured, digest: str) -> Iterator[Finding]:
    raw = attached(case, digest)
    if raw is None:
        yield _absent(case, digest)
        return
    data = case.memo.grid_data.get(digest, lambda: _read(raw, digest))
    case.grid_data = data
    leeway_us = case.policy.leeway_s * _MICROSECONDS
    found = [*grid.document_findings(credential, data), *grid.slot_findings(credential, data, leeway_us=leeway_us)]
    how = yield from _mean(case, credential, data, found)
    yield from (Finding(Result.FAILED, finding.detail, finding.problem) for finding in found)
    if found:
        return
    yield passed(f"{how}; {_in_words(data)}; {digest}")
    if credential.credential_subject.ipcc_characterization_factors is not None:
        told = "ipccCharacterizationFactors is the issuer's word: slots do not speak of it"
        yield warning(Notice.EVIDENCE_NOT_CHECKED, told)


def _mean(case: Case, credential: Measured, data: GridData, found: list[ClaimFinding]) -> Generator[Finding, None, str]:
    """Return in words how the intensity was computed again; what does not come out goes to ``found``."""
    subject = credential.credential_subject
    claimed = subject.carbon_intensity_gco2e_per_kwh
    if not grid.is_of_window(credential):
        found += grid.exact_findings(claimed, data, grid.weighed_by(credential))
        return f"{claimed} g/kWh is the mean of its slots by energy"
    own = grid.weighed_by(credential)
    found += grid.bounded_findings(claimed, data, own)
    if case.window is not None:
        found += grid.exact_findings(claimed, data, grid.weighed_by_header(case.window.header))
        return f"{claimed} g/kWh is the mean of its window's slots by the window's energy"
    if len({slot.gco2e_per_kwh for slot in data.slots}) > 1 and not _is_its_windows(case, credential):
        told = (
            "the window is not at hand: of its mean only is known that it lies between the least and the greatest slot"
        )
        yield unchecked(case, f"carbonIntensityGco2ePerKwh: {told}")
    return f"{claimed} g/kWh lies between the least and the greatest of its slots"


def _is_its_windows(case: Case, credential: Measured) -> bool:
    """Return whether a window's credential that was verified, and so its mean too, has the same factors."""
    windows = [case.windows.get(entry.window_digest or "", {}) for entry in credential.evidence]
    own = factors_of(credential)
    verified = [one for window in windows for one in window.values() if one.issuer == credential.issuer]
    return any(not [*factor_mismatches(own, one)] for one in verified)


def _read(raw: bytes, digest: str) -> GridData:
    """Return the slots. Raises EvidenceMismatchError for other bytes, and for bytes that are no slots."""
    if digests.digest(raw) != digest:
        raise EvidenceMismatchError("gridDataDigest: the slots at hand do not have the digest that the issuer signed")
    try:
        return decode_grid_data(raw)
    except FormatError as error:
        raise EvidenceMismatchError(f"gridDataDigest: what it is the digest of are no slots: {error.detail}") from error


def _absent(case: Case, digest: str) -> Finding:
    told = f"not computed again: the slots {digest} are not at hand, so the carbon intensity is the issuer's word"
    if case.policy.require_grid_data:
        return undecided(Notice.EVIDENCE_NOT_CHECKED, told)
    return unchecked(case, told)


def _in_words(data: GridData) -> str:
    count = "1 slot" if len(data.slots) == 1 else f"{len(data.slots)} slots"
    tiers = ", ".join(sorted({slot.tier for slot in data.slots}))
    after_h = grid.settled_after(data)
    read = (
        "some may still change"
        if after_h is None
        else f"read {decimals.render(after_h)} h after its end at the soonest"
    )
    kind = f"{data.granularity}, {tiers}, {data.factor_type} {data.signal}"
    return f"zone {data.zone}, {data.source} ({data.provider}), {count} of {kind}, {read}"
