"""The TPM 2.0 of this node, spoken to without a TSS library: raw commands over Linux's device or swtpm's socket.

``opening`` opens one; ``identity`` holds what enrolment needs, ``quoting`` what signs windows, ``signer`` keys that
sign anything, which ``backend`` makes known. Below stand the commands: ``keys``, ``sessions``, ``pcrs``,
``attestation``, ``nv``, ``info``.
"""
