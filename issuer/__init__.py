"""The issuer: telemetry in, carbon accounted, credentials out. Imports the verifier and what lies below it."""
