"""A site with a node whose TPM is software that lies, and a maker of TPMs that the site trusts."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

import msgspec

from issuer.store.tpms import StoredCertificate
from schemas import base64url, digests
from schemas.cmw import build_evidence
from schemas.window_record import encode_records
from tests.fakes import soft_tpm
from tests.fakes import tpm_maker as maker
from tests.fakes.issuer import node as registered
from tests.fakes.window_node import post_window

MAKER = maker.authority("Attack Root")
EK_KEY = maker.private_key("p256", "attack ek").public_key()
EK = maker.area("L-2", EK_KEY).encode()


async def soft_node(site: Any, **tpm: Any) -> soft_tpm.Node:
    """Return node-70 with a software TPM, enrolled at ``site`` as if it had been activated; its records name nobody."""
    node = soft_tpm.Node(node_id="node-70", tpm=soft_tpm.SoftTpm(**tpm))
    key = node.tpm.key
    store = site.store()
    await store.nodes.add(
        registered(
            70,
            jwk={**key.public_key.jwk},
            key_uri=key.thumbprint_uri,
            attestation="tpm-emulated",
            ek_digest=digests.digest(b"ek"),
            ak=node.tpm.public,
            ak_digest=key.digest,
            enrolment_digest=digests.digest(b"record"),
            chain_pcr=15,
            chain_state=msgspec.json.encode(node.begun()).decode(),
        )
    )
    await store.close()
    return node


def request(made: soft_tpm.Made) -> bytes:
    """Return the request for a window that a software TPM has made."""
    lines = encode_records(made.records.records)
    return gzip.compress(b'{"evidence":' + build_evidence(made.evidence) + b"}\n" + lines, 1, mtime=0)


async def send(site: Any, node: soft_tpm.Node, **lies: Any) -> Any:
    """Post the node's next window, with lies; one that is refused moves the honest node no further."""
    before = {**node.__dict__}
    header = {"nonce": ..., "freshness": "chained"} | dict(lies.pop("header", {}))
    records = [{k: v for k, v in one.items() if k != "tenant_id"} for one in node.own_records()]
    answer = await post_window(site, request(node.window(records=records, header=header, **lies)))
    if answer.status_code >= 400:
        node.__dict__ |= before | {"clock_ms": node.clock_ms}
    return answer


async def trust_maker(site: Any, root_class: str = "emulated") -> None:
    """Let a site trust the maker of ``EK``."""
    store = site.store()
    await store.tpms.add_certificate(
        StoredCertificate(
            fingerprint=MAKER.fingerprint, certificate=MAKER.raw, root_class=root_class, manufacturer="", added_us=1
        )
    )
    await store.close()


@dataclass
class Attestation:
    """The first request of an enrolment, its parts to be replaced."""

    token: str
    ek_public: bytes = EK
    ek_certificate: bytes = b""
    ak_public: bytes = soft_tpm.SoftTpm().public
    intermediates: tuple[bytes, ...] = ()

    def body(self) -> dict[str, Any]:
        certificate = self.ek_certificate or maker.ek_certificate(MAKER, EK_KEY, uses=("key_agreement",))
        return {
            "token": self.token,
            "ek_public": base64url.encode(self.ek_public),
            "ek_certificate": base64url.encode(certificate),
            "ak_public": base64url.encode(self.ak_public),
            "intermediates": [base64url.encode(one) for one in self.intermediates],
        }
