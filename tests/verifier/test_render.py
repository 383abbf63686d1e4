"""Reports for a person: the verdict first, each step with its reason, and nothing that steers the terminal."""

import io

import pytest

from schemas import digests
from tests.fakes.grid_documents import posted, raw_of, slots_from, straddling
from tests.fakes.verifier import INDEX, World, fetched, judge_presentation, presentation, put
from verifier.evidence import Evidence
from verifier.render import show


def shown(report):
    stream = io.StringIO()
    show(report, stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def world():
    return World()


def test_a_verified_credential_shows_its_figures_and_every_step(world):
    text = shown(world.report())
    assert text.startswith("✓ VERIFIED, with warnings: UNTRUSTED_ISSUER\n")
    for fact in ("0.000729", "0.14217687", "US EPA eGRID2023", "software", "node-7", "2026-11-20T21:00:00Z"):
        assert fact in text
    for step in ("parse", "issuer-key", "trusted-issuer", "assurance"):
        assert step in text


def test_the_grid_is_one_line_with_its_slots_and_whether_it_is_final():
    world, document = straddling(), slots_from("2026-11-20T20:00:00Z", ["300", "420.5"])
    value = posted(world, document, claimStatus="provisional")
    raw = raw_of(document)
    slots = Evidence(attachments={digests.digest(raw): fetched("https://oracle.example/evidence/x", raw)})
    for evidence, made_of in ((slots.joined(world.evidence()), "2 slots"), (world.evidence(), "slots not at hand")):
        text = " ".join(shown(world.report(value, evidence)).split())
        assert f"DE, 354.773 g/kWh (history, Electricity Maps v4, PT5M, {made_of}, lifecycle), provisional" in text


def test_a_refused_credential_shows_why_and_no_figures():
    text = shown(World(bits={"revocation": {INDEX}}).report())
    assert text.startswith("✗ REFUSED  REVOKED: the issuer has revoked")
    assert "energy (kWh)" not in text


def test_an_inconclusive_one_says_what_is_missing():
    text = shown(World(without={"https://oracle.example/status/revocation/7"}).report())
    assert text.startswith("? INCONCLUSIVE  STATUS_RETRIEVAL_ERROR")


def test_the_age_of_the_evidence_is_shown(world):
    text = " ".join(shown(world.report()).split())
    assert "retrieved 2026-11-20T20:59:59Z" in text


def test_no_colours_where_there_is_no_terminal(world):
    assert "\x1b" not in shown(world.report())


@pytest.mark.parametrize("model", ["[red]x[/red]", "a\u202eb", "x\u009b2Jy"])
def test_untrusted_text_is_shown_as_what_it_is(world, model):
    text = shown(world.report(world.credential(put("credentialSubject.modelId", model))))
    assert "\u202e" not in text
    assert "\u009b" not in text
    assert model.translate({0x202E: "\\u{202e}", 0x9B: "\\u{9b}"}) in text


def test_a_presentation_shows_each_of_its_credentials(world):
    credential = world.credential()
    text = shown(judge_presentation(world, presentation(credential, credential)))
    assert "Credential 1 of 2" in text
    assert "Credential 2 of 2" in text
    assert "DUPLICATE_CREDENTIAL" in text
