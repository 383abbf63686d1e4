"""The makers' certificates and real EK certificates of the reference material, and the table of roots they give."""

import csv
import io
import re
from base64 import b64decode
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.vectors import shared
from verifier.endorsement.certificate import parse_certificate, signature_problem

BUNDLES = "vectors/attestation/ek_ca_bundles"
TPM = "vectors/attestation/tpm"
SHA1_RSA = "1.2.840.113549.1.1.5"
COLUMNS = ("sha256", "manufacturer", "subject", "not_before", "not_after", "class", "source")
MAKERS = {
    "Advanced Micro Devices": "AMD",
    "GlobalSign": "STM",  # a root that signs STMicroelectronics' CAs
    "Google": "GOOG",
    "Infineon": "IFX",
    "Intel": "INTC",
    "Microsoft": "MSFT",
    "NSING": "NSG",
    "Nuvoton": "NTC",
    "STMicroelectronics": "STM",
}


def blocks(path):
    """Return the DER of each certificate of a file, PEM or DER."""
    content = path.read_bytes()
    found = re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", content, re.DOTALL)
    return [b64decode(block) for block in found] or [content]


@cache
def collections():
    """Return (name of the collection, DER) for every CA certificate at hand."""
    folders = {
        "keylime": (shared(f"{BUNDLES}/keylime"), "*.pem"),
        "tpm-ca-certificates": (shared(f"{BUNDLES}/tpm-ca-certificates"), "*.pem"),
        "go-tpm-tools": (shared(f"{TPM}/gce_vtpm_ca"), "*.c*"),
    }
    return tuple(
        (name, raw)
        for name, (folder, pattern) in folders.items()
        for path in sorted(folder.glob(pattern))
        for raw in blocks(path)
    )


@cache
def authorities():
    """Return every CA certificate at hand, once, by its fingerprint."""
    found = (parse_certificate(raw) for _, raw in collections())
    return {certificate.fingerprint: certificate for certificate in found}


def self_signed(certificate):
    if not certificate.self_issued:
        return False
    if certificate.signature_algorithm == SHA1_RSA:
        # Two of Nuvoton's: looked at here, and nowhere in the product.
        try:
            certificate.public_key.verify(certificate.signature, certificate.tbs, padding.PKCS1v15(), hashes.SHA1())
        except InvalidSignature:
            return False
        return True
    return signature_problem(certificate, certificate.public_key) is None


def roots_csv():
    """Return the table of roots, computed anew."""
    sources = {}
    for name, raw in collections():
        sources.setdefault(parse_certificate(raw).fingerprint, set()).add(name)
    rows = [
        (
            fingerprint,
            next(letters for words, letters in MAKERS.items() if words in root.subject.text),
            root.subject.text,
            f"{root.not_before:%Y-%m-%d}",
            f"{root.not_after:%Y-%m-%d}",
            "virtual" if "go-tpm-tools" in sources[fingerprint] else "hardware",
            " ".join(sorted(sources[fingerprint])),
        )
        for fingerprint, root in authorities().items()
        if self_signed(root) and root.extensions.is_ca
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(rows, key=lambda row: (row[1], row[3], row[0])))
    return out.getvalue()
