"""The log, as lines of a log file."""

from __future__ import annotations

import json
import logging
from typing import Any

from chatsupport.observability.logs.formatters import JsonFormatter

Line = dict[str, Any]


class Lines(logging.Handler):
    """The lines that would be written, with the context in which they were logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._formatter = JsonFormatter()
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self._formatter.format(record)))

    def of(self, event: str) -> list[Line]:
        return [line for line in list(self.lines) if line.get("event") == event]
