"""Identifiers and keys: DID documents, did:web, did:key, did:jwk, JWK, multikey, JWS, signers by URI."""
