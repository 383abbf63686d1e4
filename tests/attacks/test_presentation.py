"""Presentations (P2): whoever holds a copy, or another's credential, is not the holder."""

import json

from tests.attacks.catalogue import attack, of_report, waits
from tests.attacks.shown import EVIDENCE, GOOD, OTHER_HOLDER, SHOWN, WORLD, changed, shown, verdict
from tests.fakes.foreign import foreign
from tests.fakes.verifier import (
    HOLDER,
    Signatory,
    World,
    drop,
    edited,
    fetched,
    judge_presentation,
    presentation,
    put,
    signer,
    telemetry_record,
)
from verifier.evidence import Evidence

waits("OpenID4VP", "VV021")


def bound_to(owner):
    return WORLD.credential(put("credentialSubject.tenantId", owner))


def test_the_unchanged_presentation_is_accepted():
    assert verdict(SHOWN).kind == "accept"


# --- who presents --------------------------------------------------------------------------------------------


@attack("VV005", "reject:NO_PROOF")
def test_an_unsigned_presentation_shows_nobody(expected):
    nothing = (None, [], {}, [{}], [None], "x", False, [[]], [SHOWN["proof"], "x"])
    expected.met_by(
        changed(drop("proof")),
        *(changed(put("proof", value)) for value in nothing),
        # The credential's own proof is still there, and is not the presentation's.
        verdict(edited(SHOWN, drop("proof"), put("verifiableCredential.0", WORLD.credential()))),
    )


@attack("VV006", "reject:INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD")
def test_a_proof_for_another_purpose_does_not_authenticate(expected):
    purposes = ("assertionMethod", "keyAgreement", "capabilityInvocation", "capabilityDelegation")
    outcomes = [shown(purpose=purpose) for purpose in purposes]
    outcomes += [changed(put("proof.proofPurpose", purpose)) for purpose in purposes]
    # A key that its holder's own document lists for assertions alone.
    holder = Signatory(signer(6), "did:web:tenant-b.example")
    for unlisted in ([], [f"{holder.did}#another"]):
        listed = edited(holder.document(), put("authentication", unlisted))
        entry = {holder.did: fetched("https://tenant-b.example/.well-known/did.json", listed)}
        evidence = Evidence(did_documents=entry).joined(EVIDENCE)
        outcomes.append(verdict(presentation(GOOD, holder=holder), evidence=evidence))
    expected.met_by(*outcomes)


@attack("VV007", "reject:HOLDER_BINDING")
def test_the_key_of_somebody_else_does_not_sign_for_the_holder(expected):
    issuer = presentation(GOOD, holder=WORLD.issuer, change=put("holder", HOLDER.did))
    expected.met_by(
        verdict(presentation(GOOD, holder=OTHER_HOLDER, change=put("holder", HOLDER.did))),
        verdict(presentation(GOOD, holder=OTHER_HOLDER, change=put("holder", {"id": HOLDER.did}))),
        verdict(issuer),
        changed(put("holder", OTHER_HOLDER.did)),
        # A second proof, by a stranger, beside the holder's own.
        verdict(edited(SHOWN, put("proof", [SHOWN["proof"], presentation(GOOD, holder=OTHER_HOLDER)["proof"]]))),
    )


@attack("VV008", "reject:HOLDER_BINDING")
def test_the_credential_of_somebody_else_is_not_the_holders(expected):
    others = ("did:web:tenant-a.example", OTHER_HOLDER.did, HOLDER.did + "x")
    expected.met_by(
        *(verdict(presentation(bound_to(owner))) for owner in others),
        verdict(presentation(foreign(WORLD, put("credentialSubject.id", OTHER_HOLDER.did)))),
        # Two subjects, one of them the holder.
        verdict(
            presentation(
                foreign(WORLD, put("credentialSubject", [{"id": HOLDER.did}, {"id": "did:web:tenant-a.example"}]))
            )
        ),
    )
    assert verdict(presentation(bound_to(HOLDER.did))).kind == "accept"


@attack("VV009", "reject:HOLDER_BINDING")
def test_the_credentials_of_two_owners_cannot_be_combined(expected):
    mine = another(1, put("credentialSubject.tenantId", HOLDER.did))
    theirs = another(2, put("credentialSubject.tenantId", OTHER_HOLDER.did))
    pairs = [[mine, theirs], [theirs, mine], [GOOD_ONE, theirs]]
    expected.met_by(*(judged_together(*pair) for pair in pairs))
    assert judged_together(mine, another(2, put("credentialSubject.tenantId", HOLDER.did))).kind == "accept"


def another(number, change=lambda value: None):
    """A credential of its own inference and record, and the evidence for it."""
    world = World(record=telemetry_record(inference_id=f"inference-{number}"))

    def named(value):
        value["id"] = f"https://oracle.example/credentials/{number}"
        value["credentialSubject"] |= {"id": f"https://oracle.example/i/{number}", "inferenceId": f"inference-{number}"}
        change(value)

    return world.credential(named), world.evidence()


GOOD_ONE = (GOOD, EVIDENCE)


def judged_together(*pairs):
    evidence = EVIDENCE
    for _, found in pairs:
        evidence = evidence.joined(found)
    return verdict(presentation(*(value for value, _ in pairs)), evidence=evidence)


# --- what is presented ---------------------------------------------------------------------------------------


@attack(
    "VV012", "accept-with-warning:DUPLICATE_CREDENTIAL", heavy="a hundred credentials are canonicalized, and verified"
)
def test_the_same_credential_a_hundred_times_counts_once(expected):
    expected.met_by(verdict(presentation(*[GOOD] * 100)), verdict(presentation(GOOD, GOOD)))


@attack("VV014", "reject overall, per-VC detail")
def test_one_invalid_credential_refuses_the_whole_and_each_is_told_apart(expected):
    bad = edited(GOOD, put("credentialSubject.modelId", "another/model"))
    for order, number in (((GOOD, bad), 1), ((bad, GOOD), 0)):
        report = judge_presentation(WORLD, presentation(*order), evidence=EVIDENCE)
        assert str(of_report(report)) == "reject:PROOF_VERIFICATION_ERROR"
        assert f"credential {number + 1} " in report.detail
        assert [inner.problem for inner in report.credentials][number] == "PROOF_VERIFICATION_ERROR"
        assert [inner.outcome.value for inner in report.credentials].count("verified") == 1
    expected.held()


@attack("VV015", "reject:PROOF_VERIFICATION_ERROR")
def test_a_credential_that_was_changed_is_not_made_good_by_the_holders_signature(expected):
    changes = [
        put("credentialSubject.modelId", "another/model"),
        put("credentialSubject.nodeId", "node-8"),
        put("issuanceDate", "2026-11-20T20:01:06Z"),
        put("proof.created", "2026-11-20T20:01:06Z"),
        put("credentialSubject.tenantId", HOLDER.did),
    ]
    tampered = [edited(GOOD, change) for change in changes]
    # The holder's own signature in the place of the issuer's.
    own = HOLDER.sign(GOOD, method=f"{WORLD.issuer.did}#key-1")
    expected.met_by(*(verdict(presentation(value)) for value in (*tampered, own)))


@attack("VV016", "reject:PROOF_VERIFICATION_ERROR")
def test_the_holders_proof_covers_each_credential_together_with_its_own_proof(expected):
    unsecured = [WORLD.unsecured(), WORLD.unsecured(put("id", "https://oracle.example/credentials/2"))]
    secured = [WORLD.issuer.sign(value) for value in unsecured]
    swapped = [{**value, "proof": other["proof"]} for value, other in zip(secured, secured[::-1], strict=True)]
    bare = presentation(*unsecured)
    whole = presentation(*secured)
    anew = WORLD.issuer.sign(unsecured[0])
    expected.met_by(
        # Signed without the credentials' proofs, which were put in afterwards: all, or one.
        verdict(edited(bare, put("verifiableCredential", secured))),
        verdict(edited(presentation(unsecured[0], secured[1]), put("verifiableCredential", secured))),
        verdict(edited(presentation(unsecured[0]), put("verifiableCredential.0", secured[0]))),
        # Signed with them, and then: changed for another valid one, exchanged, taken away.
        verdict(edited(whole, put("verifiableCredential.0.proof", anew["proof"]))),
        verdict(edited(whole, put("verifiableCredential", swapped))),
        verdict(edited(whole, drop("verifiableCredential.0.proof"))),
        # Signed by the holder as they were exchanged: each proof belongs to its own credential.
        verdict(presentation(*swapped)),
        # One proof in two credentials, both in one, or one moved up to the presentation.
        verdict(presentation(secured[0], {**secured[1], "proof": secured[0]["proof"]})),
        verdict(edited(whole, put("verifiableCredential.0.proof", [secured[0]["proof"], secured[1]["proof"]]))),
        verdict(edited(whole, put("verifiableCredential", secured[:1]))),
        verdict(edited(presentation(secured[0]), put("verifiableCredential", secured))),
    )
    assert verdict(edited(whole, put("verifiableCredential", secured[::-1]))).problem != "PROOF_VERIFICATION_ERROR"


def nameless(number):
    """A foreign credential about somebody without an id: a blank node in its graph."""
    identifier = f"urn:uuid:6c1a7d1e-6f57-4f63-9f63-00000000000{number}"
    return foreign(WORLD, put("id", identifier), put("credentialSubject", {"modelId": f"model-{number}"}))


@attack("VV016", "reject:PROOF_VERIFICATION_ERROR")
def test_the_blank_nodes_of_two_credentials_do_not_run_together(expected):
    one, two = nameless(1), nameless(2)
    both = presentation(one, two)
    assert verdict(both).kind == "accept"
    exchanged = [
        edited(one, put("credentialSubject", two["credentialSubject"])),
        edited(two, put("credentialSubject", one["credentialSubject"])),
    ]
    expected.met_by(
        verdict(edited(both, put("verifiableCredential", exchanged))),
        verdict(presentation(*exchanged)),
    )
    # One label in both would make one node of two.
    label = [put(f"verifiableCredential.{index}.credentialSubject.id", "_:b0") for index in (0, 1)]
    assert verdict(edited(both, *label)).kind == "reject"


@attack("VV017", "reject:UNTRUSTED_CONTEXT")
def test_a_credential_does_not_say_what_a_siblings_terms_mean(expected):
    swap = {"energyKwh": "https://w3id.org/green-compute#operationalEmissionsGco2e"}
    contexts = (
        swap,
        {"@vocab": "https://evil.example/#"},
        {"@propagate": True, **swap},
        None,
        "https://evil.example/v1",
    )
    sibling = WORLD.credential()
    outcomes = [
        changed(put("verifiableCredential", [edited(GOOD, put("@context.3", one)), sibling])) for one in contexts
    ]
    outcomes += [changed(put("@context", [*SHOWN["@context"], one])) for one in contexts]
    inner = ("credentialSubject", "proof", "credentialStatus", "evidence.0")
    outcomes += [changed(put(f"verifiableCredential.0.{where}.@context", swap)) for where in inner]
    expected.met_by(*outcomes)


ENVELOPED = {
    "@context": "https://www.w3.org/ns/credentials/v2",
    "type": "EnvelopedVerifiableCredential",
    "id": "data:application/vc+jwt,eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
}


@attack("VV023", "reject:TYPE_MISMATCH")
def test_what_is_no_presentation_of_embedded_credentials_is_not_read_as_one(expected):
    expected.met_by(
        verdict(GOOD),
        of_report(WORLD.report(SHOWN, EVIDENCE)),
        *(changed(put("type", kind)) for kind in (["VerifiablePresentation", "VerifiableCredential"], "x", [], None)),
        changed(put("verifiableCredential.0", SHOWN)),
        *(
            changed(put("verifiableCredential.0", {**ENVELOPED, "id": target}))
            for target in (
                "data:text/html,<script>alert(1)</script>",
                "data:application/vc+jwt,x",
                "https://evil.example/vc.jwt",
                "",
            )
        ),
        changed(put("verifiableCredential.0", {**ENVELOPED, "type": ["VerifiableCredential", ENVELOPED["type"]]})),
        *(
            changed(put("verifiableCredential", value))
            for value in (ENVELOPED, None, "eyJ.e30.x", ["eyJ.e30.x"], [[GOOD]])
        ),
        changed(put("type", "EnvelopedVerifiablePresentation")),
    )


@attack("VV024", "reject:TYPE_MISMATCH")
def test_an_envelope_is_refused_whatever_its_media_type_and_content_say(expected):
    content = json.dumps(GOOD)
    targets = [
        f"data:{media_type},{body}"
        for media_type in ("application/vc+jwt", "application/vc+sd-jwt", "application/dc+sd-jwt", "application/vc", "")
        for body in ("eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "eyJhbGciOiJub25lIn0.e30.", content)
    ]
    expected.met_by(*(changed(put("verifiableCredential.0", {**ENVELOPED, "id": target})) for target in targets))
