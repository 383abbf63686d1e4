"""Enrolling a node: its key, the proof that it holds it, and the issuer's answer, kept as settings.

The proof is a signature over the ASCII text ``gc/1 enrolment``, a zero byte, and the JCS bytes of the token and the
public JWK: it fits no telemetry record, and no other token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.config import save, stored
from agent.errors import EnrolmentError, SettingsError
from agent.files import make_folder
from agent.home import Home
from agent.record import signing_algorithm
from agent.retry import Answer, printable
from agent.tenants import TenantNames
from agent.transport import Transport
from did.keys import Algorithm
from did.signers import Signer, generate_file_key, open_signer
from did.signers.file import absolute_uri, file_uri
from schemas import base64url, jcs, strict_json, telemetry
from schemas.errors import FormatError
from schemas.strict_json import JsonObject

PATH: Final = "/api/v1/nodes/enrol"
_DOMAIN: Final = b"gc/1 enrolment\0"


class EnrolledNode(Struct, frozen=True, kw_only=True):
    """What the issuer registered: the agent keeps the id, and shows the rest."""

    node_id: str
    tenant_id: str = ""
    grid_region: str = ""
    key_uri: str = ""
    """Key id (RFC 9278) under which the issuer knows the node's key."""
    simulated: bool = False
    """Whether the node is registered as a simulator: then its credentials say so, whatever its records say."""
    tenants: tuple[str, ...] | None = None
    """Ids and subjects of the tenants whom its records may name; None where the issuer does not tell."""


def enrolment_input(token: str, jwk: JsonObject) -> bytes:
    """Return the bytes that an enrolling node signs."""
    return _DOMAIN + jcs.canonical_bytes({"jwk": jwk, "token": token})


def request_body(token: str, signer: Signer) -> bytes:
    """Return the enrolment request: token, public JWK, and the signature over both (base64url)."""
    jwk: JsonObject = {**signer.public_key.jwk}
    signature = signer.sign(enrolment_input(token, jwk), signing_algorithm(signer.public_key))
    return jcs.canonical_bytes({"token": token, "jwk": jwk, "signature": base64url.encode(signature)})


def open_or_make_key(key: str | None, home: Home, algorithm: Algorithm = "ES256") -> tuple[str, Signer]:
    """Return the URI and the signer of the node's key.

    ``key`` is a signer's URI, None for the home's ``node.pem``. A ``file:`` that is not there is made (0600), and so
    is a ``tpm:?seed=…``; all else must exist. Raises DidError.
    """
    uri = key or file_uri(home.key_file)
    if uri[:4].lower() == "tpm:":
        # Imported when asked for: most nodes sign with a file.
        from agent.tpm.signer import open_or_generate

        return uri, open_or_generate(uri)
    path = Path(uri.removeprefix("file:")) if uri.startswith("file:") and "?" not in uri and "%" not in uri else None
    if uri == file_uri(home.key_file):
        path = home.key_file
    if path is None or path.exists():
        # The settings are read from other folders too.
        return absolute_uri(uri), open_signer(uri)
    make_folder(path.parent)
    return file_uri(path), generate_file_key(path, algorithm)


def enrol(transport: Transport, token: str, signer: Signer, *, timeout_s: float = 30.0) -> EnrolledNode:
    """Return the node that the issuer registered for ``token`` with the signer's key.

    Sending it again with the same key is safe: the issuer answers the same. Raises EnrolmentError with the issuer's
    reason, NoAnswerError where it cannot be reached.
    """
    return read_answer(transport.post(PATH, request_body(token, signer), timeout_s=timeout_s), signer)


def read_answer(answer: Answer, signer: Signer) -> EnrolledNode:
    """Return the node in an answer. Raises EnrolmentError."""
    try:
        body = strict_json.parse_object(answer.body)
        if answer.status // 100 != 2:  # noqa: PLR2004 - the class of the status
            reason = printable(body.get("detail") or body.get("title"))
            raise EnrolmentError(f"the issuer answered {answer.status}: {reason}")
        node = msgspec.convert(body, EnrolledNode)
        telemetry.NODE_ID.check(node.node_id, "node_id")
    except (FormatError, msgspec.ValidationError) as error:
        raise EnrolmentError(
            f"the issuer answered {answer.status}, which is no enrolment: is the URL right?"
        ) from error
    if node.key_uri and node.key_uri != signer.public_key.thumbprint_uri:
        raise EnrolmentError("the issuer registered another key than ours; ask its operator to revoke the node")
    return node


def save_enrolment(
    home: Home, node: EnrolledNode, *, issuer: str, key: str, development: bool = False, meter: str = ""
) -> None:
    """Write the settings of an enrolled node, the others kept. Raises SettingsError where they cannot be written."""
    members = stored(home) | {"issuer": issuer, "node_id": node.node_id, "key": key}
    if meter:
        members["meter"] = meter
    if development:
        members["development"] = True
    try:
        save(home, members)
        TenantNames(home.tenants_file, node.node_id).keep(node.tenants)
    except OSError as error:
        raise SettingsError(f"{home.settings_file} cannot be written: {error.strerror}") from error
