"""JSON-LD contexts, pinned by SHA-256, and the Green Compute vocabulary. Imports nothing of ours."""
