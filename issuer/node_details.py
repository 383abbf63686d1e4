"""What an administrator settles about a node, and whether it can be: its credentials are derived from it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

from issuer.carbon import table
from issuer.claims.profile import NOTHING, ClaimsProfile, check_profile, read_profile, stored_text
from issuer.errors import EnrolmentError
from issuer.store.records import NodeRecord
from issuer.tenant_id import TENANT_ID
from schemas import decimals
from schemas.errors import FormatError
from schemas.lexical import IRI, STRING, shown
from schemas.plain_text import why_not_plain
from schemas.telemetry import NODE_ID

MAX_TDP_W: Final = 900_000
"""More behind one node id is a mistake of units; with 10 % to spare a verifier still believes it (1 MW)."""

_MIN_PUE: Final = Decimal(1)
_MAX_PUE: Final = Decimal(3)
_PUE_DECIMALS: Final = 3


PueKind: TypeAlias = Literal["metered", "reported", "default"]


PUE_KINDS: Final = get_args(PueKind)


class NodeDetails(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settled part of a node.

    ``grid_region``: see issuer.carbon.table. ``tdp_w``: the power limits of all its accelerators together, in
    watts; no record may claim more. ``pue``: a canonical decimal of at most 3 decimals, 1 to 3; with ``pue_kind``
    (absent: default) and, in words, ``pue_source``. ``claims``: embodied emissions, market-based factor, calibration.
    ``simulated``: whatever the node sends is simulated.
    """

    node_id: str
    tenant_id: str
    grid_region: str
    tdp_w: int
    accelerator_model: str | None = None
    pue: str | None = None
    pue_kind: PueKind | None = None
    pue_source: str | None = None
    claims: ClaimsProfile | None = None
    simulated: bool = False

    def columns(self) -> dict[str, Any]:
        """Return the details as the store names them."""
        columns = msgspec.structs.asdict(self)
        del columns["claims"]
        return columns | {"claims_profile": stored_text(self.claims)}


def details_of(node: NodeRecord) -> NodeDetails:
    """Return what is settled of a node as it is on file."""
    profile = read_profile(node.claims_profile)
    return NodeDetails(
        node_id=node.id,
        tenant_id=node.tenant_id,
        grid_region=node.grid_region,
        tdp_w=node.tdp_w,
        accelerator_model=node.accelerator_model,
        pue=node.pue,
        pue_kind=cast("PueKind | None", node.pue_kind),
        pue_source=node.pue_source,
        claims=None if profile == NOTHING else profile,
        simulated=node.simulated,
    )


def checked(details: NodeDetails) -> NodeDetails:
    """Return the details with the region's code as its source spells it ("de" gives "DEU").

    Raises EnrolmentError naming the first member that cannot be, UnknownRegionError for a region without a factor.
    """
    try:
        NODE_ID.check(details.node_id, "node_id")
        TENANT_ID.check(details.tenant_id, "tenant_id")
    except FormatError as error:
        raise EnrolmentError(error.detail) from error
    _check_text(details.accelerator_model, "accelerator_model")
    if not 0 < details.tdp_w <= MAX_TDP_W:
        raise EnrolmentError(f"tdp_w: {details.tdp_w} W; the node's accelerators draw 1 to {MAX_TDP_W} W together")
    check_pue(details.pue, details.pue_kind, details.pue_source)
    if details.claims is not None:
        check_profile(details.claims, has_pue=details.pue is not None)
    return msgspec.structs.replace(details, grid_region=table.find(details.grid_region).region)


def _check_text(text: str | None, name: str) -> None:
    if text is None:
        return
    try:
        STRING.check(text, name)
    except FormatError as error:
        raise EnrolmentError(error.detail) from error
    reason = why_not_plain(text)
    if reason is not None:
        raise EnrolmentError(f"{name}: {shown(text)}: {reason}")


def check_pue(pue: str | None, kind: str | None, source: str | None) -> None:
    """Raise EnrolmentError unless the three fit together and the value is a PUE (ISO/IEC 30134-2)."""
    _check_text(source, "pue_source")
    if pue is None:
        if kind is not None or source is not None:
            raise EnrolmentError("pue: missing, since pue_kind or pue_source stands there")
        return
    try:
        value = decimals.parse(pue)
    except FormatError as error:
        raise EnrolmentError(f"pue: {error.detail}") from error
    if not _MIN_PUE <= value <= _MAX_PUE or value != decimals.round_half_even(value, _PUE_DECIMALS):
        raise EnrolmentError(f"pue: {pue}; it lies between 1 and 3 and has at most 3 decimals")


def check_tenant_subject(subject: str | None) -> None:
    """Raise EnrolmentError unless ``subject`` is absent or the absolute IRI (a DID or URL) that names a tenant."""
    if subject is not None and not IRI.fits(subject):
        raise EnrolmentError('subject: an absolute IRI is required, such as "did:web:customer.example"')
