"""Whether a posted record is taken: the node's signature, its freshness, and what its hardware can do.

Each check stands alone because idempotency comes between them: a record seen before gets the same
answer however old it is, so the signature is checked first, freshness and plausibility only for new ones
(decision 0005).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from did.errors import DidError
from did.jwk import parse_jwk
from did.keys import Algorithm, PublicKey
from issuer.errors import (
    BadSignatureError,
    FutureTimestampError,
    ImplausibleEnergyError,
    NodeRevokedError,
    StaleTimestampError,
)
from issuer.store.records import NodeRecord
from schemas import decimals, times
from schemas.telemetry import MAX_DURATION_S, PostedTelemetry, TelemetryRecord

MAX_AGE: Final = timedelta(days=7)
"""How far back the end of a new record may lie."""

MAX_AHEAD: Final = timedelta(seconds=60)
"""How far ahead of our clock the end of a new record may lie."""

HEADROOM: Final = Decimal("1.1")
"""A power limit is held on average, not at every instant: so much more is still taken."""

_ALGORITHMS: Final[dict[tuple[str, str | None], Algorithm]] = {
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
    ("RSA", None): "PS256",
}


@dataclass(frozen=True, slots=True)
class AcceptedTelemetry:
    """A record whose signature is the registered key's, and the node that it came from.

    ``simulated`` is settled here, from what the issuer knows: a node registered as a simulator can only
    send simulated figures, whatever its records say, and any other node may call its own so. So nothing
    in a record can lift a simulator's figure above ``simulated``.
    """

    posted: PostedTelemetry
    node: NodeRecord

    @property
    def record(self) -> TelemetryRecord:
        """The record, its values exact."""
        return self.posted.record

    @property
    def simulated(self) -> bool:
        """Whether the figures are invented, by the node's registration or by its own word."""
        return self.node.simulated or self.record.simulated

    @property
    def assurance(self) -> str:
        """``simulated``, else ``software``: a posted record is signed by a key that no TPM vouches for."""
        return "simulated" if self.simulated else "software"

    @property
    def measurement_method(self) -> str:
        """The method as the node states it; ``modelled`` for simulated figures, since nothing was measured."""
        return "modelled" if self.simulated else self.record.method


def algorithm_for(key: PublicKey) -> Algorithm | None:
    """Return the algorithm by which a node's key signs telemetry, or None where it may not: P-384 and others."""
    return _ALGORITHMS.get((key.kty, key.crv))


def accept(posted: PostedTelemetry, node: NodeRecord) -> AcceptedTelemetry:
    """Return the record as one of ``node``'s. Raises NodeRevokedError, then BadSignatureError.

    The signature is base64url of ECDSA r || s (64 bytes), Ed25519 or RSA-PSS (SHA-256, salt 32) over the
    JCS bytes of the body without ``signature`` (FORMATS.md "Plain JSON: telemetry").
    """
    if node.state != "active":
        raise NodeRevokedError(f"the node {node.id!r} is revoked; ask the operator of this issuer")
    if posted.record.node_id != node.id:
        raise BadSignatureError("the record names another node than the one whose key was looked up")
    if node.attestation is not None:
        # Its windows hold all of its energy, so a record beside them would count some of it twice; and of what a TPM's
        # key signs, only quotes are the TPM's word.
        raise BadSignatureError(f"the node {node.id!r} is enrolled with a TPM: its telemetry comes in quoted windows")
    check_signature(posted.signing_input, posted.record.signature, parse_jwk(node.jwk))
    return AcceptedTelemetry(posted, node)


def check_signature(message: bytes, signature: bytes, key: PublicKey) -> None:
    """Raise BadSignatureError unless ``signature`` is the key's over ``message``."""
    algorithm = algorithm_for(key)
    if algorithm is None:
        raise BadSignatureError("the registered key is of a kind that does not sign telemetry")
    try:
        key.verify(message, signature, algorithm)
    except DidError as error:
        raise BadSignatureError(
            f"the signature does not verify by the node's registered key ({algorithm}) over the JCS bytes of "
            "the body without signature"
        ) from error


def is_signed(posted: PostedTelemetry, node: NodeRecord) -> bool:
    """Return whether the record's signature is the node's, revoked or not."""
    try:
        check_signature(posted.signing_input, posted.record.signature, parse_jwk(node.jwk))
    except BadSignatureError:
        return False
    return True


def check_fresh(accepted: AcceptedTelemetry, now: datetime) -> None:
    """Raise StaleTimestampError or FutureTimestampError where a new record's end is not -7 days to +60 s of ``now``."""
    end = accepted.record.timestamp
    if end < now - MAX_AGE:
        raise StaleTimestampError(
            f"timestamp {times.render_claim(end)} lies more than 7 days before {times.render_seconds(now)}"
        )
    if end > now + MAX_AHEAD:
        raise FutureTimestampError(
            f"timestamp {times.render_claim(end)} lies more than 60 s after {times.render_seconds(now)}; "
            "set the node's clock"
        )


def check_plausible(accepted: AcceptedTelemetry) -> None:
    """Raise ImplausibleEnergyError where the energy is more than the node can draw, or the period too long.

    The bound is the registered power limit of all the node's accelerators times the duration and 1.1;
    without a duration, the power limit times 24 hours, the longest that a record may cover.
    """
    record, tdp_w = accepted.record, accepted.node.tdp_w
    if record.duration_s is None:
        seconds, factor, over = Decimal(MAX_DURATION_S), Decimal(1), "24 h"
    else:
        seconds, factor, over = (
            record.duration_s,
            HEADROOM,
            f"{decimals.render(record.duration_s)} s, with 10 % to spare",
        )
    if seconds > MAX_DURATION_S:
        raise ImplausibleEnergyError(f"duration_s is {decimals.render(seconds)}; one inference covers at most 24 h")
    limit_mj = decimals.multiply(decimals.multiply(Decimal(tdp_w * 1000), seconds), factor)
    energy_mj = decimals.multiply(record.energy_kwh, Decimal(decimals.MJ_PER_KWH))
    if energy_mj > limit_mj:
        limit_kwh = decimals.divide(limit_mj, Decimal(decimals.MJ_PER_KWH), decimals.KWH_DECIMALS)
        raise ImplausibleEnergyError(
            f"energy_kwh is {decimals.render(record.energy_kwh)}; the node's accelerators ({tdp_w} W) can draw at most "
            f"{decimals.render(limit_kwh)} kWh in {over}"
        )
