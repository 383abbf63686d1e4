"""Structures of the TPM 2.0 Library (Part 2), read strictly and written: bytes only, no keys, no I/O."""
