"""The body of ``POST /credentials/status`` (W3C VC API), read strictly."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from issuer.store.records import Purpose
from schemas.errors import SchemaInvalidError
from schemas.strict_json import JsonObject

_MOST_CHANGES = 2


class Change(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One bit: ``status`` "1" sets it, "0" clears it. Without a purpose it is the revocation bit."""

    type: Literal["StatusList2021Entry", "StatusList2021", "BitstringStatusListEntry", "BitstringStatusList"]
    status: Literal["0", "1"]
    status_purpose: Purpose = "revocation"

    @property
    def purpose(self) -> Purpose:
        """Which list."""
        return self.status_purpose

    @property
    def on(self) -> bool:
        """Whether the bit is to be set."""
        return self.status == "1"


class StatusUpdate(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is to become of which credential, named by its id or URL."""

    credential_id: Annotated[str, Meta(max_length=512)]
    credential_status: Annotated[tuple[Change, ...], Meta(min_length=1, max_length=_MOST_CHANGES)]

    @property
    def credential(self) -> str:
        """The credential's id or URL, as sent."""
        return self.credential_id

    @property
    def changes(self) -> tuple[Change, ...]:
        """The bits to set or clear, suspension before revocation: after a revocation nothing else changes."""
        return tuple(sorted(self.credential_status, key=lambda change: change.status_purpose, reverse=True))


def read_update(body: JsonObject) -> StatusUpdate:
    """Return the update in a body; one change may stand without a list. Raises SchemaInvalidError."""
    status = body.get("credentialStatus")
    if isinstance(status, dict):
        body = {**body, "credentialStatus": [status]}
    try:
        update = msgspec.convert(body, StatusUpdate)
    except msgspec.ValidationError as error:
        raise SchemaInvalidError(f"the status update is not as the VC API has it: {error}") from error
    purposes = [change.purpose for change in update.changes]
    if len(set(purposes)) != len(purposes):
        raise SchemaInvalidError("credentialStatus: each statusPurpose may stand once")
    return update
