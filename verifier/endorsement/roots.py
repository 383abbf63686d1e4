"""The roots of TPM makers, shipped by fingerprint.

``data/roots.csv`` holds facts and no certificates: which fingerprints are trusted, and what each vouches for. The
certificates themselves may come from anywhere (a maker's site, a bundle, a TPM): their fingerprint decides.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from importlib import resources
from types import MappingProxyType

import msgspec

from verifier.endorsement.trust import RootClass, Trust, TrustedRoot


class ShippedRoot(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the bundled table.

    Attributes:
        sha256: of the certificate's DER, lower-case hexadecimal.
        manufacturer: letters of the TCG's registry of vendors: whose TPMs it vouches for.
        subject: its name in words.
        not_before, not_after: its dates, for a person: a root's are not judged (see ek_chain).
        root_class: what it vouches for.
        source: in which published collections it was found, by the names in ``data/NOTICE.txt``.
    """

    sha256: str
    manufacturer: str
    subject: str
    not_before: str
    not_after: str
    root_class: RootClass = msgspec.field(name="class")
    source: str


@cache
def shipped_roots() -> tuple[ShippedRoot, ...]:
    """Return the bundled table, in its order."""
    text = resources.files("verifier.endorsement").joinpath("data", "roots.csv").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, ShippedRoot) for row in csv.DictReader(text.splitlines()))


def trust_of(added: Iterable[TrustedRoot] = ()) -> Trust:
    """Return what is trusted: the shipped roots, and those that an operator added.

    What a shipped root vouches for cannot be changed by adding it again.
    """
    trusted = {root.fingerprint: root for root in added}
    trusted |= {
        row.sha256: TrustedRoot(fingerprint=row.sha256, root_class=row.root_class, manufacturer=row.manufacturer)
        for row in shipped_roots()
    }
    return MappingProxyType(trusted)
