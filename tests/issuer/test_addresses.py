import pytest

from issuer.addresses import Addresses

ADDRESSES = Addresses("https://oracle.example")


def test_every_url_stands_below_the_public_one() -> None:
    assert ADDRESSES.credential("c3") == "https://oracle.example/credentials/c3"
    assert ADDRESSES.inference("acme", "i-4") == "https://oracle.example/inferences/acme/i-4"
    assert ADDRESSES.status_list("suspension", "7") == "https://oracle.example/status/suspension/7"
    assert ADDRESSES.evidence("uEi") == "https://oracle.example/evidence/uEi"


@pytest.mark.parametrize("public_url", ["", "oracle.example", "https://oracle.example/", "ftp://oracle.example"])
def test_a_base_with_two_spellings_or_none_is_refused(public_url: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        Addresses(public_url)
