"""What can be wrong with an identifier, a key, a DID document, a JWS or a signer.

DidError
├── InvalidDidError                  the DID or DID URL breaks its syntax
├── UnsupportedDidMethodError        not did:web, did:key, did:jwk, or a key in it that we do not use
├── DidDocumentError                 the document's shape
│   ├── DocumentIdError              its id is not the DID asked for
│   ├── DocumentLimitError           too large (also a schemas.errors.ResourceLimitError)
│   ├── VerificationMethodError      a method is missing, foreign or ambiguous
│   ├── RelationshipError            the method may not be used for this
│   ├── DeactivatedError             the DID is deactivated
│   ├── KeyExpiredError              the method had expired when the signature was made
│   └── KeyRevokedError              the method is revoked
├── InvalidKeyError                  a key that must not be trusted
│   ├── KeyEncodingError             its encoding is not the canonical one
│   ├── PrivateKeyPublishedError     private members where only public ones may stand
│   ├── UnsupportedKeyError          a sound key of a kind that we do not use
│   └── KeyTooLargeError             so large that checking is an attack (also ResourceLimitError)
├── JwsError                         the signature does not hold
│   ├── MalformedJwsError            not a JWS of the accepted form
│   ├── JwsLimitError                too large, header too deep (also ResourceLimitError)
│   ├── AlgorithmRefusedError        alg is not one of ours, or not one of this key
│   ├── HeaderKeyError               the header brings its own key
│   │   └── HeaderFetchError         the header asks for a fetch
│   ├── TokenTypeError               typ is of another kind of token
│   └── SignatureInvalidError        the bytes do not verify
└── SignerError                      a signing key cannot be opened or used
    └── SignerUriError               its URI cannot be read
"""

from __future__ import annotations

from schemas.errors import GreenError, ResourceLimitError


class DidError(GreenError):
    """Root of the errors of identifiers and keys."""

    name = "DID_ERROR"
    title = "An identifier or key cannot be used"


class InvalidDidError(DidError):
    """The text is not a DID, or not a DID URL, in canonical form."""

    name = "INVALID_DID"
    title = "The DID is malformed"


class UnsupportedDidMethodError(DidError):
    """The DID's method, or the kind of key inside it, is not one that we resolve."""

    name = "UNSUPPORTED_DID_METHOD"
    title = "The DID method is not supported"


class DidDocumentError(DidError):
    """The DID document does not have the shape of DID Core §5."""

    name = "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT"
    title = "The DID document is invalid"


class DocumentIdError(DidDocumentError):
    """The document's ``id`` is not the DID that was resolved."""

    name = "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID"
    title = "The DID document belongs to another DID"


class DocumentLimitError(DidDocumentError, ResourceLimitError):
    """The document is larger, deeper or longer than what is read."""

    name = "RESOURCE_LIMIT"
    title = "The DID document exceeds a resource limit"
    status = 413


class VerificationMethodError(DidDocumentError):
    """A verification method is missing, controlled by another, or ambiguous."""

    name = "INVALID_VERIFICATION_METHOD"
    title = "The verification method is invalid"


class RelationshipError(DidDocumentError):
    """The verification method is not listed for this use (assertionMethod, authentication)."""

    name = "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"
    title = "The verification method may not be used for this purpose"


class DeactivatedError(DidDocumentError):
    """The DID has been deactivated."""

    name = "DID_DEACTIVATED"
    title = "The DID is deactivated"


class KeyExpiredError(DidDocumentError):
    """The verification method had expired when the signature was made."""

    name = "KEY_EXPIRED"
    title = "The key had expired"


class KeyRevokedError(DidDocumentError):
    """The verification method is revoked; what the signature says of its own time proves nothing."""

    name = "KEY_REVOKED"
    title = "The key is revoked"


class InvalidKeyError(DidError):
    """A key that must not be trusted: off its curve, weak, or malformed."""

    name = "CRYPTOGRAPHIC_SECURITY_ERROR"
    title = "The key is not safe to use"


class KeyEncodingError(InvalidKeyError):
    """The key's encoding is not the canonical one (base64url, base58, multicodec, lengths)."""

    title = "The key is malformed"


class PrivateKeyPublishedError(InvalidKeyError):
    """Private members stand where only public ones may: the key is burnt."""

    title = "A private key was published"


class UnsupportedKeyError(InvalidKeyError):
    """A key that may be sound, of a kind that we do not use."""

    title = "The kind of key is not supported"


class KeyTooLargeError(InvalidKeyError, ResourceLimitError):
    """The key is so large that checking a signature with it would be an attack."""

    name = "RESOURCE_LIMIT"
    title = "The key exceeds a resource limit"
    status = 413


class JwsError(DidError):
    """The JWS does not hold."""

    name = "PROOF_VERIFICATION_ERROR"
    title = "The signature cannot be verified"


class MalformedJwsError(JwsError):
    """The text is not a JWS of the one accepted form."""

    name = "MALFORMED_VALUE_ERROR"
    title = "The JWS is malformed"


class JwsLimitError(JwsError, ResourceLimitError):
    """The JWS is larger or its header deeper than what is read."""

    name = "RESOURCE_LIMIT"
    title = "The JWS exceeds a resource limit"
    status = 413


class AlgorithmRefusedError(JwsError):
    """``alg`` is not on our list, or does not belong to the key."""

    name = "CRYPTOGRAPHIC_SECURITY_ERROR"
    title = "The signature algorithm is not accepted"


class HeaderKeyError(JwsError):
    """The header brings a key of its own; keys come only from the issuer's DID document."""

    name = "CRYPTOGRAPHIC_SECURITY_ERROR"
    title = "The JWS header carries a key"


class HeaderFetchError(HeaderKeyError):
    """The header names a URL to fetch a key from; nothing is ever fetched on a header's word."""

    name = "FETCH_BLOCKED"
    title = "The JWS header asks for a fetch"


class TokenTypeError(JwsError):
    """``typ`` is that of another kind of token (RFC 8725 §3.11)."""

    name = "CRYPTOGRAPHIC_SECURITY_ERROR"
    title = "The token is of another type"


class SignatureInvalidError(JwsError):
    """The signature does not verify over these bytes with this key."""

    title = "The signature is invalid"


class SignerError(DidError):
    """A signing key cannot be opened or used. The detail never holds a PIN or password."""

    name = "SIGNER_ERROR"
    title = "The signing key cannot be used"
    status = 503


class SignerUriError(SignerError):
    """The URI of a signing key cannot be read."""

    title = "The signing key's URI is malformed"
