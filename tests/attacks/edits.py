"""One good credential of ours, one of a stranger, and what becomes of them when they are changed."""

import json

from did import jws
from tests.attacks.catalogue import of_call, of_report
from tests.fakes.foreign import foreign
from tests.fakes.verifier import ENGINE, World, edited, fetched
from verifier import document
from verifier.suites import json_web_signature_2020 as suite

WORLD = World()
EVIDENCE = WORLD.evidence()
GOOD = WORLD.credential()
FOREIGN = foreign(WORLD)
ISSUER = WORLD.issuer
ORDER = "our types have a closed shape (decision 0003), which is checked before unsigned claims"


def verdict(value):
    """The outcome of a document, with the evidence that is the same for all of them."""
    return of_report(WORLD.report(value, EVIDENCE))


def ours(*changes):
    """Our credential, changed after it was signed."""
    return of_call(lambda: WORLD.report(edited(GOOD, *changes), EVIDENCE))


def strange(*changes):
    """A credential of no type of ours, changed after it was signed."""
    return of_call(lambda: WORLD.report(edited(FOREIGN, *changes), EVIDENCE))


def hostile(*changes):
    """Our credential as a hostile issuer signs it."""
    return verdict(WORLD.credential(lambda value: [change(value) for change in changes]))


def raw(content):
    return of_call(lambda: document.parse(content))


def encoded(value=GOOD):
    return json.dumps(value).encode()


def within(*members):
    """Changes that put a member beside the others, at the top and in the subject."""
    for name, value in members:
        yield at_top(name, value)
        yield put_into("credentialSubject", name, value)


def at_top(name, value):
    return lambda target: target.update({name: value})


def put_into(path, name, value):
    def change(target):
        for folder in path.split("."):
            target = target[int(folder)] if folder.isdigit() else target[folder]
        target[name] = value

    return change


def signed(value, drops=(), key=ISSUER.key, algorithm="ES256", **options):
    """Return a document with a proof of any options whatever, which the key of the issuer has signed."""
    options = {
        "type": suite.TYPE,
        "created": "2026-11-20T20:01:05Z",
        "verificationMethod": ISSUER.method,
        "proofPurpose": "assertionMethod",
        **options,
    }
    options = {name: member for name, member in options.items() if name not in drops}
    signature = jws.sign_detached(suite.hash_data(value, options, ENGINE), key, algorithm)
    return {**value, "proof": {**options, "jws": signature}}


def with_document(did_document, did=ISSUER.did):
    return World(overrides={did: fetched("https://oracle.example/.well-known/did.json", did_document)})
