"""What must be refused, as the issuer meets it over HTTP: windows of a TPM that lies, and enrolments.

The attacks are the verifier's (tests/verifier/attestation/test_must_be_refused.py, where the list is); here is what
only the issuer knows: which key is enrolled, which nonces it gave, what it has taken.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from schemas import base64url
from tests.fakes import tpm_maker as maker
from tests.fakes.issuer import body
from tests.fakes.site import problem
from tests.fakes.soft_tpm import Node, SoftTpm, canonical, domain
from tests.fakes.soft_tpm_site import ATTEST, EK_KEY, MAKER, Attestation, SoftEk, soft_node, trust_maker
from tests.fakes.tpm_site import token_for
from tests.fakes.window_attacks import Sent, sent
from tests.fakes.window_attacks_chain import ATTACKS
from tests.fakes.window_node import WindowNode, post_window


def request(window: Sent) -> bytes:
    return gzip.compress(b'{"evidence":' + window.evidence + b"}\n" + window.records, 1, mtime=0)


async def post(site, window):
    return await post_window(site, request(window))


async def honest(site, node, **lies):
    answer = await post(site, sent(node, **lies))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refused(answer, status, name):
    assert (answer.status_code, problem(answer)) == (status, name), answer.text


@pytest.mark.parametrize("items", [sorted({one.item for one in ATTACKS})[start::4] for start in range(4)], ids="1234")
async def test_every_lie_is_refused_by_name_and_the_next_honest_window_is_taken(site, items):
    node = await soft_node(site)
    await honest(site, node)
    await honest(site, node)
    for attack in ATTACKS:
        if attack.item not in items:
            continue
        liar = replace(node)
        answer = await post(site, attack.make(liar))
        assert problem(answer) == (attack.over_http or attack.name), (str(attack), answer.text)
        assert answer.status_code in {400, 401, 409, 422}
    await honest(site, node)
    store = site.store()
    assert (await store.windows.last("node-70")).sequence == 2
    await store.close()


async def test_a_key_that_is_no_attestation_key_is_not_enrolled(site):
    await trust_maker(site)
    asked = Attestation(await token_for(site))
    for attack in ATTACKS:
        if attack.tpm is not None:
            answer = await site.post(ATTEST, replace(asked, ak_public=attack.tpm.public).body())
            await refused(answer, 400 if attack.name == "TPM_STRUCTURE_INVALID" else 401, attack.name)
    assert (await site.post(ATTEST, asked.body())).status_code == 201


async def test_a_window_that_is_replayed_counts_once(any_site):
    node = await soft_node(any_site)
    first = sent(node)
    taken = (await post(any_site, first)).json()
    await honest(any_site, node)
    before = (await any_site.get("/api/v1/emissions")).json()
    for _ in range(2):
        again = await post(any_site, first)
        assert (again.status_code, again.json()["credential"]) == (200, taken["credential"])
    assert (await any_site.get("/api/v1/emissions")).json() == before


async def test_a_nonce_that_was_used_is_refused(any_site):
    node = await soft_node(any_site)
    nonce, *_ = (await honest(any_site, node))["nonces"]
    fresh = {"header": {"nonce": nonce, "freshness": "nonce"}}
    await honest(any_site, node, **fresh)
    before = {**node.__dict__}
    await refused(await post(any_site, sent(node, **fresh)), 401, "NONCE_REFUSED")
    node.__dict__ |= before | {"clock_ms": node.clock_ms}
    await honest(any_site, node)


async def test_a_nonce_that_is_over_or_anothers_is_refused(any_site):
    node, software = await soft_node(any_site), WindowNode()
    (theirs, *_) = (await post_window(any_site, software.zipped())).json()["nonces"]
    own, *_ = (await honest(any_site, node))["nonces"]
    before = {**node.__dict__}

    async def tried(nonce):
        answer = await post(any_site, sent(node, header={"nonce": nonce, "freshness": "nonce"}))
        node.__dict__ |= before | {"clock_ms": node.clock_ms}
        return answer

    for nonce in (theirs, base64url.encode(bytes(32))):
        await refused(await tried(nonce), 401, "NONCE_REFUSED")
    any_site.clock.advance(timedelta(hours=2))
    # A window that ends after the nonce's hour, by its own word.
    node.wall_us, node.clock_ms = node.wall_us + 5_400_000_000, node.clock_ms + 5_400_000
    before |= {"wall_us": node.wall_us, "clock_ms": node.clock_ms}
    await refused(await tried(own), 401, "NONCE_REFUSED")
    await honest(any_site, node)


async def test_a_software_signature_is_no_windows_of_a_tpm(site):
    node = await soft_node(site)
    liar = WindowNode()
    liar.chain.node_id = "node-70"
    await refused(await post_window(site, liar.zipped()), 401, "WINDOW_SIGNER_MISMATCH")
    software = Node(node_id="node-7")
    await refused(await post(site, sent(software)), 401, "WINDOW_SIGNER_MISMATCH")
    await honest(site, node)


async def test_a_node_with_a_tpm_posts_no_records_though_its_key_can_sign_them(any_site):
    # TPM2_Hash gives a ticket for whatever does not begin as an attestation does, and JSON begins with a brace.
    node = await soft_node(any_site)
    await honest(any_site, node)
    before = (await any_site.get("/api/v1/emissions")).json()
    record = {name: value for name, value in body(node_id="node-70").items() if name != "signature"}
    r, s = decode_dss_signature(node.tpm.vendor.sign(canonical(record), ec.ECDSA(hashes.SHA256())))
    key = node.tpm.key.public_key
    key.verify(canonical(record), r.to_bytes(32, "big") + s.to_bytes(32, "big"), "ES256")
    signature = base64url.encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    await refused(await any_site.post("/api/v1/telemetry", record | {"signature": signature}), 401, "SIGNATURE_INVALID")
    assert (await any_site.get("/api/v1/emissions")).json() == before


# --- enrolment ---------------------------------------------------------------------------------------------

USES = ("key_agreement",)
OTHER_KEY = maker.private_key("p256", "other ek").public_key()
SHA256_OID, SHA1_OID = (bytes.fromhex(oid) for oid in ("2a864886f70d01010b", "2a864886f70d010105"))


def own_word():
    """A certificate that the endorsement key gave itself."""
    private = maker.private_key("p256", "attack ek")
    return maker.ek_certificate(
        maker.Authority(MAKER.raw, private), EK_KEY, uses=USES, issuer=maker.name("EK"), subject="EK"
    )


def by_sha1():
    """A certificate under an RSA root that the site does not have to trust: SHA-1 is seen before."""
    root = maker.authority("Old Root", kind="rsa2048")
    made = maker.ek_certificate(root, EK_KEY, uses=USES)
    return maker.resigned(made, root.key, (SHA256_OID, SHA1_OID), algorithm=hashes.SHA1())


CERTIFICATES = {
    "an EK certificate for another key": (
        lambda: maker.ek_certificate(MAKER, OTHER_KEY, uses=USES),
        "EK_CERTIFICATE_MISMATCH",
    ),
    "self-signed": (own_word, "EK_CHAIN_UNTRUSTED"),
    "expired": (
        lambda: maker.ek_certificate(MAKER, EK_KEY, uses=USES, end=datetime(2026, 1, 1, tzinfo=UTC)),
        "EK_CERTIFICATE_EXPIRED",
    ),
    "not valid yet": (
        lambda: maker.ek_certificate(MAKER, EK_KEY, uses=USES, begin=datetime(2030, 1, 1, tzinfo=UTC)),
        "EK_CERTIFICATE_EXPIRED",
    ),
    "CA=true": (lambda: maker.ek_certificate(MAKER, EK_KEY, uses=USES, ca=True), "EK_REFUSED"),
    "wrong EKU": (lambda: maker.ek_certificate(MAKER, EK_KEY, uses=USES, purposes=[maker.FIRMWARE]), "EK_REFUSED"),
    "any EKU": (
        lambda: maker.ek_certificate(MAKER, EK_KEY, uses=USES, purposes=[x509.ObjectIdentifier("2.5.29.37.0")]),
        "EK_REFUSED",
    ),
    "of another maker of the same name": (
        lambda: maker.ek_certificate(maker.Authority(MAKER.raw, maker.private_key("p256", "x")), EK_KEY, uses=USES),
        "EK_CHAIN_UNTRUSTED",
    ),
    "by SHA-1": (by_sha1, "EK_CHAIN_UNTRUSTED"),
}


@pytest.mark.parametrize(("certificate", "name"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_certificate_is_refused_by_name(site, certificate, name):
    await trust_maker(site)
    asked = Attestation(await token_for(site))
    await refused(await site.post(ATTEST, replace(asked, ek_certificate=certificate()).body()), 403, name)
    assert (await site.post(ATTEST, asked.body())).status_code == 201


async def late(site, node, challenge, other):
    site.clock.advance(timedelta(seconds=61))
    return await node.sent(challenge, node.answer(challenge))


async def twice(site, node, challenge, other):
    answer = node.answer(challenge)
    assert (await node.sent(challenge, answer)).status_code == 201
    return await node.sent(challenge, answer)


async def from_another(site, node, challenge, other):
    return await node.sent(challenge, node.answer(other))


async def with_anothers_secret(site, node, challenge, other):
    answer = node.answer(challenge)
    return await node.sent(challenge, answer | {"secret": node.answer(other)["secret"]})


async def after_a_wrong_one(site, node, challenge, other):
    # With its secret: one without leaves the challenge to whoever has it.
    wrong = node.answer(challenge | {"nonce": other["nonce"]})
    await refused(await node.sent(challenge, wrong), 403, "ACTIVATION_REFUSED")
    return await node.sent(challenge, node.answer(challenge))


async def over_another_nonce(site, node, challenge, other):
    return await node.sent(challenge, node.answer(challenge | {"nonce": other["nonce"]}))


@pytest.mark.parametrize(
    "attack", [late, twice, from_another, with_anothers_secret, after_a_wrong_one, over_another_nonce]
)
async def test_an_activation_is_refused(any_site, attack):
    await trust_maker(any_site)
    node = SoftEk(any_site)
    token = await token_for(any_site)
    challenge, other = await node.challenged(token), await node.challenged(token)
    await refused(await attack(any_site, node, challenge, other), 403, "ACTIVATION_REFUSED")


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        (lambda node: node.quote_opening(nonce=bytes(32)), 401, "QUALIFYING_DATA_MISMATCH"),
        (
            lambda node: (node.quote_opening()[0], SoftTpm(seed=8).sign(node.quote_opening()[0])),
            401,
            "QUOTE_SIGNATURE_INVALID",
        ),
        (lambda node: (node.quote_opening()[0][:-1], node.quote_opening()[1]), 400, "TPM_STRUCTURE_INVALID"),
        (lambda node: node.quote_opening(attested={"kind": 0}), 401, "NOT_A_QUOTE"),
        # A window's quote, over the right nonce.
        (
            lambda node: node.quote_opening(attested={"extra": domain("quote", bytes(32))}),
            401,
            "QUALIFYING_DATA_MISMATCH",
        ),
    ],
)
async def test_an_opening_is_refused_by_name_and_costs_the_challenge(site, change, status, name):
    await trust_maker(site)
    node = SoftEk(site)
    challenge = await node.challenged(await token_for(site))
    answer = node.answer(challenge)
    attest, signature = change(node.node)
    lie = answer["opening"] | {"attest": base64url.encode(attest), "signature": base64url.encode(signature)}
    await refused(await node.sent(challenge, answer | {"opening": lie}), status, name)
    await refused(await node.sent(challenge, answer), 403, "ACTIVATION_REFUSED")


async def test_a_key_that_was_superseded_or_revoked_signs_nothing_any_more(any_site):
    await trust_maker(any_site)
    old = SoftEk(any_site)
    await old.enrolled()
    await honest(any_site, old.node)
    new = SoftEk(any_site, seed=9)
    new.node.__dict__ |= {name: value for name, value in old.node.__dict__.items() if name != "tpm"}
    any_site.clock.advance(timedelta(seconds=1))
    await new.enrolled()
    await refused(await post(any_site, sent(old.node)), 401, "WINDOW_SIGNER_MISMATCH")
    await honest(any_site, new.node)
    store = any_site.store()
    await store.nodes.revoke("node-77")
    await store.close()
    await refused(await post(any_site, sent(new.node)), 403, "NODE_REVOKED")
    stranger = Node(node_id="node-99")
    await refused(await post(any_site, sent(stranger)), 404, "UNKNOWN_NODE")
