"""The public URLs of what the issuer serves: one place that both the documents and the routes go by."""

from __future__ import annotations

import msgspec

from issuer.store.records import Purpose


class Addresses(msgspec.Struct, frozen=True):
    """URLs below the issuer's fixed public URL, which never comes from a request's Host header."""

    public_url: str

    def __post_init__(self) -> None:
        """Refuse a base that would give two spellings of one URL. Raises ValueError."""
        if not self.public_url.startswith(("https://", "http://")) or self.public_url.endswith("/"):
            raise ValueError("the public URL is absolute and has no slash at its end")

    def credential(self, credential_id: str) -> str:
        """Return where the credential stands."""
        return f"{self.public_url}/credentials/{credential_id}"

    def inference(self, tenant_id: str, inference_id: str) -> str:
        """Return the subject's id: an inference id is unique within its tenant only."""
        return f"{self.public_url}/inferences/{tenant_id}/{inference_id}"

    def status_list(self, purpose: Purpose, list_id: str) -> str:
        """Return where the signed status list of one purpose stands."""
        return f"{self.public_url}/status/{purpose}/{list_id}"

    def evidence(self, name: str) -> str:
        """Return where evidence stands: a record by its digest, a node's key by its thumbprint URI."""
        return f"{self.public_url}/evidence/{name}"

    def evidence_of(self, credential_id: str, name: str) -> str:
        """Return where one credential's evidence stands, with the receipt of its record beside it."""
        return f"{self.public_url}/evidence/{credential_id}/{name}"

    def enrolment(self, digest: str) -> str:
        """Return where an enrolment record stands."""
        return f"{self.public_url}/enrolments/{digest}"

    def window(self, node_id: str, epoch: str, sequence: int) -> str:
        """Return the subject's id of a window's credential: a window's place in its node's chain."""
        return f"{self.public_url}/windows/{node_id}/{epoch}/{sequence}"
