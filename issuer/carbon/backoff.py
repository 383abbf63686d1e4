"""How long a source that failed is left alone, and what its operator can do. Pure."""

from __future__ import annotations

from typing import Final

from issuer.carbon.providers.errors import (
    ProviderError,
    ProviderRateLimitedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
    UnknownZoneError,
)

FIRST_S: Final = 60
LONGEST_S: Final = 3_600

_SPREAD: Final = 4
"""A quarter more at most, by chance: those who failed together do not come back together."""

_US: Final = 1_000_000


def pause_us(error: ProviderError, failures: int, jitter: float) -> int:
    """Return how long to wait after the ``failures``-th failure in a row: 60 s, doubled each time, up to an hour.

    What waiting does not mend (a token, a zone, a setting) waits for an hour at once; nobody is asked again before the
    time that the provider asks for. ``jitter`` is 0 to 1.
    """
    if isinstance(error, ProviderUnauthorizedError | ProviderSettingsError | UnknownZoneError):
        seconds = LONGEST_S
    else:
        seconds = min(LONGEST_S, FIRST_S << min(failures - 1, 6))
    pause = seconds * _US
    # The chance is no figure: it may be a float.
    pause = min(pause + int(pause / _SPREAD * jitter), LONGEST_S * _US)
    return max(pause, (error.retry_after_s or 0) * _US)


def advice_of(error: ProviderError) -> str:
    """Return what the operator can do about a failure."""
    if isinstance(error, ProviderUnauthorizedError):
        return "put a token that the provider accepts into token_file; it is read again with the next attempt"
    if isinstance(error, UnknownZoneError):
        return "name a zone that the provider has in the region's cascade, then restart"
    if isinstance(error, ProviderSettingsError):
        return "mend the source in grid_file, then restart"
    if isinstance(error, ProviderRateLimitedError):
        return "nothing: it is left alone for as long as it asks"
    return "nothing, if it comes back; green-issuer carbon sources --check asks at once"
