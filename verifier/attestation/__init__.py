"""What a node's telemetry window proves: a TPM's quote, or a software key's signature, and its place in the chain."""
