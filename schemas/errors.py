"""The root of every error that this project raises, and the errors of the wire formats.

    GreenError
    └── FormatError
        ├── ParsingError          not the JSON we read: bytes, encoding, duplicate members
        ├── ResourceLimitError    too large, too deep, too many
        ├── MalformedValueError   one value breaks its lexical rule
        ├── SchemaInvalidError    the shape is not the closed one
        ├── StatusListLengthError the status list is shorter than privacy asks
        └── StatusIndexError      the status list has no such entry

Each package has a root of its own below GreenError: DidError, VerificationError,
IssuanceError, AgentError, WalletError.
"""

from __future__ import annotations

from typing import ClassVar

PROBLEMS = "https://w3id.org/green-compute/problems#"
"""Namespace of problem types that no standard defines."""

_VCDM = "https://www.w3.org/TR/vc-data-model#"
_SECURITY = "https://w3id.org/security#"
_STATUS = "https://www.w3.org/ns/credentials/status-list#"

STANDARD_PROBLEM_TYPES = {
    "PARSING_ERROR": _VCDM,
    "CRYPTOGRAPHIC_SECURITY_ERROR": _VCDM,
    "MALFORMED_VALUE_ERROR": _VCDM,
    "RANGE_ERROR": _VCDM,
    "PROOF_VERIFICATION_ERROR": _SECURITY,
    "PROOF_TRANSFORMATION_ERROR": _SECURITY,
    "INVALID_DOMAIN_ERROR": _SECURITY,
    "INVALID_CHALLENGE_ERROR": _SECURITY,
    "INVALID_VERIFICATION_METHOD_URL": _SECURITY,
    "INVALID_VERIFICATION_METHOD": _SECURITY,
    "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD": _SECURITY,
    "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID": _SECURITY,
    "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT": _SECURITY,
    "STATUS_RETRIEVAL_ERROR": _STATUS,
    "STATUS_VERIFICATION_ERROR": _STATUS,
    "STATUS_LIST_LENGTH_ERROR": _STATUS,
}
"""Problem names that a W3C specification defines, and the namespace that it puts them in."""


def problem_type(name: str) -> str:
    """Return the problem type URL of a problem name: the W3C's own where one exists, else ours."""
    return STANDARD_PROBLEM_TYPES.get(name, PROBLEMS) + name


class GreenError(Exception):
    """Root of all errors raised on purpose. ``name``, ``title`` and ``status`` feed RFC 9457 documents."""

    name: ClassVar[str] = "ERROR"
    title: ClassVar[str] = "Error"
    status: ClassVar[int] = 400

    def __init__(self, detail: str) -> None:
        """Keep ``detail``: what is wrong, where, and what to do, in words safe to show a stranger."""
        super().__init__(detail)
        self.detail = detail

    @property
    def problem_type(self) -> str:
        """The problem type URL (RFC 9457 §3.1.1)."""
        return problem_type(self.name)


class FormatError(GreenError):
    """Root of the errors of the wire formats."""

    name = "FORMAT_ERROR"
    title = "Not in the expected format"


class ParsingError(FormatError):
    """The bytes are not the JSON that we read."""

    name = "PARSING_ERROR"
    title = "The document cannot be parsed"


class ResourceLimitError(FormatError):
    """The input is larger or deeper than what is read."""

    name = "RESOURCE_LIMIT"
    title = "The document exceeds a resource limit"
    status = 413


class MalformedValueError(FormatError):
    """A single value breaks its lexical rule."""

    name = "MALFORMED_VALUE_ERROR"
    title = "A value is malformed"


class SchemaInvalidError(FormatError):
    """The members or their types are not those of the closed shape."""

    name = "SCHEMA_INVALID"
    title = "The document does not have the required shape"


class StatusListLengthError(FormatError):
    """The status list is shorter than its specification requires (Bitstring Status List v1.0 §3.2)."""

    name = "STATUS_LIST_LENGTH_ERROR"
    title = "The status list is too short"


class StatusIndexError(FormatError):
    """The status list has no entry at that index (Bitstring Status List v1.0 §3.2)."""

    name = "RANGE_ERROR"
    title = "The index is outside the status list"
