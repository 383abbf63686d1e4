"""A site with a node whose TPM is software that lies, and a maker of TPMs that the site trusts."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

import msgspec

from issuer.store.tpms import StoredCertificate
from schemas import base64url, digests
from schemas.cmw import build_evidence
from schemas.tpm.public import parse_public
from schemas.window_record import encode_records
from tests.fakes import soft_tpm
from tests.fakes import tpm_maker as maker
from tests.fakes.issuer import node as registered
from tests.fakes.make_credential import activate_credential
from tests.fakes.tpm_site import token_for
from tests.fakes.window_node import post_window

ATTEST = "/api/v1/nodes/attest"
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


def request(made: soft_tpm.Made, boot_event: bytes = b"") -> bytes:
    """Return the request for a window that a software TPM has made, with the opening of its epoch where it needs one."""
    lines = encode_records(made.records.records)
    opening = b'"boot_event":' + boot_event + b"," if boot_event else b""
    return gzip.compress(b"{" + opening + b'"evidence":' + build_evidence(made.evidence) + b"}\n" + lines, 1, mtime=0)


async def send(site: Any, node: soft_tpm.Node, boot_event: bytes = b"", **lies: Any) -> Any:
    """Post the node's next window, with lies; one that is refused moves the honest node no further."""
    before = {**node.__dict__}
    header = {"nonce": ..., "freshness": "chained"} | dict(lies.pop("header", {}))
    records = [{k: v for k, v in one.items() if k != "tenant_id"} for one in node.own_records()]
    answer = await post_window(site, request(node.window(records=records, header=header, **lies), boot_event))
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


class SoftEk:
    """A node whose endorsement key (``EK``) is known, so that challenges are answered without a TPM."""

    def __init__(self, site: Any, *, seed: int = 7, node_id: str = "node-77") -> None:
        self.site = site
        self.node = soft_tpm.Node(node_id=node_id, tpm=soft_tpm.SoftTpm(seed=seed))

    async def challenged(self, token: str) -> dict[str, Any]:
        """Return the challenge to this node."""
        answer = await self.site.post(ATTEST, Attestation(token, ak_public=self.node.tpm.public).body())
        assert answer.status_code == 201, answer.text
        return answer.json()

    def answer(self, challenge: dict[str, Any]) -> dict[str, Any]:
        """Return the right answer to a challenge."""
        blob, encrypted = (base64url.decode(challenge[name]) for name in ("credential_blob", "encrypted_secret"))
        private = maker.private_key("p256", "attack ek")
        secret = activate_credential(parse_public(EK), private, self.node.tpm.key.public.name, blob, encrypted)
        attest, signature = self.node.quote_opening(nonce=base64url.decode(challenge["nonce"]))
        pcrs = {str(index): base64url.encode(value) for index, value in self.node.pcrs.items()}
        opening: dict[str, Any] = {
            "attest": base64url.encode(attest),
            "signature": base64url.encode(signature),
            "pcrs": {"sha256": pcrs},
            "nonce": challenge["nonce"],
        }
        if self.node.previous is not None:
            opening["previous"] = self.node.previous
        return {"secret": base64url.encode(secret), "opening": opening}

    async def sent(self, challenge: dict[str, Any], answer: dict[str, Any]) -> Any:
        """Answer a challenge, and return what comes back."""
        return await self.site.post(f"{ATTEST}/{challenge['enrolment_id']}", answer)

    async def enrolled(self) -> dict[str, Any]:
        """Enrol as the node that it says it is, and return the issuer's answer."""
        challenge = await self.challenged(await token_for(self.site, self.node.node_id))
        answer = await self.sent(challenge, self.answer(challenge))
        assert answer.status_code == 201, answer.text
        return answer.json()
