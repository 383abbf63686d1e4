"""Settings: a TOML file, variables on top, nothing unknown."""

import pytest

from tests.fakes.verifier import example
from verifier import document
from verifier.errors import UsageError
from verifier.settings import Settings, challenge_file, environment_of, read_settings


def test_without_anything_the_defaults_hold():
    assert read_settings({}) == Settings()


def test_a_file_and_variables_on_top_of_it():
    settings = read_settings(
        {"GREEN_VERIFIER_PORT": "9000", "GREEN_VERIFIER_DEVELOPMENT": "1", "PATH": "/bin"},
        b'host = "::1"\nport = 8000\n',
    )
    assert (settings.host, settings.port, settings.development) == ("::1", 9000, True)


def test_origins_are_separated_by_commas():
    settings = read_settings({"GREEN_VERIFIER_CORS_ORIGINS": "https://a.example,https://b.example"})
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_the_variable_that_names_the_file_is_no_setting():
    assert read_settings({"GREEN_VERIFIER_SETTINGS": "/etc/verifier.toml"}) == Settings()


@pytest.mark.parametrize(
    ("environment", "toml"),
    [
        ({"GREEN_VERIFIER_PROT": "9000"}, None),
        ({"GREEN_VERIFIER_PORT": "many"}, None),
        ({"GREEN_VERIFIER_PORT": "70000"}, None),
        ({"GREEN_VERIFIER_FETCH_TIMEOUT_S": "0"}, None),
        ({"GREEN_VERIFIER_FETCH_CACHE_S": "-1"}, None),
        ({"GREEN_VERIFIER_CHALLENGE_S": "0"}, None),
        ({}, b"port ="),
        ({}, b"\xff"),
        ({}, b'unknown = "x"'),
    ],
)
def test_what_cannot_be_meant_is_refused(environment, toml):
    with pytest.raises(UsageError):
        read_settings(environment, toml)


def test_a_presentation_may_fetch_for_each_of_its_credentials_up_to_a_cap():
    settings = Settings(max_fetches=8, max_fetches_presentation=20)
    credential = document.parse(b'{"type": "VerifiableCredential"}')
    held = example("presentation.vc11.json")
    assert settings.budget(credential).fetches == 8
    assert settings.budget(document.Document(b"", held, "", document.Kind.PRESENTATION)).fetches == 16
    many = {**held, "verifiableCredential": held["verifiableCredential"] * 10}
    assert settings.budget(document.Document(b"", many, "", document.Kind.PRESENTATION)).fetches == 20


def test_the_processes_of_the_service_read_the_settings_of_a_file_and_of_the_command_line():
    file = b'policy = "/etc/audit.toml"\ncors_origins = ["https://a.example"]\nfetch_timeout_s = 2.5\n'
    settings = read_settings({"GREEN_VERIFIER_DEVELOPMENT": "1"}, file)
    assert read_settings(environment_of(settings)) == settings
    assert settings.policy == "/etc/audit.toml"


def test_the_challenges_stand_in_the_state_folder_unless_a_file_is_named():
    assert challenge_file(Settings()) is None
    assert challenge_file(Settings(state_dir="/var/lib/v")) == "/var/lib/v/challenges.sqlite"
    assert challenge_file(Settings(state_dir="/var/lib/v", challenge_file="/run/c")) == "/run/c"


def test_the_defaults_survive_the_way_through_the_environment():
    assert read_settings(environment_of(Settings())) == Settings()


def test_lists_are_separated_by_commas_and_pass_on_to_the_processes():
    settings = read_settings(
        {"GREEN_VERIFIER_TRUSTED_PROXIES": "10.0.0.0/8,::1", "GREEN_VERIFIER_HOSTS": "a.example,a.example:8090"}
    )
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert settings.hosts == ("a.example", "a.example:8090")
    assert read_settings(environment_of(settings)) == settings


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_a_trusted_proxy_that_is_no_network_stops_the_service(proxy):
    with pytest.raises(UsageError, match="trusted_proxies"):
        read_settings({"GREEN_VERIFIER_TRUSTED_PROXIES": proxy})


@pytest.mark.parametrize("name", ["RATE_PER_MINUTE", "BODIES_MAX_BYTES", "HEADER_TIMEOUT_S"])
def test_a_limit_below_nothing_is_refused(name):
    with pytest.raises(UsageError):
        read_settings({f"GREEN_VERIFIER_{name}": "-1"})
