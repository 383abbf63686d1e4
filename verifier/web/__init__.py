"""The verifier as a service: routes, the page, challenges, and how many documents are in work at once."""
