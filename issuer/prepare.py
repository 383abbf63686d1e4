"""The check before the key is touched: our own bytes, read back by the verifier's code.

Nothing is signed but a PreparedCredential, and only ``lint`` makes one. So a fault of ours (a term that
does not exist, a sum that does not come out, a value in a second spelling) is found while it costs nothing.
The idea is that of certificate authorities' linting before issuance.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from issuer.errors import LintError, PreparationSpentError
from schemas import credential, status, strict_json
from schemas.credential import CredentialSchemaRef
from schemas.errors import GreenError
from schemas.json_schema import URL_OF_TYPE, known_digests
from schemas.strict_json import JsonObject
from verifier import document
from verifier.case import Engines
from verifier.claims.arithmetic import check_claims
from verifier.document import OURS, Kind
from verifier.errors import OverloadedError
from verifier.rdf.canonicalize import Canonicalizer
from verifier.rdf.context import Profile, check_contexts


class Prepared(NamedTuple):
    """What is signed: the bytes as they were checked, the JSON in them, its canonical N-Quads and who made those."""

    unsecured: bytes
    value: JsonObject
    canonical: bytes
    canonicalizer: Canonicalizer


class PreparedCredential:
    """An unsecured document that passed ``lint``. It can be redeemed once."""

    def __init__(self, prepared: Prepared) -> None:
        """Hold what ``lint`` checked; nobody else makes one."""
        self._content: Final = [prepared]

    def redeem(self) -> Prepared:
        """Return the content, the first time. Raises PreparationSpentError after that, also between threads."""
        try:
            return self._content.pop()
        except IndexError as error:
            raise PreparationSpentError("this prepared credential was signed before") from error


def lint(unsecured: bytes, engines: Engines) -> PreparedCredential:
    """Return the document, ready to be signed, after the verifier's own checks of everything but the proof.

    The gate on raw bytes, the exact closed shape with every lexical rule, the pinned contexts, the claims
    computed again, the canonical form in safe mode; what a stranger wrote goes to ``engines.general``.
    Raises LintError naming the first check that fails, OverloadedError where no worker is free.
    """
    try:
        return PreparedCredential(_checked(unsecured, engines))
    except (LintError, OverloadedError):
        raise
    except GreenError as error:
        raise LintError(f"{error.name}: {error.detail}") from error


def _checked(unsecured: bytes, engines: Engines) -> Prepared:
    value = strict_json.parse_object(unsecured)
    if "proof" in value:
        raise LintError("SCHEMA_INVALID: proof: the document is signed already")
    kind = document.kind_of(value)
    if kind in OURS:
        _check_ours(value)
    elif kind is Kind.STATUS_LIST:
        _check_status_list(value)
    elif kind is Kind.FOREIGN:
        check_contexts(value, Profile.FOREIGN)
    else:
        raise LintError("TYPE_MISMATCH: type: this is no credential")
    canonicalizer = engines.general if kind is Kind.FOREIGN else engines.closed
    return Prepared(unsecured, value, canonicalizer.canonicalize(value), canonicalizer)


def _check_ours(value: JsonObject) -> None:
    view = credential.decode(value)
    check_contexts(value, Profile.GREEN_COMPUTE)
    _check_schema(view.credential_schema, URL_OF_TYPE[type(view).__name__])
    findings = check_claims(view)
    if findings:
        raise LintError("; ".join(str(finding) for finding in findings))


def _check_schema(reference: CredentialSchemaRef, own: str) -> None:
    if reference.id != own:
        raise LintError(f"UNTRUSTED_SCHEMA: credentialSchema: {reference.id} is not the schema of this type, {own}")
    if reference.digest_multibase not in known_digests(reference.id):
        raise LintError(f"UNTRUSTED_SCHEMA: credentialSchema: {reference.id} is not bundled with that digest")


def _check_status_list(value: JsonObject) -> None:
    view = status.decode(value)
    check_contexts(value, Profile.STATUS_LIST)
    status.decode_list(view.credential_subject.encoded_list)
