"""What holds for every test."""

import signal
import sys

import pytest
from hypothesis import settings

# A busy machine is slow at times, and a property does not fail for that.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


def pytest_configure() -> None:
    """Let the programs that tests start have the signals of a terminal, also where a script started us without."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(autouse=True)
def _logs_go_nowhere_else():
    """Forget where a test sent the log: its captured output is closed when the next one writes."""
    yield
    if "structlog" in sys.modules:
        sys.modules["structlog"].reset_defaults()
