"""The steps on a document's form: parsed, a credential at all, of our closed shape, with pinned contexts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contexts.pinned import CREDENTIALS_V2
from schemas import credential, json_schema
from schemas.credential import CredentialSchemaRef
from schemas.errors import SchemaInvalidError
from schemas.lexical import shown
from schemas.strict_json import JsonObject
from verifier.case import Case
from verifier.document import OURS, Kind, check_identifiers, identifier, objects, proofs_of, strings
from verifier.errors import TypeMismatchError, UntrustedSchemaError
from verifier.notices import Notice
from verifier.rdf.context import Profile, check_contexts
from verifier.rdf.spelling import check_spelling
from verifier.report import Finding, failed, passed, warning
from verifier.suspicious import strings_within, why_suspicious


def check_parsed(case: Case) -> Iterable[Finding]:
    """Yield that the bytes passed the gate: a Document exists only if they did."""
    size = len(case.document.raw)
    yield passed(f"{size} bytes of JSON: UTF-8, no member twice, within the limits of size and depth")


def check_model(case: Case) -> Iterable[Finding]:
    """Yield that the document is a verifiable credential with issuer, subject and dates. VC Data Model 1.1 §4."""
    value = case.value
    if case.document.kind is Kind.PRESENTATION:
        raise TypeMismatchError("this is a presentation; it has to be verified as one")
    if case.document.kind is Kind.RECEIPT:
        raise TypeMismatchError("this is a receipt; it has to be verified as one, with its window's credential")
    if case.document.kind is Kind.UNKNOWN:
        raise TypeMismatchError('type: it must name "VerifiableCredential", and no presentation')
    check_identifiers(value)
    if identifier(value.get("issuer")) is None:
        raise SchemaInvalidError("issuer: a DID is required, or an object with one as its id")
    if not objects(value.get("credentialSubject")):
        raise SchemaInvalidError("credentialSubject: an object is required")
    newer = CREDENTIALS_V2 in strings(value.get("@context"))
    if not newer and not isinstance(value.get("issuanceDate"), str):
        raise SchemaInvalidError("issuanceDate: a time is required in a credential of data model 1.1")
    yield passed(f"a {case.document.kind.value} of data model {'2.0' if newer else '1.1'}")


def check_schema(case: Case) -> Iterable[Finding]:
    """Yield that the document has our exact closed shape; of other types, that they are not understood."""
    if case.document.kind not in OURS:
        check_spelling(case.value)
        yield _foreign(case)
        return
    # An absent proof is the proof step's to name; the shape of the unsecured document is the same.
    unsigned = not proofs_of(case.value)
    value = {name: member for name, member in case.value.items() if not (unsigned and name == "proof")}
    found = credential.decode(value)
    case.credential = found
    yield passed("every member is known, required ones are there, every value has its one spelling")
    yield _check_reference(found.credential_schema, case.document.kind)
    yield from _suspicious(case.value)


def _foreign(case: Case) -> Finding:
    types = ", ".join(kind for kind in strings(case.value.get("type")) if kind != Kind.FOREIGN.value)
    detail = f"the claims of {types or 'this type'} are not understood by this verifier; nothing is said about them"
    if case.policy.require_understood:
        return failed(TypeMismatchError(f"{detail}, and the policy requires it"))
    return warning(Notice.NOT_UNDERSTOOD, detail)


def _check_reference(reference: CredentialSchemaRef, kind: Kind) -> Finding:
    """Return that the schema is the bundled one of this type; nothing is fetched, an older edition's digest counts."""
    own = json_schema.URL_OF_TYPE[kind.value]
    if reference.id != own:
        raise UntrustedSchemaError(f"credentialSchema: {shown(reference.id)} is not the schema of this type, {own}")
    if reference.digest_multibase not in json_schema.known_digests(reference.id):
        raise UntrustedSchemaError(
            f"credentialSchema: {reference.id} with digest {reference.digest_multibase} is none of the editions "
            "that come with this verifier"
        )
    return passed(f"the schema is {reference.id}, bundled, by its digest")


def _suspicious(value: JsonObject) -> Iterator[Finding]:
    subject = {name: member for name, member in value.items() if name != "@context"}
    for text in strings_within(subject):
        reason = why_suspicious(text)
        if reason is not None:
            yield warning(Notice.SUSPICIOUS_TEXT, f"{ascii(text)[:80]} may not be what it looks like: {reason}")


def check_context(case: Case) -> Iterable[Finding]:
    """Yield that every JSON-LD context is pinned and stands where it must; nothing is ever fetched."""
    ours = case.document.kind in OURS
    check_contexts(case.value, Profile.GREEN_COMPUTE if ours else Profile.FOREIGN)
    yield passed("every JSON-LD context is one of those that come with this verifier, unchanged")
