"""Turn log records into lines: JSON for machines, or readable text for a terminal."""

from __future__ import annotations

import json
import logging
import time
from functools import lru_cache

import orjson

from chatsupport.observability.logs.context import current
from chatsupport.observability.logs.flood import VERDICT
from chatsupport.observability.logs.redaction import redact, redact_text

_LINE_CACHE = "_json_line"
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "asctime",
    "message",
    "taskName",
    _LINE_CACHE,
    VERDICT,
}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: timestamp, level, logger, message, context, extra fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. All handlers of one record share it."""
        line: str | None = getattr(record, _LINE_CACHE, None)
        if line is None:
            line = _dump(
                {
                    "timestamp": timestamp(record.created),
                    "level": record.levelname,
                    "logger": record.name,
                    "message": redact_text(record.getMessage()),
                    **_fields(record),
                    **_exception(self, record),
                }
            )
            setattr(record, _LINE_CACHE, line)
        return line


class HumanFormatter(logging.Formatter):
    """Formats a record for a terminal: time, level, logger, message, fields; an exception on lines below."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters escaped so that nobody can forge another line."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        parts = [f"{clock} {record.levelname:<8} {_printable(redact_text(record.getMessage()))}"]
        parts += [f"{name}={_printable(str(value))}" for name, value in _fields(record).items()]
        return "  ".join(parts) + "".join(f"\n{text}" for text in _exception(self, record).values())


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC with milliseconds and Z."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {name: redact(name, value) for name, value in {**current(), **extra}.items()}


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    text = ""
    if record.exc_info and record.exc_info[0]:
        text = formatter.formatException(record.exc_info)
    if record.stack_info:
        text += "\n" + formatter.formatStack(record.stack_info)
    return {"exception": redact_text(text)} if text else {}


def _dump(fields: dict[str, object]) -> str:
    try:
        return orjson.dumps(fields).decode()
    except TypeError:
        # Only the standard library's encoder accepts lone surrogates and integers over 64 bits.
        return json.dumps(fields, ensure_ascii=True)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
