import pytest

from did.local import resolve
from wallet.errors import WalletExistsError, WalletMissingError
from wallet.holder import KEY_FILE, create_holder, open_holder


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_holder_is_the_same_when_opened_again(tmp_path, algorithm) -> None:
    made = create_holder(tmp_path, algorithm)
    again = open_holder(tmp_path)
    assert (again.did, again.verification_method, again.algorithm) == (
        made.did,
        made.verification_method,
        made.algorithm,
    )


def test_the_did_resolves_to_the_key(tmp_path) -> None:
    holder = create_holder(tmp_path, "ES256")
    method = resolve(holder.did).key_for(holder.verification_method, "authentication")
    assert method.key.thumbprint_uri == holder.signer.public_key.thumbprint_uri


def test_two_wallets_have_two_holders(tmp_path) -> None:
    assert create_holder(tmp_path / "a", "ES256").did != create_holder(tmp_path / "b", "ES256").did


def test_a_key_is_never_overwritten(tmp_path) -> None:
    create_holder(tmp_path, "ES256")
    before = (tmp_path / KEY_FILE).read_bytes()
    with pytest.raises(WalletExistsError, match="another folder"):
        create_holder(tmp_path, "ES256")
    assert (tmp_path / KEY_FILE).read_bytes() == before


def test_a_folder_without_a_wallet_says_what_to_do(tmp_path) -> None:
    with pytest.raises(WalletMissingError, match="green-wallet init"):
        open_holder(tmp_path)


def test_the_key_is_readable_by_its_owner_alone(tmp_path) -> None:
    create_holder(tmp_path, "ES256")
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
