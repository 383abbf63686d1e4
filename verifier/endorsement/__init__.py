"""Whose TPM an endorsement key is: its certificate, and the chain from there to a maker's root. Pure."""
