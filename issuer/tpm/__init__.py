"""Enrolment by TPM: that the attestation key lives beside a maker's endorsement key, told once."""
