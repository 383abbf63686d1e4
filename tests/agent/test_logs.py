import logging
import sys

from agent.logs import LineFormatter


def record(message="telemetry not accepted yet", **fields):
    return logging.makeLogRecord({"name": "agent.submit", "levelno": logging.WARNING, "msg": message, **fields})


def failed():
    try:
        int("the reason")
    except ValueError:
        return sys.exc_info()


def test_a_line_is_the_message_and_then_its_fields():
    assert LineFormatter().format(record(pause_s=2.5, reason="503")) == (
        "green-agent: telemetry not accepted yet (pause_s=2.5, reason=503)"
    )


def test_a_message_without_fields_stands_alone():
    assert LineFormatter().format(record()) == "green-agent: telemetry not accepted yet"


def test_an_exception_is_told_in_a_word():
    assert LineFormatter().format(record(exc_info=failed())).endswith("'the reason')")


def test_a_traceback_is_shown_when_asked_for():
    assert "Traceback" in LineFormatter(traces=True).format(record(exc_info=failed()))
