"""How the command line shows what is logged: one line, the constant message first, then its fields."""

from __future__ import annotations

import logging
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class LineFormatter(logging.Formatter):
    """``green-agent: message (field=value, …)``, without a traceback unless it is asked for."""

    def __init__(self, *, traces: bool = False) -> None:
        """Show tracebacks if ``traces``."""
        super().__init__()
        self._traces = traces

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields = [f"{name}={value}" for name, value in vars(record).items() if name not in _STANDARD]
        if record.exc_info and not self._traces and record.exc_info[1] is not None:
            fields.append(f"error={record.exc_info[1]}")
        line = f"green-agent: {record.getMessage()}" + (f" ({', '.join(fields)})" if fields else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info and self._traces else line


def log_to_stderr(*, verbose: bool = False) -> None:
    """Show warnings and worse on standard error; everything, with tracebacks, if ``verbose``."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(traces=verbose))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, handlers=[handler], force=True)
