"""An emulated TPM beside the running services."""

from tests.agent.tpm import conftest as running

manufactured, swtpm = running.manufactured, running.swtpm
