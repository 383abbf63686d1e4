"""Wire formats: types, canonical values and bytes, digests, JSON Schemas. Pure; imports only contexts."""
