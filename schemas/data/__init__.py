"""The published JSON Schemas, written by ``python -m schemas.json_schema``."""
