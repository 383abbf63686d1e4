"""Keys in a real TPM: made, made again, lent, kept, and always flushed."""

import pytest

from agent.tpm import templates
from agent.tpm.address import parse
from agent.tpm.attestation import quote
from agent.tpm.client import Tpm
from agent.tpm.constants import Command, Handle
from agent.tpm.errors import TpmAnswerError, TpmBusyError, TpmLockoutError, TpmRefusedError
from agent.tpm.info import LOADED_SESSIONS, TRANSIENT_KEYS, handles
from agent.tpm.keys import activate_credential, create_primary, lent_primary, read_public
from agent.tpm.opening import open_tpm
from agent.tpm.sessions import endorsement_session, flush
from agent.tpm.templates import EK_TEMPLATES
from agent.tpm.transport import open_transport
from agent.tpm.wire import Authorization
from schemas.tpm.algorithms import TpmaObject
from schemas.tpm.pcr import window_selection
from schemas.tpm.wire import sized
from tests.fakes.tpm import HandTime, Meddling, evict_control

SEED = bytes(range(32))
AK = templates.attestation_key("ecdsa", SEED)


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_a_key_is_made_again_from_its_seed_also_after_a_power_cut(swtpm, scheme):
    names = []
    for _ in range(2):
        with open_tpm(parse(swtpm.uri)) as tpm, lent_primary(tpm, templates.attestation_key(scheme, SEED)) as key:
            names.append(key.name)
        swtpm.restart()
    assert names[0] == names[1]


def test_another_seed_makes_another_key(tpm):
    with lent_primary(tpm, AK) as one, lent_primary(tpm, templates.attestation_key("ecdsa", bytes(32))) as other:
        assert one.name != other.name


def test_an_attestation_key_is_restricted_and_never_leaves(tpm):
    with lent_primary(tpm, AK) as key:
        assert key.public.attributes == (
            TpmaObject.FIXED_TPM
            | TpmaObject.FIXED_PARENT
            | TpmaObject.SENSITIVE_DATA_ORIGIN
            | TpmaObject.USER_WITH_AUTH
            | TpmaObject.NO_DA
            | TpmaObject.RESTRICTED
            | TpmaObject.SIGN
        )
        assert key.public.key.scheme == templates.signature_scheme("ecdsa")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_has_32_bytes(length):
    with pytest.raises(ValueError, match="32"):
        templates.attestation_key("ecdsa", bytes(length))


@pytest.mark.parametrize("template", EK_TEMPLATES, ids=lambda template: template.name)
def test_every_endorsement_key_of_the_profile_can_be_made(tpm, template):
    with lent_primary(tpm, template.public) as key:
        assert read_public(tpm, key.handle) == key


def test_a_lent_key_is_flushed_also_after_an_error(tpm):
    with pytest.raises(ZeroDivisionError), lent_primary(tpm, AK):
        raise ZeroDivisionError
    with lent_primary(tpm, AK):
        assert len(handles(tpm, TRANSIENT_KEYS)) == 1
    assert handles(tpm, TRANSIENT_KEYS) == []


def test_an_error_inside_is_the_one_that_is_raised_where_flushing_fails_too(tpm):
    def work():
        with lent_primary(tpm, AK) as key:
            flush(tpm, key.handle)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_session_is_flushed_also_after_an_error(tpm):
    with pytest.raises(ZeroDivisionError), endorsement_session(tpm):
        raise ZeroDivisionError
    with endorsement_session(tpm):
        assert len(handles(tpm, LOADED_SESSIONS)) == 1
    assert handles(tpm, LOADED_SESSIONS) == []


def test_a_session_whose_policy_is_refused_is_flushed(swtpm):
    def refuse(code, given):
        return b"\x80\x01\0\0\0\x0a\0\0\x09\xa2" if code == Command.POLICY_SECRET else given

    with (
        Tpm(Meddling(open_transport(parse(swtpm.uri).place), after=refuse)) as tpm,
        pytest.raises(TpmRefusedError, match="BAD_AUTH"),
        endorsement_session(tpm),
    ):
        pytest.fail("it was lent")
    with Tpm(open_transport(parse(swtpm.uri).place)) as tpm:
        assert handles(tpm, LOADED_SESSIONS) == []


def test_a_key_whose_description_is_cut_is_flushed(swtpm):
    def cut(code, given):
        if code != Command.CREATE_PRIMARY:
            return given
        # A public area that claims one byte more than it has.
        return given[:18] + (int.from_bytes(given[18:20], "big") + 1).to_bytes(2, "big") + given[20:]

    transport = open_transport(parse(swtpm.uri).place)
    with Tpm(Meddling(transport, after=cut)) as tpm:
        with pytest.raises(TpmAnswerError):
            create_primary(tpm, AK)
        assert handles(tpm, TRANSIENT_KEYS) == []


def test_a_name_that_is_not_the_keys_is_refused(swtpm):
    def another(code, given):
        return given[:-10] + bytes([given[-10] ^ 1]) + given[-9:] if code == Command.CREATE_PRIMARY else given

    with (
        Tpm(Meddling(open_transport(parse(swtpm.uri).place), after=another)) as tpm,
        pytest.raises(TpmAnswerError, match="name is not that"),
    ):
        create_primary(tpm, AK)


def test_what_a_killed_process_left_is_flushed_when_the_tpm_is_opened_again(swtpm):
    with Tpm(open_transport(parse(swtpm.uri).place)) as left:
        for _ in range(3):
            create_primary(left, AK)
        time = HandTime()
        full = Tpm(open_transport(parse(swtpm.uri).place), sleep=time.sleep, monotonic=time.monotonic)
        left.close()
        with full, pytest.raises(TpmBusyError, match="slots"):
            create_primary(full, AK)
    with open_tpm(parse(swtpm.uri)) as tpm:
        assert handles(tpm, TRANSIENT_KEYS) == []
        with lent_primary(tpm, AK):
            pass


def test_a_key_can_be_kept_and_removed(swtpm, tpm):
    with lent_primary(tpm, AK, hierarchy=Handle.OWNER) as key:
        evict_control(tpm, key.handle, 0x81000010)
    assert 0x81000010 in handles(tpm, 0x81000000)
    kept = read_public(tpm, 0x81000010)
    assert kept.name == key.name
    evict_control(tpm, kept.handle, kept.handle)
    with pytest.raises(TpmRefusedError, match=r"TPM2_ReadPublic.*TPM_RC_HANDLE"):
        read_public(tpm, 0x81000010)


def test_a_lockout_refuses_passwords_that_count_and_lets_windows_be_signed(tpm):
    nothing = sized(sized(bytes(48)) + bytes(18))
    wrong = Authorization(password=b"wrong")

    def guess(ak, ek):
        try:
            activate_credential(tpm, ak, ek, nothing, sized(b""), ek_authorization=wrong)
        except TpmRefusedError as error:
            return error.code_name
        except TpmLockoutError as error:
            return error.name
        return "accepted"

    with lent_primary(tpm, EK_TEMPLATES[0].public) as ek, lent_primary(tpm, AK) as ak:
        guesses = [guess(ak, ek) for _ in range(10)]
        assert guesses[0] == "TPM_RC_AUTH_FAIL"
        assert guesses[-1] == "TPM_LOCKOUT"
        quote(tpm, ak, window_selection(), b"")
