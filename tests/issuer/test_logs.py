"""What is logged, and what never is."""

from __future__ import annotations

import json

import pytest
import structlog

from issuer import logs


@pytest.fixture(autouse=True)
def _restored():
    yield
    structlog.reset_defaults()


def test_an_event_is_one_json_object_on_standard_error(capsys):
    logs.configure("json", "info")
    structlog.get_logger().info("issued", tenant="acme")
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "issued"
    assert event["tenant"] == "acme"
    assert event["timestamp"].endswith("Z")


def test_a_less_severe_event_is_not_logged(capsys):
    logs.configure("json", "warning")
    structlog.get_logger().info("issued")
    assert capsys.readouterr().err == ""


def test_an_error_brings_its_trace(capsys):
    logs.configure("json", "info")
    structlog.get_logger().error("failed", exc_info=ValueError("broken"))
    assert "ValueError: broken" in json.loads(capsys.readouterr().err)["exception"]


def test_a_terminal_gets_text(capsys):
    logs.configure("console", "info")
    structlog.get_logger().info("issued", tenant="acme")
    assert "tenant=acme" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "invite_token", "db_password", "api_key", "private_jwk", "client_secret"]
)
def test_a_secret_is_taken_out_by_its_name(capsys, name):
    logs.configure("json", "info")
    structlog.get_logger().info("seen", **{name: "hunter2"})
    assert "hunter2" not in capsys.readouterr().err


def test_a_line_break_in_a_value_makes_no_line_of_its_own(capsys):
    logs.configure("json", "info")
    structlog.get_logger().info("seen", path='x\n{"event":"forged"}')
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_trace_shows_no_variable_of_any_frame(capsys, log_format):
    logs.configure(log_format, "info")
    header = "Bearer " + "gck_" + "s" * 43

    def fail(authorization):
        return int(authorization.partition(" ")[0])

    try:
        fail(header)
    except ValueError as error:
        structlog.get_logger().error("request failed", exc_info=error)
    written = capsys.readouterr().err
    assert "ValueError" in written
    assert header not in written
    assert "locals" not in written
