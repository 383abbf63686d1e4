"""Enrolment by TPM: whose endorsement key it is, and that the attestation key lives beside it. Pure."""
