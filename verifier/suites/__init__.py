"""Proof suites: one module each, named as the specification names it."""
