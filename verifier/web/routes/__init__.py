"""The HTTP routes of the verifier, one module for each subject."""
