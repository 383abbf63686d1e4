"""Revisions of the tables, applied by issuer.store.migrate."""
