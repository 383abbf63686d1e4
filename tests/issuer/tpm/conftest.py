"""A real TPM for each test that asks for one."""

from tests.agent.tpm import conftest as agents

manufactured, swtpm, tpm = agents.manufactured, agents.swtpm, agents.tpm
