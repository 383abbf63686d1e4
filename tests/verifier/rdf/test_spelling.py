"""A stranger's document under another spelling: the signature still fits, and nothing that counts may hide in it."""

import copy

import pytest

from contexts import pinned
from tests.fakes.foreign import STATUS
from tests.fakes.foreign import foreign as foreign_to_us
from tests.fakes.verifier import HOLDER, Signatory, World, edited, judge_presentation, presentation, put, signer
from verifier.report import Outcome

CREDENTIALS = "https://www.w3.org/2018/credentials#"
GREEN_COMPUTE = "https://w3id.org/green-compute#"
DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
OWNER = Signatory(signer(8))


def foreign(world, *changes):
    """Return a credential of a type that the verifier does not know, about somebody with a DID."""
    return foreign_to_us(world, put("credentialSubject.id", OWNER.did), *changes)


def renamed(path, name, wrap=lambda value: value):
    """Return a change that writes the member at ``path`` under another name, and its value in another form."""

    def change(document):
        *folders, last = path.split(".")
        for folder in folders:
            document = document[folder]
        document[name] = wrap(document.pop(last))

    return change


def typed(value):
    return {"@value": value, "@type": DATE_TIME}


def refused(world, value):
    report = world.report(value)
    return (report.outcome, report.problem)


def test_a_foreign_credential_in_its_plain_spelling_verifies():
    world = World()
    assert world.report(foreign(world)).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("prefix", ["cred:", CREDENTIALS])
def test_an_end_that_is_written_as_an_iri_is_not_passed_over(prefix):
    world = World()
    expired = foreign(world, put("expirationDate", "2026-11-20T20:30:00Z"))
    hidden = edited(expired, renamed("expirationDate", f"{prefix}expirationDate", typed))
    assert refused(world, expired) == (Outcome.REFUSED, "EXPIRED")
    assert refused(world, hidden) == (Outcome.REFUSED, "SCHEMA_INVALID")


@pytest.mark.parametrize("prefix", ["cred:", CREDENTIALS])
def test_a_status_that_is_written_as_an_iri_is_not_passed_over(prefix):
    world = World(bits={"revocation": {5}})
    revoked = foreign(world, put("credentialStatus", STATUS))
    hidden = edited(revoked, renamed("credentialStatus", f"{prefix}credentialStatus"))
    assert refused(world, revoked) == (Outcome.REFUSED, "REVOKED")
    assert refused(world, hidden) == (Outcome.REFUSED, "SCHEMA_INVALID")


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("suspensionListCredential", lambda url: [url]),
        ("suspensionListCredential", lambda url: {"id": url}),
        ("gc:suspensionListCredential", lambda url: {"id": url}),
        (f"{GREEN_COMPUTE}suspensionListCredential", lambda url: {"@id": url}),
    ],
    ids=["in a list", "as an object", "as a compact IRI", "as an IRI"],
)
def test_a_suspension_list_in_another_spelling_is_not_passed_over(name, wrap):
    world = World(bits={"suspension": {5}})
    suspended = foreign(world, put("credentialStatus", STATUS))
    hidden = edited(suspended, renamed("credentialStatus.suspensionListCredential", name, wrap))
    assert refused(world, suspended) == (Outcome.REFUSED, "SUSPENDED")
    assert refused(world, hidden) == (Outcome.REFUSED, "SCHEMA_INVALID")


def test_an_end_that_is_moved_into_a_mention_of_the_credential_is_not_passed_over():
    world = World()

    def expired_and_mentioned(document):
        document["expirationDate"] = "2026-11-20T20:30:00Z"
        document["credentialSubject"]["windowCredential"] = document["id"]

    expired = foreign(world, expired_and_mentioned)
    hidden = copy.deepcopy(expired)
    hidden["credentialSubject"]["windowCredential"] = {
        "id": hidden["id"],
        "type": "VerifiableCredential",
        "expirationDate": hidden.pop("expirationDate"),
    }
    assert refused(world, expired) == (Outcome.REFUSED, "EXPIRED")
    assert refused(world, hidden) == (Outcome.REFUSED, "UNSIGNED_CLAIM")


@pytest.mark.parametrize(
    "change",
    [
        renamed("credentialSubject.id", "@id"),
        lambda document: document.update(credentialSubject={"@set": [document["credentialSubject"]]}),
        lambda document: document.update(credentialSubject=[{"id": "urn:x:y"}, [document["credentialSubject"]]]),
    ],
    ids=["its keyword", "in a set", "in a list within a list"],
)
def test_a_thief_cannot_hide_the_owner_of_a_foreign_credential_behind_a_keyword(change):
    world = World()
    stolen = presentation(edited(foreign(world), change))
    assert judge_presentation(world, presentation(foreign(world))).problem == "HOLDER_BINDING"
    assert judge_presentation(world, stolen).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("tenantId", lambda did: [did]),
        ("tenantId", lambda did: {"id": did}),
        ("gc:tenantId", lambda did: {"id": did}),
        (f"{GREEN_COMPUTE}tenantId", lambda did: {"id": did}),
    ],
    ids=["in a list", "as an object", "as a compact IRI", "as an IRI"],
)
def test_a_thief_cannot_hide_the_tenant_of_a_foreign_credential(name, wrap):
    world = World()

    def owned(document):
        document["credentialSubject"] = {"id": "https://oracle.example/s", "tenantId": OWNER.did}

    own = foreign(world, owned)
    stolen = edited(own, renamed("credentialSubject.tenantId", name, wrap))
    assert judge_presentation(world, presentation(own, holder=OWNER)).outcome is Outcome.VERIFIED
    assert judge_presentation(world, presentation(own, holder=HOLDER)).problem == "HOLDER_BINDING"
    assert judge_presentation(world, presentation(stolen, holder=HOLDER)).outcome is Outcome.REFUSED


def test_a_presentation_holds_no_credentials_under_another_name():
    world = World()

    def second(document):
        document[f"{CREDENTIALS}verifiableCredential"] = {"@graph": [{"id": "urn:x:y", "type": "VerifiableCredential"}]}

    report = judge_presentation(world, presentation(world.credential(), change=second))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "SCHEMA_INVALID")


def test_every_other_term_that_is_signed_as_one_that_is_read_is_known():
    assert second_names(pinned.PINNED) == {("expiration", "expires")}
    assert not {"did", "http", "https", "urn"} & {term for term, _ in terms(pinned.PINNED)}


@pytest.mark.parametrize("name", ["id", "@id"])
def test_a_label_that_no_signature_covers_is_no_id(name):
    nameless = foreign_to_us(World(), put("credentialSubject", {"modelId": "any"}))
    assert World().report(nameless).outcome is Outcome.VERIFIED
    report = World().report(edited(nameless, put(f"credentialSubject.{name}", "_:b0")))
    assert report.outcome is Outcome.REFUSED
    assert report.problem == "SCHEMA_INVALID"


def test_a_second_name_of_a_term_is_refused():
    world = World()
    value = foreign(world)
    value["proof"]["expiration"] = "2026-11-20T20:30:00Z"
    assert refused(world, value) == (Outcome.REFUSED, "SCHEMA_INVALID")


READ = {"id", "type", "issuer", "holder", "issuanceDate", "expirationDate", "validFrom", "validUntil"}
READ |= {"credentialSubject", "credentialStatus", "verifiableCredential", "proof", "tenantId"}
READ |= {"statusPurpose", "statusListIndex", "statusListCredential", "suspensionListCredential"}
READ |= {"created", "expires", "verificationMethod", "proofPurpose", "jws", "challenge", "domain"}


def terms(urls):
    """Every (term, IRI or keyword) of the contexts at ``urls``, those inside of terms too."""
    found = set()
    pending = [(pinned.load(url)["@context"], {}) for url in urls]
    while pending:
        context, prefixes = pending.pop()
        for one in context if isinstance(context, list) else [context]:
            if not isinstance(one, dict):
                continue
            stated = {
                name: value.get("@id", name) if isinstance(value, dict) else value
                for name, value in one.items()
                if not name.startswith("@")
            }
            known = {**prefixes, **stated}
            found |= {(name, whole(iri, known)) for name, iri in stated.items() if iri}
            pending += [
                (value["@context"], known) for value in one.values() if isinstance(value, dict) and "@context" in value
            ]
    return found


def whole(iri, prefixes):
    prefix, _, rest = iri.partition(":")
    return f"{prefixes[prefix]}{rest}" if prefix in prefixes and not rest.startswith("//") else iri


def second_names(urls):
    by_iri = {}
    for term, iri in terms(urls):
        by_iri.setdefault(iri, set()).add(term)
    return {(term, read) for names in by_iri.values() for read in names & READ for term in names - {read}}
