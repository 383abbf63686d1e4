"""Quotes and enrolments of hostile TPMs, as the whole issuer meets them: over HTTP."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from tests.attacks.catalogue import attack, of_response
from tests.fakes import tpm_maker as maker
from tests.fakes.issuer import body, signed
from tests.fakes.soft_tpm import P384, RSASSA, SHA1, SoftTpm, composite
from tests.fakes.soft_tpm_site import ATTEST, EK_KEY, MAKER, Attestation, SoftEk, send, soft_node, trust_maker
from tests.fakes.tpm_site import token_for
from tests.issuer import conftest as running
from tests.vectors import ROOT

furnished, site_url, site = running.furnished, running.site_url, running.site


async def test_what_each_attack_begins_from_is_accepted(site):
    node = await soft_node(site)
    for _ in range(3):
        assert (await send(site, node)).status_code == 201
    await trust_maker(site)
    assert (await site.post(ATTEST, Attestation(await token_for(site)).body())).status_code == 201


@attack("IQ002", "reject:401")
async def test_a_quote_over_other_data_is_no_quote_of_this_window(expected, site):
    node = await soft_node(site)
    for extra in (bytes(32), b"", b"x" * 31, b"x" * 33, bytes(64)):
        expected.met_by(of_response(await send(site, node, attested={"extra": extra})))
    # An opening's qualification, a hash without domain, another nonce: each of them is other data.
    foreign = {"nonce": "A" * 43, "freshness": "nonce"}
    expected.met_by(of_response(await send(site, node, header=foreign)))
    assert (await send(site, node)).status_code == 201


@attack("IQ003", "reject:401")
async def test_what_is_no_quote_is_not_taken_for_one(expected, site):
    node = await soft_node(site)
    for lie in ({"magic": 0}, {"magic": 0xFF544348}, {"magic": 0x474354FF}, {"kind": 0}, {"kind": 0x8019 + 0x100}):
        expected.met_by(of_response(await send(site, node, attested=lie)))
    # A quote's body under the type of another attestation cannot even be read as one.
    for kind in (0x8014, 0x8017, 0x801A):
        assert (await send(site, node, attested={"kind": kind})).status_code in {400, 401}
    assert (await send(site, node)).status_code == 201


@attack("IQ007", "reject:401")
async def test_a_quote_over_other_registers_is_refused(expected, site):
    node = await soft_node(site)
    quoted = (0, 1, 2, 3, 4, 5, 6, 7, 10, 15)
    selections = ((), ((0x000B, ()),), ((SHA1, quoted),), ((0x000B, quoted[:-1]),), ((0x000B, (*quoted, 16)),))
    for selection in selections:
        expected.met_by(of_response(await send(site, node, attested={"selection": selection})))
    expected.met_by(
        of_response(await send(site, node, attested={"digest": bytes(32)})),
        of_response(await send(site, node, attested={"digest": composite(node.pcrs, 0x000B)})),
        of_response(await send(site, node, attested={"digest": b""})),
    )
    assert (await send(site, node)).status_code == 201


@attack("IQ009", "reject:400 TPM_STRUCTURE_INVALID", differs="the name is said too")
async def test_structures_that_lie_about_their_lengths_are_refused(expected, site):
    node = await soft_node(site)
    edits = (
        lambda raw: raw[:6] + b"\xff\xff" + raw[8:],
        lambda raw: raw[:-1],
        lambda raw: raw[:20],
        lambda raw: raw + b"\x00",
        lambda raw: raw[:4],
    )
    for edit in edits:
        expected.met_by(of_response(await send(site, node, attest=edit)))
    signatures = (
        lambda tpm, raw: tpm.sign(raw)[:-1],
        lambda tpm, raw: tpm.sign(raw) + b"\x00",
        lambda tpm, raw: tpm.sign(raw)[:4] + b"\xff\xff" + tpm.sign(raw)[6:],
    )
    for sign in signatures:
        expected.met_by(of_response(await send(site, node, sign=sign)))
    assert (await send(site, node)).status_code == 201


@attack("IQ010", "reject:401")
async def test_a_weak_or_foreign_signature_scheme_is_refused(expected, site):
    node = await soft_node(site)
    honest = node.tpm
    expected.met_by(
        of_response(await send(site, node, sign=lambda tpm, raw: tpm.sign(raw, hash_algorithm=SHA1))),
        of_response(await send(site, node, sign=lambda tpm, raw: SoftTpm(scheme=RSASSA).sign(raw))),
        of_response(
            await send(site, node, sign=lambda tpm, raw: SoftTpm(scheme=RSASSA).sign(raw, hash_algorithm=SHA1))
        ),
        of_response(await send(site, node, sign=lambda tpm, raw: replace(tpm, seed=8).sign(raw))),
    )
    # r and s of zero, and of nothing at all.
    for number in (b"", b"\x00" * 32):
        zero = struct.pack(">HH", 0x0018, 0x000B) + 2 * (struct.pack(">H", len(number)) + number)
        answer = await send(site, node, sign=lambda tpm, raw, zero=zero: zero)
        assert answer.status_code in {400, 401}
    # P-224 and SHA-1 of the key itself: neither enrolled, nor taken for the key that is.
    weak = (SoftTpm(curve=0x0002), SoftTpm(hash_algorithm=SHA1), SoftTpm(scheme=RSASSA, hash_algorithm=SHA1))
    for other in (*weak, SoftTpm(curve=P384, key_curve=P384), SoftTpm(seed=9)):
        node.tpm = other
        expected.met_by(of_response(await send(site, node)))
    node.tpm = honest
    assert (await send(site, node)).status_code == 201
    await trust_maker(site)
    request = Attestation(await token_for(site))
    for key in weak:
        expected.met_by(of_response(await site.post(ATTEST, replace(request, ak_public=key.public).body())))


_EMULATED = (
    "it is refused at enrolment, with 403; an emulator's CA that an operator added by hand counts as tpm-emulated"
)


@attack("IQ005", "reject:403", differs=_EMULATED)
async def test_a_tpm_of_an_unknown_maker_does_not_enrol(expected, site):
    token = await token_for(site)
    request = Attestation(token)
    expected.met_by(of_response(await site.post(ATTEST, request.body())))
    await trust_maker(site)
    stranger = maker.authority("Attack Root", more=())
    twin = maker.authority("Another Root")
    other = maker.private_key("p256", "other ek").public_key()
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    uses = ("key_agreement",)
    hostile = (
        maker.ek_certificate(twin, EK_KEY, uses=uses),
        maker.ek_certificate(MAKER, EK_KEY, uses=uses, begin=begin, end=end),
        maker.ek_certificate(MAKER, EK_KEY, uses=uses, begin=datetime(2030, 1, 1, tzinfo=UTC)),
        maker.ek_certificate(MAKER, other, uses=uses),
        maker.ek_certificate(MAKER, EK_KEY, uses=uses, ca=True),
        maker.ek_certificate(MAKER, EK_KEY, uses=uses, purposes=[maker.MANUFACTURER]),
        stranger.raw,
    )
    for certificate in hostile:
        expected.met_by(of_response(await site.post(ATTEST, replace(request, ek_certificate=certificate).body())))
    # One TPM speaks for one node, whatever key it signs with.
    await SoftEk(site).enrolled()
    for seed in (7, 9):
        again = Attestation(await token_for(site, "node-78"), ak_public=SoftTpm(seed=seed).public)
        expected.met_by(of_response(await site.post(ATTEST, again.body())))


_READABLE = "400 is for what cannot be read; a certificate that can be read and is not an endorsement key's is 403"
_LARGE = "docs/api.md: a body beyond its limit is 413"


@attack("IQ006", "reject:400")
async def test_a_certificate_that_cannot_be_read_is_malformed(expected, site):
    await trust_maker(site)
    request = Attestation(await token_for(site))
    good = maker.ek_certificate(MAKER, EK_KEY, uses=("key_agreement",))
    hostile = (
        b"\x30",
        b"\x30\x80",
        good[:-1],
        good[:100],
        bytes(4096),
        b"\x30\x84\xff\xff\xff\xff" + good,
        good + good,
        # An extended key usage that is there, and empty.
        maker.ek_certificate(
            MAKER,
            EK_KEY,
            uses=("key_agreement",),
            purposes=(),
            more=[(x509.UnrecognizedExtension(x509.ExtendedKeyUsage.oid, b"\x30\x00"), False)],
        ),
    )
    for certificate in hostile:
        expected.met_by(of_response(await site.post(ATTEST, replace(request, ek_certificate=certificate).body())))


@attack("IQ006", "reject:403", differs=_READABLE)
async def test_a_certificate_without_the_purpose_of_an_endorsement_key_is_refused(expected, site):
    await trust_maker(site)
    request = Attestation(await token_for(site))
    for purposes in ((), [maker.FIRMWARE]):
        certificate = maker.ek_certificate(MAKER, EK_KEY, uses=("key_agreement",), purposes=purposes)
        expected.met_by(of_response(await site.post(ATTEST, replace(request, ek_certificate=certificate).body())))


@attack("IQ006", "reject:413", differs=_LARGE)
async def test_a_certificate_of_a_megabyte_is_too_large(expected, site):
    request = Attestation("gci_" + "A" * 43, ek_certificate=bytes(1_000_000))
    expected.met_by(of_response(await site.post(ATTEST, request.body())))


@attack("IQ011", "reject:403")
async def test_a_challenge_that_is_over_or_answered_or_another_s_opens_nothing(expected, site):
    await trust_maker(site)
    node, token = SoftEk(site), await token_for(site)
    first, second, third, used = [await node.challenged(token) for _ in range(4)]
    right = node.answer(first)
    expected.met_by(
        # The right answer, to another challenge of the same TPM; a false one.
        of_response(await node.sent(second, right)),
        of_response(await node.sent(first, right | {"secret": "A" * 43})),
        of_response(await node.sent({"enrolment_id": "A" * 22}, right)),
    )
    # That of another TPM's challenge, for another node.
    stranger = SoftEk(site, seed=9, node_id="node-78")
    theirs = await stranger.challenged(await token_for(site, "node-78"))
    expected.met_by(of_response(await node.sent(theirs, node.answer(used))))
    assert (await node.sent(used, node.answer(used))).status_code == 201
    expected.met_by(of_response(await node.sent(used, node.answer(used))))
    site.clock.advance(timedelta(seconds=61))
    expected.met_by(of_response(await node.sent(third, node.answer(third))))


@attack("IQ014", "documented residual risk; PCR/IMA evidence only")
async def test_a_node_that_lies_to_its_meter_gets_software_assurance_and_the_docs_say_so(expected, site):
    # What a preloaded library would make of an idle GPU: any figure below what the hardware can draw.
    invented = {"energy_kwh": "0.0000001", "method": "counter", "gpu_utilization": "1"}
    answer = await site.telemetry(**invented)
    assert answer.status_code == 201
    subject = answer.json()["credentialSubject"]
    assert subject["assurance"] == "software"
    for claim in ({"assurance": "tpm-hardware"}, {"quote": "AAAA"}, {"pcrs": {}}, {"hardware_id": "x"}):
        assert (await site.post("/api/v1/telemetry", signed(body(inference_id="i-2", **claim)))).status_code == 400
    # Beyond the hardware nothing is believed.
    assert (await site.telemetry(inference_id="i-3", energy_kwh="1")).status_code == 422
    threat_model = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert "LD_PRELOAD" in threat_model.partition("## What we do not defend against")[2]
    assert "that the meter told the truth" in (ROOT / "README.md").read_text(encoding="utf-8")
    expected.held()
