import pytest

from tests.fakes.eventually import eventually
from tests.fakes.verifier_program import VerifierProgram
from verifier.http.server import why_not_free

pytestmark = pytest.mark.network


def test_a_worker_does_not_outlive_the_first_process_that_was_killed(tmp_path):
    program = VerifierProgram(tmp_path)
    assert why_not_free("127.0.0.1", program.port)
    program.process.kill()
    program.process.wait(timeout=10)

    assert eventually(lambda: why_not_free("127.0.0.1", program.port) is None, within_s=10)
