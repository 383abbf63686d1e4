"""A new window before its transaction: its records read, their sums made, and what is decided within. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from issuer import credential
from issuer.addresses import Addresses
from issuer.carbon.choose import Chosen, Period
from issuer.carbon.known import KnownSlots
from issuer.carbon.window import WindowClaim, account_window, it_mj
from issuer.claims import completeness
from issuer.claims.completeness import CompletenessPolicy
from issuer.credential import Assignment, ContextForm
from issuer.store.grid_records import ProvisionalClaim
from issuer.store.records import NodeRecord, Reservation, Reserved, TenantRecord
from issuer.store.window_records import Settled, Share, WindowEntry
from issuer.windows import check, compression, request
from issuer.windows.compression import Coding
from issuer.windows.credential import SignedBy, build_window, check_draft, counts_of
from issuer.windows.plan import Plan, Told, make_plan, shares_of, told
from issuer.windows.request import FirstLine
from issuer.windows.share_figures import Whole
from schemas import decimals, digests, times
from schemas.profile import WINDOW_TYPE
from schemas.strict_json import JsonObject
from schemas.window_header import WindowHeader
from schemas.window_record import WindowRecords, decode_records
from verifier.attestation.freshness import IssuedNonce
from verifier.attestation.window import CheckedWindow, check_records
from verifier.window_match import coverage

NOBODY: Final = Reserved(id="00000000-0000-7000-8000-000000000000", list_id="draft", index=0, reserved_us=0)
"""What a draft has in place of a reservation."""


@dataclass(frozen=True, slots=True)
class SignedWindow:
    """A request whose first line is known to be its node's; its records are not read yet."""

    line: FirstLine
    window: CheckedWindow
    node: NodeRecord
    body: bytes
    coding: Coding


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who issues, when, and in which form."""

    issuer_did: str
    now: datetime
    addresses: Addresses
    context_form: ContextForm
    completeness: CompletenessPolicy = completeness.DEFAULT


@dataclass(frozen=True, slots=True)
class Making:
    """Everything that is known of a new window before its place in the chain is."""

    signed: SignedWindow
    records: WindowRecords
    plan: Plan
    counts: JsonObject
    shares: Sequence[Share]
    claim: WindowClaim
    entry: WindowEntry
    tenant: TenantRecord
    stamp: Stamp
    chosen: Chosen
    provisional: ProvisionalClaim | None

    @property
    def reservation(self) -> Reservation:
        """What is asked of the store for the window's credential."""
        header, claim = self.signed.window.header, self.claim
        return Reservation(
            issuer_slug=self.tenant.issuer_slug,
            tenant_id=self.tenant.id,
            inference_id=None,
            body_digest=self.entry.digest,
            now_us=self.entry.received_us,
            period_start_us=header.start_us,
            period_end_us=header.end_us,
            credential_type=WINDOW_TYPE,
            node_id=header.node_id,
            energy_kwh=decimals.render(claim.energy_kwh),
            operational_emissions_gco2e=decimals.render(claim.operational_emissions_gco2e),
            emission_factor_type=claim.grid.factor_type,
            assurance=self.entry.assurance,
            simulated=self.entry.assurance == "simulated",
            record_digest=self.entry.evidence_digest,
            attachments=self.chosen.attachments,
            provisional=self.provisional,
        )

    def settle(self, node: NodeRecord, nonce: IssuedNonce | None, known: AbstractSet[int]) -> Settled:
        """Return what follows for the node as it stands now; ``known``: records whose inference was measured before.

        Raises as check.follow, and as check.check_signed where the node has changed meanwhile.
        """
        signed = self.signed
        if (node.state, node.ak, node.key_uri) != (signed.node.state, signed.node.ak, signed.node.key_uri):
            check.check_signed(signed.line, node)
        state, flags = check.follow(signed.window, signed.line, node, nonce, now_us=self.entry.received_us)
        all_told = [*(Told(flag.kind.value, flag.detail) for flag in flags), *self._told(known)]
        return Settled(
            chain_state=msgspec.json.encode(state).decode(),
            flags=msgspec.json.encode(all_told).decode(),
            shares=self._shares(known) if known else self.shares,
        )

    def build(self, reserved: Reserved) -> bytes:
        """Return the bytes of the window's unsecured credential."""
        return credential.encode(self.document(reserved))

    def document(self, reserved: Reserved) -> JsonObject:
        """Return the window's unsecured credential."""
        stamp, header = self.stamp, self.signed.window.header
        assignment = Assignment(
            issuer_did=stamp.issuer_did,
            tenant=self.tenant,
            reserved=reserved,
            issuance_date=credential.issuance_date(stamp.now, times.from_microseconds(header.end_us)),
            addresses=stamp.addresses,
            context_form=stamp.context_form,
        )
        signed_by = SignedBy(
            evidence_digest=self.entry.evidence_digest,
            enrolment_digest=self.entry.enrolment_digest,
            hardware_id=self.signed.node.ek_digest if header.ak is not None else None,
            assurance=self.entry.assurance,
        )
        return build_window(self.claim, header, self.counts, self.entry, signed_by, assignment)

    def _shares(self, known: AbstractSet[int]) -> Sequence[Share]:
        return _shares(self.plan, self.records, known, self.claim, self.entry.assurance, self.signed.window.header)

    def _told(self, known: AbstractSet[int]) -> Sequence[Told]:
        found = told(self.plan, self.records.records, known, self.signed.node)
        flag = self.stamp.completeness.flag(decimals.parse(coverage(self.signed.window.header)))
        return found if flag is None else [*found, Told(*flag)]


def make(signed: SignedWindow, tenants: Sequence[TenantRecord], stamp: Stamp, known: KnownSlots) -> Making:
    """Return a window with its records read and held against its header: the work of a tenth of a second at most.

    The first of ``tenants`` is the node's own, the others are those that its records may name; ``known`` is what is
    stored of its grid. Raises FormatError, RecordsMismatchError, UnknownRegionError.
    """
    own, *others = tenants
    records = decode_records(request.read_records(signed.body, signed.coding, signed.line))
    check_records(signed.window.header, records)
    node, header = signed.node, signed.window.header
    assurance = "simulated" if node.simulated or header.simulated else (node.attestation or "software")
    plan = make_plan(records.records, node, (*others, own))
    period = Period(start_us=header.start_us, end_us=header.end_us, it_mj=it_mj(header))
    chosen = known.chosen(period, times.to_microseconds(stamp.now))
    claim = account_window(header, node, chosen.factor)
    making = Making(
        signed=signed,
        records=records,
        plan=plan,
        counts=counts_of(records.records),
        shares=_shares(plan, records, frozenset(), claim, assurance, header),
        claim=claim,
        entry=_entry(signed, own, assurance, stamp.now),
        tenant=own,
        stamp=stamp,
        chosen=chosen,
        provisional=known.provisional(chosen, period),
    )
    check_draft(making.document(NOBODY))
    return making


def _shares(  # noqa: PLR0917 - the parts of one window
    plan: Plan,
    records: WindowRecords,
    known: AbstractSet[int],
    claim: WindowClaim,
    assurance: str,
    header: WindowHeader,
) -> Sequence[Share]:
    reserved_us = sum([record.duration_us for record in records.records])
    return shares_of(
        plan,
        records.records,
        known,
        pue=None if claim.facility is None else claim.facility.pue,
        grid=claim.grid,
        simulated=assurance == "simulated",
        whole=Whole(claim, header, reserved_us),
    )


def _entry(signed: SignedWindow, own: TenantRecord, assurance: str, now: datetime) -> WindowEntry:
    line, header = signed.line, signed.window.header
    return WindowEntry(
        node_id=header.node_id,
        epoch=header.boot_epoch,
        sequence=header.sequence,
        digest=signed.window.digest,
        tenant_id=own.id,
        issuer_slug=own.issuer_slug,
        header=line.header_bytes,
        evidence=line.evidence,
        evidence_digest=digests.digest(line.evidence),
        enrolment_digest=signed.node.enrolment_digest,
        assurance=assurance,
        record_count=header.records,
        end_us=header.end_us,
        received_us=times.to_microseconds(now),
        body=compression.stored(signed.body, signed.coding),
        nonce=header.nonce,
    )
