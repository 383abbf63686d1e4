"""The errors of the store.

    GreenError
    └── StoreError                 root of this package
        ├── ConflictError          another body, or another row, already holds this key (409)
        │   └── AlreadyRevokedError    revoked is final: neither suspended nor reinstated (409)
        ├── NotFoundError          no such row, or not of this tenant (404)
        ├── RevokedError           it was revoked, by itself or with its window's credential (410)
        ├── SuspendedError         it is suspended, by itself or with its window's credential (409)
        ├── OutdatedError          another credential has come in its place meanwhile: build on that one (503)
        ├── InvitationSpentError   an enrolment token that was used or has expired (410)
        ├── CursorError            a cursor that we did not hand out (400)
        ├── UnstorableValueError   text or a number that the database cannot hold (400)
        ├── StoreUrlError          the database URL or its settings cannot be used (500)
        │   └── NewerDatabaseError     a newer version of the program made the tables (500)
        ├── UnavailableError       busy, locked or unreachable: try again (503)
            │   ├── SerializationError     two transactions stood in each other's way (503)
        │   └── UnwritableError        the disk is full or the database read-only: the operator's to mend (503)
        └── StorageFailedError     the disk or the file failed: the service has to stop (503)

The service answers with each one's status; after StorageFailedError it has to end.
"""

from __future__ import annotations

from schemas.errors import GreenError


class StoreError(GreenError):
    """Root of the errors of the store."""

    name = "STORE_ERROR"
    title = "The store refused"
    status = 500


class ConflictError(StoreError):
    """The key is taken by something else: another body under the same inference id, a second row of one name."""

    name = "CONFLICT"
    title = "It exists already, and differently"
    status = 409


class AlreadyRevokedError(ConflictError):
    """A revocation never reverts, and a record whose credential was revoked gets no other one."""

    title = "The credential is revoked"

    def __init__(self, detail: str = "the credential is revoked, for good; its record gets no second one") -> None:
        """Say what cannot be done any more."""
        super().__init__(detail)


class NotFoundError(StoreError):
    """There is no such row that the caller may see."""

    name = "NOT_FOUND"
    title = "Not found"
    status = 404


class RevokedError(StoreError):
    """What is asked for rests on a credential that was revoked, and says of itself nothing about that."""

    name = "REVOKED"
    title = "It was revoked"
    status = 410


class SuspendedError(StoreError):
    """What is asked for rests on a credential that is suspended; it may come back."""

    name = "SUSPENDED"
    title = "It is suspended"
    status = 409


class OutdatedError(StoreError):
    """What was to be built rests on a window's credential that was superseded meanwhile; it can be built anew."""

    name = "OVERLOADED"
    title = "It was superseded meanwhile"
    status = 503


class InvitationSpentError(StoreError):
    """An enrolment token opens once, and until its expiry."""

    name = "INVITATION_SPENT"
    title = "The enrolment token was used or has expired"
    status = 410


class CursorError(StoreError):
    """The cursor is not one of ours."""

    name = "MALFORMED_VALUE_ERROR"
    title = "The cursor is malformed"
    status = 400


class UnstorableValueError(StoreError):
    """A value has no form in the database: a NUL in a text, an integer beyond 64 bits."""

    name = "MALFORMED_VALUE_ERROR"
    title = "A value cannot be stored"
    status = 400


class StoreUrlError(StoreError):
    """The database URL, or the database behind it, is not one that we can be safe on."""

    name = "STORE_URL"
    title = "The database cannot be used"


class NewerDatabaseError(StoreUrlError):
    """The tables were made by a newer version of this program, which may mean by them what this one does not know."""

    name = "DATABASE_NEWER"
    title = "The database was made by a newer version"

    def __init__(self, revision: str, newest: str) -> None:
        """Say which revision was found, and which is the newest that is known here."""
        super().__init__(
            f"the database was made by a newer version of this program (its schema is {revision}, this version knows "
            f"{newest} and older); install that version again, or go back to a backup made before it"
        )


class UnavailableError(StoreError):
    """The database is busy or cannot be reached; the same request may succeed later."""

    name = "UNAVAILABLE"
    title = "The store is busy or unreachable"
    status = 503


class SerializationError(UnavailableError):
    """The database gave up one of two transactions that waited for each other; it left nothing behind."""


class UnwritableError(UnavailableError):
    """The database can be read and not written: its disk is full, or it was made read-only. Nothing was lost."""

    name = "STORAGE_UNWRITABLE"
    title = "The store cannot be written"


class StorageFailedError(StoreError):
    """The disk or the database file failed. After this nothing may be acknowledged: stop the service."""

    name = "STORAGE_FAILED"
    title = "The storage failed"
    status = 503
