"""Settings from a file, the environment and the command line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from issuer.claims.completeness import CompletenessPolicy
from issuer.settings import Settings, SettingsError, load

PUBLIC = {"GREEN_ISSUER_PUBLIC_URL": "https://issuer.example"}


def _file(tmp_path, text):
    path = tmp_path / "issuer.toml"
    path.write_text(text)
    return path


def test_only_the_public_url_has_to_be_set():
    settings = load(environment=PUBLIC)
    assert settings == Settings(public_url="https://issuer.example")
    assert settings.node_rate_per_minute == 600
    assert settings.key_rate_per_minute == 100
    assert settings.cors_origins == ()
    assert settings.self_verify == "always"


def test_without_a_public_url_it_is_said_where_to_set_it():
    with pytest.raises(SettingsError, match="GREEN_ISSUER_PUBLIC_URL"):
        load(environment={})


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path):
    path = _file(tmp_path, 'public_url = "https://file.example"\nport = 1\nworkers = 1\n')
    environment = {"GREEN_ISSUER_PORT": "2", "GREEN_ISSUER_PUBLIC_URL": "https://env.example"}
    settings = load(environment=environment, config=path, overrides={"port": 3, "workers": None})
    assert (settings.port, settings.workers, settings.public_url) == (3, 1, "https://env.example")


def test_lists_and_switches_come_from_variables_too():
    settings = load(
        environment=PUBLIC
        | {
            "GREEN_ISSUER_CORS_ORIGINS": "https://a.example, https://b.example",
            "GREEN_ISSUER_DEVELOPMENT": "true",
            "GREEN_ISSUER_BODY_TIMEOUT_S": "2.5",
            "GREEN_ISSUER_SELF_VERIFY": "off",
        }
    )
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.development is True
    assert settings.body_timeout_s == 2.5
    assert settings.self_verify == "off"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("WORKERS", "0"),
        ("NODE_RATE_PER_MINUTE", "0"),
        ("KEY_RATE_PER_MINUTE", "-1"),
        ("SELF_VERIFY", "sometimes"),
        ("CONTEXT_FORM", "remote"),
        ("STATUS_LIST_SIZE", "1024"),
        ("STATUS_LIST_SIZE", "131073"),
        ("STATUS_LIST_SIZE", "2097160"),
        ("BODY_TIMEOUT_S", "0"),
        ("TELEMETRY_MAX_BYTES", "1"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("WORKERS", "2"),
        ("PUBLIC_ULR", "https://x.example"),
        ("LOG_LEVEL", "trace"),
        ("INVITE_TTL_HOURS", "721"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(variable, value):
    with pytest.raises(SettingsError):
        load(environment=PUBLIC | {f"GREEN_ISSUER_{variable}": value})


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example",
        "https://localhost",
        "https://x.localhost:8443",
        "https://127.0.0.1",
        "https://[::1]",
        "https://10.0.0.1:8443",
        "https://issuer.example/",
        "https://issuer.example/path",
        "https://issuer.example?x",
        "https://user@issuer.example",
        "https://Issuer.example",
        "ftp://issuer.example",
        "issuer.example",
        "https://issuer.example\n",
        "https://issuer.example:443x",
        "",
    ],
)
def test_a_public_url_that_is_no_public_origin_is_refused(url):
    with pytest.raises(SettingsError, match="public_url"):
        load(environment={"GREEN_ISSUER_PUBLIC_URL": url})


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1:8080", "https://issuer.localhost"])
def test_development_allows_this_machine(url):
    assert load(environment={"GREEN_ISSUER_PUBLIC_URL": url, "GREEN_ISSUER_DEVELOPMENT": "1"}).public_url == url


def test_several_workers_need_postgresql():
    environment = PUBLIC | {"GREEN_ISSUER_WORKERS": "2", "GREEN_ISSUER_DATABASE_URL": "postgresql://db/green"}
    assert load(environment=environment).workers == 2


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({"public_url": "http://localhost:8282", "development": True}, 8282),
        ({"public_url": "http://localhost:8282", "development": True, "port": 9000}, 9000),
        ({"public_url": "http://localhost", "development": True}, 8080),
        ({"public_url": "http://localhost:99999", "development": True}, 8080),
        ({"public_url": "https://issuer.example:8443"}, 8080),
    ],
)
def test_in_development_the_service_listens_where_its_public_url_points(given, port):
    assert load(environment={}, overrides=given).port == port


def test_an_unknown_member_of_the_file_is_answered_with_the_near_ones(tmp_path):
    with pytest.raises(SettingsError, match=r"issuer.toml: 'publc_url' is no setting.*public_url") as raised:
        load(environment=PUBLIC, config=_file(tmp_path, 'publc_url = "https://issuer.example"\n'))
    assert "workers" not in raised.value.detail


def test_an_unknown_member_of_the_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"'colour' is no setting of the issuer$"):
        load(environment=PUBLIC, config=_file(tmp_path, 'colour = "green"\n'))


def test_a_misspelt_variable_is_answered_with_the_near_ones():
    with pytest.raises(SettingsError, match=r"GREEN_ISSUER_PUBLIC_ULR .*near it: GREEN_ISSUER_PUBLIC_URL") as raised:
        load(environment=PUBLIC | {"GREEN_ISSUER_PUBLIC_ULR": "https://x.example"})
    assert "WORKERS" not in raised.value.detail


@pytest.mark.parametrize("text", ["not toml", "port = ", "\x00"])
def test_a_file_that_is_no_toml_is_refused(tmp_path, text):
    with pytest.raises(SettingsError, match="is not TOML"):
        load(environment=PUBLIC, config=_file(tmp_path, text))


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        load(environment=PUBLIC, config=tmp_path / "gone.toml")


def test_the_database_stands_in_the_data_folder_unless_it_is_set(tmp_path):
    settings = load(environment=PUBLIC | {"GREEN_ISSUER_DATA_DIR": str(tmp_path)})
    assert settings.store_url == f"sqlite:///{tmp_path}/issuer.db"
    assert settings.keys_path == tmp_path / "keys"
    other = load(environment=PUBLIC | {"GREEN_ISSUER_DATABASE_URL": "postgresql://db/green"})
    assert other.store_url == "postgresql://db/green"


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        load(environment=PUBLIC).port = 1


def test_how_much_of_a_window_has_to_be_measured_can_be_set():
    assert (load(environment=PUBLIC).completeness.full, load(environment=PUBLIC).completeness.least) == (
        Decimal("0.99"),
        Decimal("0.9"),
    )
    changed = load(environment=PUBLIC, overrides={"full_coverage": "1", "least_coverage": "0"})
    assert changed.completeness == CompletenessPolicy(Decimal(1), Decimal(0))


@pytest.mark.parametrize(
    "values",
    [{"full_coverage": "1.1"}, {"least_coverage": "0.995"}, {"least_coverage": "-0.1"}, {"full_coverage": "0.990"}],
)
def test_a_share_that_cannot_be_is_refused(values):
    with pytest.raises(SettingsError, match="least_coverage"):
        load(environment=PUBLIC, overrides=values)
