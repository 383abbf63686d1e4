"""What every service of ours does with HTTP, the verifier's and the issuer's: nothing here knows what is served."""
