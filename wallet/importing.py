"""Take a credential in: judge it with the verifier first, keep it as it came."""

from __future__ import annotations

from datetime import datetime

from verifier import document
from verifier.evidence import NOTHING
from verifier.fetch import EgressClient
from verifier.gather import gather
from verifier.policy import Policy
from verifier.report import Outcome, Report
from verifier.verify import verify_credential
from wallet.archive import Archive, HeldCredential, read_credential
from wallet.errors import RefusedCredentialError

# To hold is not to rely on: a simulated figure is kept, and stays marked as one.
_POLICY = Policy(allow_simulated=True)


async def take_in(
    raw: bytes, archive: Archive, client: EgressClient | None, now: datetime
) -> tuple[HeldCredential, Report, bool]:
    """Verify the credential in ``raw``, keep it, and return it with the report and whether it is new.

    ``client`` fetches what the verdict needs; None fetches nothing. An *inconclusive* verdict is no reason
    to lose a credential, so it is kept. Raises RefusedCredentialError for a refused one, FormatError and
    NotACredentialError for what is no credential.
    """
    credential = read_credential(raw)
    parsed = document.parse(raw)
    evidence = await gather(parsed, NOTHING, client) if client is not None else NOTHING
    report = verify_credential(parsed, evidence, _POLICY, now)
    if report.outcome is Outcome.REFUSED:
        raise RefusedCredentialError(f"{report.problem}: {report.detail}; `green-verifier verify` shows every check")
    return credential, report, archive.keep(credential)
