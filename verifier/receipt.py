"""A receipt held against its window: the record is one of those that the window commits to.

A receipt has no signature of its own: what it shows is shown by the window's credential, and by hashing.
``check_receipt`` is that alone, for many receipts of one window; verify_receipt of verifier.verify_receipt is the
whole verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas import digests, merkle
from schemas.credential import GreenComputeWindowCredential
from schemas.errors import FormatError
from schemas.receipt import Receipt
from schemas.window_header import WindowHeader
from schemas.window_record import ENERGIES, WindowRecord, leaf_of
from verifier.attestation.window import record_times
from verifier.errors import EvidenceMismatchError


@dataclass(frozen=True, slots=True)
class WindowRoot:
    """What a window commits its records to: their root (32 bytes) and number, under the window's digest.

    ``header`` is None where only the credential was at hand; then a record's times are held against each other alone,
    and its energies against nothing.
    """

    digest: str
    root: bytes
    records: int
    header: WindowHeader | None = None


def root_of(header: WindowHeader, digest: str) -> WindowRoot:
    """Return the root in a window's header; ``digest`` is the window's."""
    return WindowRoot(digest, digests.decode(header.merkle_root), header.records, header)


def claimed_root(credential: GreenComputeWindowCredential) -> WindowRoot:
    """Return the root that a window's credential claims."""
    subject = credential.credential_subject
    return WindowRoot(subject.window_digest, digests.decode(subject.records_merkle_root), int(subject.record_count))


def check_receipt(receipt: Receipt, window: WindowRoot) -> bytes:
    """Return the record's leaf hash (32 bytes) if it is one of ``window``'s. Raises EvidenceMismatchError.

    It takes tens of microseconds: many receipts of one window are checked against one WindowRoot.
    """
    inclusion = receipt.inclusion
    if receipt.window_digest != window.digest:
        raise EvidenceMismatchError(
            f"window_digest: the receipt is of window {receipt.window_digest}, this one is {window.digest}"
        )
    if inclusion.tree_size != window.records:
        raise EvidenceMismatchError(
            f"inclusion.tree_size: {inclusion.tree_size} records are claimed, the window has {window.records}"
        )
    try:
        leaf = leaf_of(receipt.record)
        path = [digests.decode(sibling) for sibling in inclusion.path]
        root = merkle.root_from_path(leaf, inclusion.index, inclusion.tree_size, path)
    except FormatError as error:
        raise EvidenceMismatchError(f"inclusion: {error.detail}") from error
    if root != window.root or digests.encode(root) != receipt.merkle_root:
        raise EvidenceMismatchError(
            "inclusion: the path does not lead from the record to the window's root; the record was changed, or it is "
            "none of this window"
        )
    _check_within(receipt.record, window.header)
    return leaf


def _check_within(record: WindowRecord, header: WindowHeader | None) -> None:
    """Raise where one record alone already has more than its window: a root over nonsense is a root all the same."""
    if (wrong := record_times(record, header)) is not None:
        raise EvidenceMismatchError(f"record: {wrong}")
    if header is None:
        return
    for name in (*ENERGIES, "estimated_mj"):
        if getattr(record, name) > getattr(header, name):
            raise EvidenceMismatchError(f"record.{name}: it is more than the whole window has")
