import stat

import pytest

from agent import config
from agent.config import Settings, check_enrolled, check_issuer
from agent.errors import SettingsError
from agent.home import home


@pytest.fixture
def environment(tmp_path):
    return {"GREEN_AGENT_HOME": str(tmp_path)}


def write(tmp_path, text):
    (tmp_path / "agent.toml").write_text(text)


def test_without_file_and_variables_there_are_the_defaults(environment, tmp_path):
    settings = config.load(environment)

    assert settings.meter == "auto"
    assert settings.key == f"file:{tmp_path}/node.pem"
    assert not settings.development


def test_the_file_is_read(environment, tmp_path):
    write(tmp_path, 'issuer = "https://oracle.example"\nnode_id = "node-7"\ngpus = ["GPU-a"]\nslice_s = 60\n')
    settings = config.load(environment)

    assert (settings.issuer, settings.node_id) == ("https://oracle.example", "node-7")
    assert (settings.gpus, settings.slice_s) == (("GPU-a",), 60.0)


def test_a_variable_wins_over_the_file(environment, tmp_path):
    write(tmp_path, 'node_id = "node-7"\n')

    assert config.load(environment | {"GREEN_AGENT_NODE_ID": "node-8"}).node_id == "node-8"


def test_variables_are_read_by_their_type(environment):
    settings = config.load(
        environment
        | {
            "GREEN_AGENT_GPUS": "GPU-a, GPU-b,",
            "GREEN_AGENT_SUBMIT": "false",
            "GREEN_AGENT_SLICE_S": "1.5",
            "GREEN_AGENT_SPOOL_MAX_BYTES": "65536",
        }
    )

    assert settings.gpus == ("GPU-a", "GPU-b")
    assert (settings.submit, settings.slice_s, settings.spool_max_bytes) == (False, 1.5, 65536)


def test_other_programs_variables_are_left_alone(environment):
    assert config.load(environment | {"GREEN_ISSUER_PORT": "1", "PATH": "/bin"}).meter == "auto"


@pytest.mark.parametrize("variable", ["GREEN_AGENT_NODEID", "GREEN_AGENT_", "GREEN_AGENT_TOKEN"])
def test_a_variable_that_is_no_setting_is_refused_by_name(environment, variable):
    with pytest.raises(SettingsError, match=variable):
        config.load(environment | {variable: "x"})


def test_what_was_misspelt_is_answered_with_the_near_names_alone(environment, tmp_path):
    with pytest.raises(SettingsError, match="near it: GREEN_AGENT_METER, GREEN_AGENT_METRICS; take") as raised:
        config.load(environment | {"GREEN_AGENT_METR": "nvml"})
    assert "node_id" not in raised.value.detail.lower()
    write(tmp_path, "metr = 'nvml'")
    with pytest.raises(SettingsError, match="'metr' is no setting of the agent; near it: meter, metrics; take it away"):
        config.load(environment)
    write(tmp_path, "meter = 'nvml'")
    with pytest.raises(SettingsError, match="agent; take it away"):
        config.load(environment | {"GREEN_AGENT_XYZZY": "1"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nodeid = 'x'", "nodeid"),
        ("meter = 'guess'", "meter"),
        ("slice_s = 0", "slice_s"),
        ("slice_s = 90000", "slice_s"),
        ("spool_max_bytes = 1", "spool_max_bytes"),
        ("gpus = 'GPU-a'", "gpus"),
        ("issuer = ", "agent.toml"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(environment, tmp_path, text, named):
    write(tmp_path, text)

    with pytest.raises(SettingsError, match=named):
        config.load(environment)


def test_a_variable_that_cannot_be_is_refused_by_name(environment):
    with pytest.raises(SettingsError, match="development"):
        config.load(environment | {"GREEN_AGENT_DEVELOPMENT": "maybe"})


def test_a_file_that_cannot_be_read_is_refused(environment, tmp_path):
    (tmp_path / "agent.toml").mkdir()

    with pytest.raises(SettingsError, match=r"agent\.toml"):
        config.load(environment)


@pytest.mark.parametrize("issuer", ["https://oracle.example", "https://oracle.example:8443/base/"])
def test_https_is_taken(issuer):
    assert check_issuer(issuer, development=False) == issuer.rstrip("/")


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_http_to_loopback_is_taken_in_development_only(issuer):
    assert check_issuer(issuer, development=True) == issuer
    with pytest.raises(SettingsError, match="https"):
        check_issuer(issuer, development=False)


@pytest.mark.parametrize("issuer", ["http://oracle.example", "http://10.0.0.1", "http://localhost.evil.example"])
def test_http_to_anywhere_else_is_never_taken(issuer):
    with pytest.raises(SettingsError, match="loopback"):
        check_issuer(issuer, development=True)


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "oracle.example",
        "ftp://oracle.example",
        "https://",
        "https://u:p@x.example",
        "https://x/?a",
        "https://[",
        "https://x:y",
    ],
)
def test_what_is_no_base_url_is_refused(issuer):
    with pytest.raises(SettingsError, match="no base URL"):
        check_issuer(issuer, development=True)


def test_an_issuer_in_the_file_is_checked_when_it_is_read(environment, tmp_path):
    write(tmp_path, 'issuer = "http://oracle.example"')

    with pytest.raises(SettingsError, match="https"):
        config.load(environment)


@pytest.mark.parametrize("missing", ["issuer", "node_id"])
def test_a_node_that_is_not_enrolled_is_told_what_to_do(missing):
    members = {"issuer": "https://oracle.example", "node_id": "node-7"}
    members.pop(missing)

    with pytest.raises(SettingsError, match="green-agent enroll"):
        check_enrolled(Settings(**members))


def test_what_is_saved_is_read_back(environment, tmp_path):
    members = {"issuer": "https://oracle.example", "node_id": 'quo"te\\ü', "development": True, "gpus": ["a", "b"]}
    config.save(home(environment), members)
    settings = config.load(environment)

    assert (settings.node_id, settings.development, settings.gpus) == ('quo"te\\ü', True, ("a", "b"))
    assert stat.S_IMODE((tmp_path / "agent.toml").stat().st_mode) == 0o600
