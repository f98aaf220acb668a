"""Records of the standard library's logging as the log lines that all programs of Atoll write."""

from __future__ import annotations

import logging

from controller.log import Log


class LogLines(logging.Handler):
    """The event is the message; an exception becomes one line too."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            facts = {"level": record.levelname.lower(), "logger": record.name}
            if record.exc_info:
                facts["exception"] = logging.Formatter().formatException(record.exc_info)
            self._log(record.getMessage(), **facts)
        except Exception:
            self.handleError(record)
