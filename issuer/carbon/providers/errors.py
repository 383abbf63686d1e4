"""Why a provider gives no slots: each error says whether and when it is worth asking again.

    ProviderError
    ├── ProviderSettingsError      500  a source cannot be asked as it is set up; ask again after mending the settings
    ├── ProviderUnauthorizedError  502  the token is not accepted; not to be asked again soon
    │   └── ProviderForbiddenError 502  the token is good, and what was asked for is not in the contract behind it
    ├── ProviderRateLimitedError   503  too many requests; ``retry_after_s`` is what the provider asks for, bounded
    ├── ProviderUnavailableError   503  no answer in time, no connection, or the provider's own fault (5xx)
    ├── ProviderRefusedError       502  what came is not believable, or the provider does not take the request
    └── NoGridDataError            404  the provider has no figures for the period
        └── UnknownZoneError       422  nor will it ever: it does not know the zone

A detail never holds a token.
"""

from __future__ import annotations

from issuer.errors import IssuanceError

MAX_RETRY_AFTER_S = 3_600
"""A provider that asks for more is asked again after an hour: its header alone must not switch it off for a year."""


class ProviderError(IssuanceError):
    """Root of the errors of providers. ``retry_after_s``: seconds to wait at least, where the provider said it."""

    name = "GRID_PROVIDER_ERROR"
    title = "The provider of grid data gives none"
    status = 502

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        """Keep ``detail`` and how long the provider wants to be left alone, MAX_RETRY_AFTER_S at most."""
        super().__init__(detail)
        self.retry_after_s = None if retry_after_s is None else max(0, min(retry_after_s, MAX_RETRY_AFTER_S))


class ProviderSettingsError(ProviderError):
    """A source cannot be asked as it is set up."""

    name = "GRID_PROVIDER_SETTINGS"
    title = "The source of grid data cannot be used as it is set up"
    status = 500


class ProviderUnauthorizedError(ProviderError):
    """The token is not accepted (401)."""

    name = "GRID_PROVIDER_UNAUTHORIZED"
    title = "The provider of grid data does not accept the token"


class ProviderForbiddenError(ProviderUnauthorizedError):
    """The contract behind the token does not reach as far as what was asked for (403)."""

    name = "GRID_PROVIDER_FORBIDDEN"
    title = "The provider of grid data does not give this to the token's holder"


class ProviderRateLimitedError(ProviderError):
    """The provider was asked too often (429)."""

    name = "GRID_PROVIDER_RATE_LIMITED"
    title = "The provider of grid data was asked too often"
    status = 503


class ProviderUnavailableError(ProviderError):
    """No whole answer in time, no connection, or a fault of the provider's own."""

    name = "GRID_PROVIDER_UNAVAILABLE"
    title = "The provider of grid data does not answer"
    status = 503


class ProviderRefusedError(ProviderError):
    """What came is not believable: another zone, invented data, not what was asked for, or no data at all."""

    name = "GRID_PROVIDER_REPLY_REFUSED"
    title = "The provider's answer is not believed"


class NoGridDataError(ProviderError):
    """The provider says that it has no figures for the period."""

    name = "NO_GRID_DATA"
    title = "The provider has no grid data for the period"
    status = 404


class UnknownZoneError(NoGridDataError):
    """The provider does not know the zone, or has no part of its data for it."""

    name = "UNKNOWN_GRID_ZONE"
    title = "The provider does not know the zone"
    status = 422
