"""A folder of files as an operator would hand to an auditor, and bundles made of it."""

import json
import zipfile
from pathlib import Path

import msgspec

from schemas import digests
from schemas.opening_quote import BootEvent, build_boot_event, opening_of
from schemas.window_record import encode_records
from tests.fakes.soft_tpm import Made
from tests.fakes.verifier import ENGINES, NOW, World
from tests.fakes.windows import CERTIFICATES, EK_ROOT, WindowWorld
from verifier.attestation.freshness import IssuedNonce
from verifier.audit import audit
from verifier.audit_bundle import open_bundle, write_bundle
from verifier.audit_make import collect
from verifier.policy import Policy

CREATED = "2026-11-20T21:00:00Z"
AUDITOR = Policy(
    trust_evidence=True, trusted_issuers=("did:web:oracle.example",), tpm_roots={EK_ROOT.fingerprint: "hardware"}
)


def nonces(*made: Made, **changes: object) -> bytes:
    """Return the issuer's log of the nonces of these windows."""
    log = [
        IssuedNonce(
            nonce=one.header["nonce"],
            node_id=one.header["node_id"],
            expires_us=one.header["end_us"] + 3_600_000_000,
            used_by=digests.encode(one.digest),
        )
        for one in made
        if "nonce" in one.header
    ]
    return b"".join(msgspec.json.encode(msgspec.structs.replace(one, **changes)) + b"\n" for one in log)


def boot_event(place: WindowWorld) -> bytes:
    """Return the boot event of the node as it is now."""
    attest, signature = place.node.quote_opening()
    opening = opening_of(attest, signature, place.node.pcrs, previous=place.node.previous)
    return build_boot_event(BootEvent(v=1, node_id=place.node.node_id, ak=place.node.tpm.ak, opening=opening))


def files_of(place: WindowWorld) -> dict[str, bytes]:
    """Return everything about the windows of a node, by names that say nothing."""
    found: dict[str, bytes] = {}
    for made in place.made:
        found[f"w{made.header['sequence']}"] = json.dumps(place.credential(made)).encode()
        if made.records.records:
            found[f"n{made.header['sequence']}"] = encode_records(made.records.records)
            found[f"r{made.header['sequence']}"] = json.dumps(place.receipt(made)).encode()
            found[f"i{made.header['sequence']}"] = json.dumps(place.inference(made)).encode()
    found["enrolment"] = place.enrolment
    found |= {f"c{number}": raw for number, raw in enumerate(CERTIFICATES)}
    found["log"] = nonces(*place.made)
    for number, (_, _, entry) in enumerate(place.world.evidence().items()):
        found[f"e{number}"] = entry.body or b""
    for name in [name for name, raw in place.attachments.items() if raw.startswith(b'{"ak"')]:
        found[f"a{name}"] = place.attachments[name]
    return found


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def bundled(tmp_path: Path, files: dict[str, bytes], name: str = "bundle.zip") -> Path:
    """Return a bundle of ``files``, as ``audit-bundle make`` writes it."""
    collected = collect(folder_of(tmp_path / f"{name}-files", files))
    write_bundle(tmp_path / name, collected.files, created=CREATED)
    return tmp_path / name


def audited(path: Path, *, policy: Policy = AUDITOR, now=NOW):
    with open_bundle(path) as bundle:
        return audit(bundle, policy, now, engines=ENGINES)


def rezipped(path: Path, target: Path, change) -> Path:
    """Return a copy of an archive whose members ``change(name, content)`` has edited; None leaves one out."""
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after:
        for member in before.infolist():
            content = change(member.filename, before.read(member))
            if content is not None:
                after.writestr(member.filename, content)
    return target


def node_of(count: int = 3, **options) -> WindowWorld:
    place = WindowWorld(World(policy=AUDITOR), **options)
    for _ in range(count):
        place.close()
    return place
