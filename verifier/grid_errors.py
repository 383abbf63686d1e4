"""What a policy asks of a credential's carbon intensity, and it does not have.

PolicyError
├── GridDataRequiredError           GRID_DATA_REQUIRED          an annual figure, where slots are demanded
└── CarbonSourceNotAcceptedError    CARBON_SOURCE_NOT_ACCEPTED  from a source that is on no list
"""

from __future__ import annotations

from verifier.errors import PolicyError


class GridDataRequiredError(PolicyError):
    """The policy demands an intensity that can be computed again, and an annual average is claimed."""

    name = "GRID_DATA_REQUIRED"
    title = "The carbon intensity is an annual average"


class CarbonSourceNotAcceptedError(PolicyError):
    """The policy lists sources of carbon intensities, and another one is claimed."""

    name = "CARBON_SOURCE_NOT_ACCEPTED"
    title = "The source of the carbon intensity is not accepted"
