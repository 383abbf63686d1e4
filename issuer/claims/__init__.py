"""What a credential claims besides energy and location-based emissions: uncertainty, embodied, market-based, marginal."""
