"""Logging: what a line contains, what it never contains, and files that several processes write."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatsupport.config import Config
from chatsupport.observability import logs
from chatsupport.observability.logs.formatters import JsonFormatter

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"

SetUp = Callable[..., Config]
logger = logging.getLogger("chatsupport.test")


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[SetUp]:
    """Set up logging with LOG_DIR in a temporary directory, and restore everything at the end."""
    names = ["", "chatsupport", *logs._LIBRARY_LEVELS]
    levels = {name: logging.getLogger(name).level for name in names}

    def run(**overrides: Any) -> Config:
        config = dataclasses.replace(
            Config(jwt_secret="x", app_env="production", log_dir=tmp_path / "logs"), **overrides
        )
        logs.setup_logging(config)
        return config

    yield run
    logs.clear()
    for handler in logs._installed:
        logging.getLogger().removeHandler(handler)
        handler.close()
    logs._installed.clear()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def app_log(set_up: SetUp) -> Callable[[], list[dict[str, Any]]]:
    """Set up logging. Call the fixture to get the lines of app.log."""
    config = set_up()
    return lambda: lines(config.log_dir / "app.log")


def test_a_line_has_time_level_logger_message_context_and_fields(app_log: Any) -> None:
    logs.enter(lambda: {"request_id": "r1", "caller": "user:u1", "session_id": "s1"})
    logger.info("Sent %s", "it", extra={"event": "send_message", "status": 201, "ms": 1.5})

    (line,) = app_log()
    assert line.pop("timestamp")[10:24:13] == "TZ"
    assert line == {
        "level": "INFO",
        "logger": "chatsupport.test",
        "message": "Sent it",
        "request_id": "r1",
        "caller": "user:u1",
        "session_id": "s1",
        "event": "send_message",
        "status": 201,
        "ms": 1.5,
    }


def test_an_exception_is_part_of_its_line(app_log: Any) -> None:
    try:
        raise ValueError("of this kind")
    except ValueError:
        logger.exception("It failed")

    (line,) = app_log()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: of this kind")


def test_fields_are_bound_until_they_are_left_or_cleared(app_log: Any) -> None:
    outer = logs.enter(lambda: {"request_id": "outer"})
    inner = logs.enter(lambda: {"session_id": "s"})
    logger.info("inside")
    logs.leave(inner)
    logger.info("between")
    logs.leave(outer)
    logger.info("outside")
    logs.enter(lambda: {"request_id": "r"})
    logs.clear()
    logger.info("cleared")

    assert [(line.get("request_id"), line.get("session_id")) for line in app_log()] == [
        (None, "s"),
        ("outer", None),
        (None, None),
        (None, None),
    ]


def test_errors_are_in_both_files_the_rest_in_one(set_up: SetUp) -> None:
    config = set_up()

    logger.info("a")
    logger.error("b")
    logging.getLogger("some.library").warning("c")
    logging.getLogger("some.library").info("not for us")

    assert [line["message"] for line in lines(config.log_dir / "app.log")] == ["a", "b", "c"]
    assert [line["message"] for line in lines(config.log_dir / "error.log")] == ["b"]


def test_the_level_is_the_configured_one(set_up: SetUp) -> None:
    config = set_up(log_level="WARNING")

    logger.info("no")
    logger.warning("yes")

    assert [line["message"] for line in lines(config.log_dir / "app.log")] == ["yes"]
    assert not logger.isEnabledFor(logging.INFO)


def test_setting_up_twice_duplicates_no_line(set_up: SetUp) -> None:
    set_up()
    count = len(logging.getLogger().handlers)
    config = set_up()

    logger.info("once")

    assert len(logging.getLogger().handlers) == count
    assert len(lines(config.log_dir / "app.log")) == 1


def test_the_console_gets_json_too(set_up: SetUp, capsys: pytest.CaptureFixture[str]) -> None:
    config = set_up(log_to_files=False)

    logger.info("hello")

    assert json.loads(capsys.readouterr().out)["message"] == "hello"
    assert not config.log_dir.exists()


def test_a_terminal_in_development_gets_text(
    set_up: SetUp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    set_up(app_env="development", log_to_files=False)

    logs.enter(lambda: {"caller": "user:u1"})
    logger.info("hello\nINFO forged", extra={"ms": 2, "token": "hunter2"})

    (line,) = capsys.readouterr().out.splitlines()
    assert line[8:].split() == ["INFO", r"hello\nINFO", "forged", "caller=user:u1", "ms=2", "token=***"]


@pytest.mark.parametrize("text", ["a\nb", "a\r\n{}", 'quote " and \\', "\x00\x1b[2J\u2028", "😀", "x" * 10_000])
def test_any_text_stays_one_line_of_json(set_up: SetUp, text: str) -> None:
    config = set_up()

    logger.info("%s", text, extra={"path": text})

    written = (config.log_dir / "app.log").read_bytes()
    assert written.count(b"\n") == 1
    assert json.loads(written)["message"] == json.loads(written)["path"] == text


def test_half_a_surrogate_pair_is_escaped() -> None:
    # Formatted directly: pytest captures log records and sends them between processes, which fails for such text.
    line = JsonFormatter().format(logging.LogRecord("x", logging.INFO, "", 0, "\ud800", (), None))

    assert line.isascii()
    assert json.loads(line)["message"] == "\ud800"


def test_odd_fields_do_not_break_a_line(app_log: Any) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    logger.info("x", extra={"a": Odd(), "b": {1: (2, None)}, "c": 2**70, "d": b"bytes", "e": {Path("p")}})

    (line,) = app_log()
    assert [line[name] for name in "abcde"] == ["odd", {"1": [2, None]}, 2**70, "b'bytes'", ["p"]]


def test_a_log_directory_that_cannot_be_written_is_one_warning(
    set_up: SetUp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    set_up(log_dir=tmp_path / "file/logs")

    logger.info("still on the console")

    warning, line = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (warning["level"], line["message"]) == ("WARNING", "still on the console")
    assert "LOG_DIR" in warning["message"]


def test_a_log_file_that_becomes_unwritable_breaks_nothing(
    set_up: SetUp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chatsupport.observability.logs.files.os.write", full)
    logger.info("one")
    logger.info("two")
    monkeypatch.undo()

    assert capsys.readouterr().err.count("app.log cannot be written") == 1


def test_a_removed_file_is_made_again(set_up: SetUp) -> None:
    config = set_up()
    logger.info("one")
    (config.log_dir / "app.log").unlink()

    logger.info("two")

    assert [line["message"] for line in lines(config.log_dir / "app.log")] == ["two"]


def test_libraries_do_not_add_a_console_of_their_own(set_up: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    import socketio

    for name in ("socketio.server", "engineio.server"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])  # Other tests have servers without our log.
    set_up()
    socketio.Server(async_mode="threading", logger=False, engineio_logger=False)

    assert logging.getLogger("socketio.server").handlers == []
    assert logging.getLogger("engineio.server").handlers == []
