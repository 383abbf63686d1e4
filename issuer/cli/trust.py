"""``trust tpm``: whose TPMs are taken: makers' roots by fingerprint, and the certificates that chains are built from."""

from __future__ import annotations

import argparse
import base64
import re
from collections.abc import Sequence
from pathlib import Path

from issuer.cli.arguments import Commands
from issuer.cli.opened import ACTOR, Opened, opened
from issuer.cli.output import Answer
from issuer.store.errors import NotFoundError
from issuer.store.tpms import StoredCertificate
from issuer.tpm.bundle import RefusedCertificate, explicit_root, sort_bundle
from issuer.tpm.errors import TrustBundleError
from schemas.strict_json import Json
from verifier.endorsement.certificate import Certificate, parse_certificate
from verifier.endorsement.roots import shipped_roots, trust_of
from verifier.endorsement.trust import ROOT_CLASSES, RootClass, TrustedRoot

_COLUMNS = ("fingerprint", "class", "manufacturer", "certificate", "subject")
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{64}")
_REASONS = 5
"""Refused certificates that a message names."""


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    trust = commands.group("trust", "whose keys are believed", example="green-issuer trust tpm list")
    tpm = trust.group("tpm", "makers of TPMs", example="green-issuer trust tpm import ek-roots.pem")
    tpm.add(
        "list",
        _list,
        summary="list the roots that are trusted, and the certificates at hand",
        example="green-issuer trust tpm list --json",
    )
    parser = tpm.add(
        "import",
        _import,
        summary="take in a bundle (PEM or DER): roots whose fingerprint is trusted, and intermediates",
        example="green-issuer trust tpm import ek-roots.pem",
    )
    parser.add_argument("bundle", metavar="BUNDLE")
    parser = tpm.add(
        "add",
        _add,
        summary="trust one root by yourself, such as the CA of an emulator",
        example="green-issuer trust tpm add ca/swtpm-localca-rootca-cert.pem ca/issuercert.pem --emulated",
    )
    parser.add_argument("certificate", metavar="ROOT", help="the CA certificate that is trusted, PEM or DER")
    parser.add_argument(
        "below",
        metavar="CA",
        nargs="*",
        help="CA certificates between it and the TPMs' own, which the TPMs do not send; trusted through the root alone",
    )
    kinds = parser.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--class", dest="root_class", choices=ROOT_CLASSES, help="what the root vouches for")
    kinds.add_argument(
        "--emulated",
        dest="root_class",
        action="store_const",
        const="emulated",
        help="an emulator's CA: its nodes are tpm-emulated",
    )
    parser = tpm.add(
        "remove",
        _remove,
        summary="forget a certificate; what is enrolled stays so",
        example="green-issuer trust tpm remove 67bd2472a546751caca5f358a78f80727531671338960a9bcfdfbe6a34d0c6a1",
    )
    parser.add_argument("fingerprint", type=_fingerprint, metavar="SHA256")


async def _list(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        stored = {one.fingerprint: one for one in await issuer.store.tpms.certificates()}
    rows: list[Json] = [
        {
            "fingerprint": root.sha256,
            "class": root.root_class,
            "manufacturer": root.manufacturer,
            "certificate": root.sha256 in stored,
            "shipped": True,
            "subject": root.subject,
        }
        for root in shipped_roots()
    ]
    shipped = {root.sha256 for root in shipped_roots()}
    rows += [
        {
            "fingerprint": one.fingerprint,
            "class": one.root_class,
            "manufacturer": one.manufacturer,
            "certificate": True,
            "shipped": False,
            "subject": parse_certificate(one.certificate).subject.text,
        }
        for one in stored.values()
        if one.fingerprint not in shipped
    ]
    return Answer(value=rows, columns=_COLUMNS)


async def _import(arguments: argparse.Namespace) -> Answer:
    content = _read(arguments.bundle)
    async with opened(arguments) as issuer:
        trust = trust_of(_added(await issuer.store.tpms.certificates()))
        found = sort_bundle(content, trust)
        if not found.roots and not found.intermediates:
            raise TrustBundleError(f"nothing was taken: {_reasons(found.refused)}")
        for root in found.roots:
            await _keep(issuer, root, trust[root.fingerprint])
        for certificate in found.intermediates:
            await _keep(issuer, certificate, None)
        counts = f"{len(found.roots)} roots, {len(found.intermediates)} intermediates"
        await issuer.store.log.append(issuer.now_us, ACTOR, "trust-tpm-import", arguments.bundle, counts)
    refused: list[Json] = [
        {"position": one.position, "subject": one.subject, "fingerprint": one.fingerprint, "reason": one.reason}
        for one in found.refused
    ]
    return Answer(
        value={"roots": len(found.roots), "intermediates": len(found.intermediates), "refused": refused},
        heading=f"Taken: {counts}. Not taken: {len(refused)}.",
        advice=tuple(f"  {one.position}: {one.subject} {one.reason}" for one in found.refused),
    )


async def _add(arguments: argparse.Namespace) -> Answer:
    certificate = _root(arguments.certificate)
    root_class: RootClass = arguments.root_class
    root = explicit_root(certificate, root_class)
    below = [_authority(path) for path in arguments.below]
    async with opened(arguments) as issuer:
        changed = await _keep(issuer, certificate, root)
        for one in below:
            changed |= await _keep(issuer, one, None)
        await issuer.store.log.append(issuer.now_us, ACTOR, "trust-tpm-add", root.fingerprint, root_class)
    return Answer(
        value={
            "fingerprint": root.fingerprint,
            "class": root_class,
            "below": [one.fingerprint for one in below],
            "changed": changed,
        },
        heading=f"TPMs whose certificates lead to {root.fingerprint} are enrolled as tpm-{root_class}.",
        advice=tuple(f"Chains may pass through {one.subject.text}." for one in below),
    )


async def _remove(arguments: argparse.Namespace) -> Answer:
    if any(root.sha256 == arguments.fingerprint for root in shipped_roots()):
        raise TrustBundleError("this root is one of those that come with the program; it cannot be removed")
    async with opened(arguments) as issuer:
        if not await issuer.store.tpms.remove_certificate(arguments.fingerprint):
            raise NotFoundError("there is no such certificate; see green-issuer trust tpm list")
        await issuer.store.log.append(issuer.now_us, ACTOR, "trust-tpm-remove", arguments.fingerprint, "")
    return Answer(value={"fingerprint": arguments.fingerprint, "removed": True}, heading="The certificate is removed.")


async def _keep(issuer: Opened, certificate: Certificate, root: TrustedRoot | None) -> bool:
    return await issuer.store.tpms.add_certificate(
        StoredCertificate(
            fingerprint=certificate.fingerprint,
            certificate=certificate.raw,
            root_class=None if root is None else root.root_class,
            manufacturer="" if root is None else root.manufacturer,
            added_us=issuer.now_us,
        )
    )


def _added(stored: tuple[StoredCertificate, ...]) -> list[TrustedRoot]:
    return [
        TrustedRoot(fingerprint=one.fingerprint, root_class=root_class, manufacturer=one.manufacturer)
        for one in stored
        for root_class in ROOT_CLASSES
        if one.root_class == root_class
    ]


def _reasons(refused: Sequence[RefusedCertificate]) -> str:
    shown = "; ".join(
        " ".join(filter(None, (f"certificate {one.position},", one.subject and f"{one.subject}:", one.reason)))
        for one in refused[:_REASONS]
    )
    return shown if len(refused) <= _REASONS else f"{shown}; and {len(refused) - _REASONS} more"


def _root(path: str) -> Certificate:
    """Return the self-signed certificate in a file: trust in one that another issued is easily more than was meant."""
    certificate = _single(_read(path))
    if not certificate.self_issued:
        raise TrustBundleError(
            f"{path}: {certificate.subject.text} is no root: it is issued by {certificate.issuer.text}. Name that one's "
            f"certificate first, and this one behind it: green-issuer trust tpm add ROOT {path}"
        )
    return certificate


def _authority(path: str) -> Certificate:
    certificate = _single(_read(path))
    if not certificate.extensions.is_ca:
        raise TrustBundleError(f"{path}: {certificate.subject.text} is no CA, so no chain passes through it")
    return certificate


def _single(content: bytes) -> Certificate:
    everything = sort_bundle(content, {})
    found = [*everything.roots, *everything.intermediates]
    if len(found) == 1 and not everything.refused:
        return found[0]
    # A self-signed one is refused by a bundle's rules, since nobody has trusted it yet: that is what this command does.
    raw = [one for one in everything.refused if one.fingerprint]
    if len(raw) + len(found) != 1:
        raise TrustBundleError("one CA certificate by itself is expected; take a bundle in with trust tpm import")
    return parse_certificate(_der(content))


def _der(content: bytes) -> bytes:
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if begin not in content:
        return content
    block = content.partition(begin)[2].partition(end)[0]
    return base64.b64decode(b"".join(block.split()), validate=True)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise TrustBundleError(f"{path} cannot be read: {error.strerror}") from error


def _fingerprint(text: str) -> str:
    if not _FINGERPRINT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256 fingerprint (64 hexadecimal digits)")
    return text.lower()
