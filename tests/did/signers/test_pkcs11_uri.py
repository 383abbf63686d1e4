from pathlib import Path

import pytest

from did.errors import SignerUriError
from did.signers.pkcs11_uri import parse

MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"


def test_a_uri_names_module_token_and_key() -> None:
    address = parse(
        f"pkcs11:token=Green%20HSM;object=issuer-2026;id=%01%ff;type=private?{MODULE}&pin-source=file:/run/pin"
    )
    assert address.module_path == Path("/usr/lib/softhsm/libsofthsm2.so")
    assert (address.token, address.label, address.key_id) == ("Green HSM", "issuer-2026", b"\x01\xff")
    assert (address.pin_file, address.pin) == (Path("/run/pin"), None)


def test_a_token_may_be_named_by_its_serial_number() -> None:
    assert parse(f"pkcs11:serial=46e1;id=%01?{MODULE}").serial == b"46e1"


@pytest.mark.parametrize("source", ["file:/run/pin", "file:///run/pin", "/run/pin", "file:%2Frun%2Fpin"])
def test_the_pin_may_stand_in_a_file(source) -> None:
    assert parse(f"pkcs11:token=t;object=k?{MODULE}&pin-source={source}").pin_file == Path("/run/pin")


def test_a_pin_in_the_uri_never_shows() -> None:
    address = parse(f"pkcs11:token=t;object=k?{MODULE}&pin-value=4711")
    assert address.pin == b"4711"
    assert "4711" not in repr(address)


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:",
        "pkcs11:token=t;object=k?pin-value=4711",
        f"pkcs11:object=k?{MODULE}&pin-value=4711",
        f"pkcs11:token=t?{MODULE}&pin-value=4711",
        f"pkcs11:token=t;object=k;type=public?{MODULE}&pin-value=4711",
        f"pkcs11:token=t;token=u;object=k?{MODULE}&pin-value=4711",
        f"pkcs11:token=t;object=k;slot-id=1?{MODULE}&pin-value=4711",
        f"pkcs11:token=t;object=k?{MODULE}&module-name=x&pin-value=4711",
        f"pkcs11:token=t;object=k?{MODULE}&pin-value=4711&pin-source=file:/run/pin",
        f"pkcs11:token=t;object=k?{MODULE}&pin-value=4711&pin-value=4711",
        f"pkcs11:token=t;object=k?{MODULE}&pin-value=4711%",
        f"pkcs11:token=t;object=k?{MODULE}&pin-value=4711%4",
        f"pkcs11:token=%ff;object=k?{MODULE}&pin-value=4711",
        f"pkcs11:token=;object=k?{MODULE}&pin-value=4711",
        f"pkcs11:token;object=k?{MODULE}&pin-value=4711",
        f"pkcs11:token=t;object=k?{MODULE}&pin-source=|cat 4711",
        f"pkcs11:token=t;object=k?{MODULE}&pin-source=https://pins.example/4711",
        f"pkcs11:token=t;object=k?{MODULE}&pin-source=4711",
    ],
)
def test_a_uri_that_is_not_understood_is_refused_without_its_pin(uri) -> None:
    with pytest.raises(SignerUriError) as caught:
        parse(uri)
    assert "4711" not in str(caught.value)
