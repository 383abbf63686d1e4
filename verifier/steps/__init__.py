"""The steps of a verification, one module each or a few that belong together; verifier.verify lists them."""
