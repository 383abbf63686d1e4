"""The command line ``green-issuer``: it works on the database, whether the service runs or not."""
