from pathlib import Path

from agent.home import home


def test_the_home_is_in_the_users_data_folder():
    assert home({"HOME": "/home/ada"}).folder == Path("/home/ada/.local/share/green-agent")


def test_a_variable_names_another_home():
    assert home({"HOME": "/home/ada", "GREEN_AGENT_HOME": "/var/lib/agent"}).folder == Path("/var/lib/agent")


def test_a_relative_home_is_made_absolute():
    assert home({"GREEN_AGENT_HOME": "x"}).folder == Path.cwd() / "x"


def test_everything_stands_in_the_home():
    place = home({"GREEN_AGENT_HOME": "/a"})
    parts = [place.settings_file, place.key_file, place.spool, place.credentials, place.contact_file, place.devices]

    assert {part.parent for part in parts} == {Path("/a")}
    assert len(set(parts)) == 6
