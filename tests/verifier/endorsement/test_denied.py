"""Firmware that gives keys away."""

import pytest

from verifier.endorsement.denied import Denial, check_firmware, find_denial, firmware_text, shipped_denials
from verifier.endorsement.errors import TpmDeniedError

VERSION_73_4 = 0x0049000400000000


@pytest.mark.parametrize(
    ("version", "text"), [(VERSION_73_4, "73.4"), (0x00490014_11A2B3C4, "73.20"), (0x20160511_00162800, "8214.1297")]
)
def test_a_firmware_version_is_written_as_its_maker_does(version, text):
    assert firmware_text(version) == text


def test_an_ecdsa_key_on_leaking_firmware_is_refused_with_what_to_do():
    with pytest.raises(TpmDeniedError, match=r"firmware 73\.4.*CVE-2019-16863.*73\.20 mends it; update it"):
        check_firmware(shipped_denials(), manufacturer="STM", model="ST33", firmware_version=VERSION_73_4, key="ecc")


@pytest.mark.parametrize(
    ("manufacturer", "version", "key"),
    [("STM", VERSION_73_4, "rsa"), ("STM", 0x00490014 << 32, "ecc"), ("IFX", VERSION_73_4, "ecc")],
)
def test_other_keys_firmware_and_makers_pass(manufacturer, version, key):
    check_firmware(shipped_denials(), manufacturer=manufacturer, model="", firmware_version=version, key=key)


def test_the_shipped_table_is_of_firmware_alone():
    # A certificate names the first firmware only: by it, nobody who updated may be refused.
    rows = shipped_denials()
    assert rows
    assert all(row.firmware and row.source and row.reason for row in rows)
    assert find_denial(rows, manufacturer="STM", firmware=None) is None


def test_a_row_holds_only_where_all_that_it_names_is_given():
    row = Denial(manufacturer="IFX", model="SLB 9670", firmware="7.40", key="rsa", reason="r", source="s")
    given = {"manufacturer": "IFX", "model": "SLB 9670", "firmware": "7.40", "key": "rsa"}
    assert find_denial([row], **given) == row
    for member in given:
        assert find_denial([row], **given | {member: "x"}) is None
