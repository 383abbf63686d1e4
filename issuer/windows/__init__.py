"""Telemetry windows: what a node's key signed over the records of a few seconds, taken, kept and certified."""
