from pathlib import Path

import pytest

from agent.tpm.address import Device, TcpSocket, TpmAddress, UnixSocket, parse
from agent.tpm.errors import TpmAddressError


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("tpm:", Device()),
        ("TPM:", Device()),
        ("tpm:/dev/tpmrm0", Device(Path("/dev/tpmrm0"))),
        ("tpm:unix:/run/swtpm/sock", UnixSocket(Path("/run/swtpm/sock"))),
        ("tpm:unix:/run/a%3Fb", UnixSocket(Path("/run/a?b"))),
        ("tpm:tcp:127.0.0.1:2321", TcpSocket("127.0.0.1", 2321)),
        ("tpm:tcp:localhost:2321", TcpSocket("localhost", 2321)),
        ("tpm:tcp:[::1]:2321", TcpSocket("::1", 2321)),
    ],
)
def test_an_address_names_a_device_or_an_emulator(uri, place):
    assert parse(uri) == TpmAddress(place)


def test_parameters_name_a_key_and_passwords():
    assert parse(
        "tpm:?seed=/etc/green/a%26b.json&scheme=rsapss&owner-auth-file=/run/o&endorsement-auth-file=/run/e"
    ) == (
        TpmAddress(
            seed=Path("/etc/green/a&b.json"),
            scheme="rsapss",
            owner_auth_file=Path("/run/o"),
            endorsement_auth_file=Path("/run/e"),
        )
    )
    assert parse("tpm:/dev/tpm0?handle=0x81000010").handle == 0x81000010


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("file:/x", "tpm:"),
        ("tpm:dev/tpmrm0", "not understood"),
        ("tpm:device:/dev/tpmrm0", "not understood"),
        ("tpm://host/dev/tpmrm0", "without a host"),
        ("tpm:unix:sock", "absolute"),
        ("tpm:unix:/" + "x" * 107, "107"),
        ("tpm:tcp:127.0.0.1", "PORT"),
        ("tpm:tcp:127.0.0.1:0", "PORT"),
        ("tpm:tcp:127.0.0.1:65536", "PORT"),
        ("tpm:tcp:127.0.0.1:" + "9" * 5000, "PORT"),
        ("tpm:tcp:127.0.0.1:²", "PORT"),
        ("tpm:?handle=81000010", "0x81000000"),
        ("tpm:?handle=0x80000000", "0x81000000"),
        ("tpm:?handle=0x01c00002", "0x81000000"),
        ("tpm:?handle=0x81000010&seed=/x", "two keys"),
        ("tpm:?scheme=ecdsa-sha1", "rsapss"),
        ("tpm:?seed=relative", "absolute"),
        ("tpm:?seed=", "empty"),
        ("tpm:?seed=/a&seed=/b", "twice"),
        ("tpm:?seed", "empty"),
    ],
)
def test_what_is_no_address_is_refused(uri, says):
    with pytest.raises(TpmAddressError, match=says):
        parse(uri)


@pytest.mark.parametrize("host", ["192.0.2.1", "tpm.example", "0.0.0.0", "[fe80::1]", "127.1", ""])
def test_a_tpm_of_another_machine_is_refused(host):
    with pytest.raises(TpmAddressError, match="loopback"):
        parse(f"tpm:tcp:{host}:2321")


def test_an_unknown_parameter_is_refused_without_its_value():
    with pytest.raises(TpmAddressError) as caught:
        parse("tpm:?owner-auth=hunter2")
    assert "owner-auth" in caught.value.detail
    assert "hunter2" not in caught.value.detail
