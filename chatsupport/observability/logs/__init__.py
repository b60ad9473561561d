"""Logging: a console, LOG_DIR/app.log with everything and LOG_DIR/error.log with errors, as lines of JSON."""

from __future__ import annotations

import logging
import os
import sys

from chatsupport.config import Config
from chatsupport.observability.logs.context import clear, enter, leave
from chatsupport.observability.logs.files import SharedRotatingFileHandler
from chatsupport.observability.logs.flood import LinesByAddress
from chatsupport.observability.logs.formatters import HumanFormatter, JsonFormatter

__all__ = ["clear", "enter", "leave", "setup_logging"]

REQUEST_ID = "chatsupport.request_id"
"""The key of a request's id in the WSGI environment."""
MAX_BYTES = 10 * 1024 * 1024
BACKUPS = 5

# These libraries report every packet or request at INFO, or every client's mistake at WARNING. With an explicit level,
# python-engineio and python-socketio also add no console handler of their own.
_LIBRARY_LEVELS = {
    "engineio": logging.ERROR,
    "engineio.client": logging.ERROR,
    "engineio.server": logging.ERROR,
    "socketio": logging.ERROR,
    "socketio.client": logging.ERROR,
    "socketio.server": logging.ERROR,
    "eventlet": logging.WARNING,
    "gunicorn.error": logging.WARNING,
    "pymongo": logging.WARNING,
    "werkzeug": logging.WARNING,
}

# Our lines do not show these, so they need not be looked up for each record.
for _unused in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
    setattr(logging, _unused, False)

_installed: list[logging.Handler] = []


def setup_logging(config: Config) -> None:
    """Send all logging to the console and LOG_DIR. A second call replaces the handlers of the first."""
    root = logging.getLogger()
    for handler in _installed:
        root.removeHandler(handler)
        handler.close()
    _installed.clear()

    logging.getLogger("chatsupport").setLevel(config.log_level)
    for name, level in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    _take_over_gunicorn()

    flood = LinesByAddress(config.rate_limit_log_lines) if config.rate_limits else None
    json_formatter = JsonFormatter()
    # A command's output belongs to its caller, and may go into a variable or a pipe.
    stream = sys.stderr if "FLASK_RUN_FROM_CLI" in os.environ else sys.stdout
    human = config.app_env == "development" and stream.isatty()
    console = logging.StreamHandler(stream)
    console.setFormatter(HumanFormatter() if human else json_formatter)
    _install(console, flood)
    if config.log_to_files:
        _install_files(config, json_formatter, flood)


def _install_files(config: Config, formatter: logging.Formatter, flood: logging.Filter | None) -> None:
    try:
        config.log_dir.mkdir(parents=True, exist_ok=True)
        everything = SharedRotatingFileHandler(config.log_dir / "app.log", MAX_BYTES, BACKUPS)
        errors = SharedRotatingFileHandler(config.log_dir / "error.log", MAX_BYTES, BACKUPS)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "Nothing is logged to files: LOG_DIR cannot be written", extra={"reason": str(error)}
        )
        return
    errors.setLevel(logging.ERROR)
    for handler in (everything, errors):
        handler.setFormatter(formatter)
        _install(handler, flood)


def _install(handler: logging.Handler, flood: logging.Filter | None) -> None:
    if flood is not None:
        handler.addFilter(flood)
    logging.getLogger().addHandler(handler)
    _installed.append(handler)


def _take_over_gunicorn() -> None:
    # Gunicorn's logger has its own handler and does not pass records on; its errors belong in our log.
    logger = logging.getLogger("gunicorn.error")
    logger.handlers.clear()
    logger.propagate = True
    if not any(isinstance(item, _EventletNotice) for item in logger.filters):
        logger.addFilter(_EventletNotice())


class _EventletNotice(logging.Filter):
    """Drops the notice that gunicorn 26 has no eventlet worker, given at each start; requirements.txt pins 25."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "eventlet worker is DEPRECATED" not in str(record.msg)
