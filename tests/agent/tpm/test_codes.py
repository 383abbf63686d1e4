import pytest

from agent.tpm.codes import describe, name_of


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0x922, "TPM_RC_RETRY (0x922)"),
        (0x2C4, "TPM_RC_VALUE (parameter 2, 0x2c4)"),
        (0x184, "TPM_RC_VALUE (handle 1, 0x184)"),
        (0x98E, "TPM_RC_AUTH_FAIL (session 1, 0x98e)"),
        (0x08E, "TPM_RC_AUTH_FAIL (0x08e)"),
        (0xFDF, "TPM_RC_INTEGRITY (parameter 15, 0xfdf)"),
        (0x913, "TPM_RC_REFERENCE_H3 (0x913)"),
        (0x91E, "TPM_RC_REFERENCE_S6 (0x91e)"),
        (0x01E, "TPM_RC_BAD_TAG (0x01e)"),
        (0x500, "vendor code 0x500 (0x500)"),
        (0x1FF & ~0x80, "0x17f (0x17f)"),
    ],
)
def test_a_code_is_said_by_name_place_and_number(code, said):
    assert describe(code) == said


def test_the_layer_of_linux_resource_manager_is_left_out_of_the_name():
    assert name_of(0xB0143) == "TPM_RC_COMMAND_CODE"


def test_every_code_of_twelve_bits_has_a_description():
    assert all(describe(code) for code in range(0x1000))
