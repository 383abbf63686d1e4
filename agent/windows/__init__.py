"""Windows: what this node's accelerators used in every few seconds, whose it was, signed and sent.

ledger_window   who was running when, cut into windows (over ``tap``, which watches one meter)
telemetry       what one window says, in integers
close           window header, records and their Merkle root, in the chain of windows
spool           windows on disk, from before they are signed until the issuer has them
sign            the TPM's evidence or the software key's signature
keeper          the order of these steps, and what happens when one of them fails
submit          sending to the issuer, and the nonces that come back
daemon, server  measuring all the time; the socket at which workloads say what they run
client          the other end of that socket
"""
