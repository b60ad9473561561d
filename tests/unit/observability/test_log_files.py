"""Log files: rotation, also by several processes at once."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from chatsupport.observability.logs.files import SharedRotatingFileHandler
from tests import ROOT


def test_rotation_keeps_the_configured_number_and_size_of_files(tmp_path: Path) -> None:
    handler = SharedRotatingFileHandler(tmp_path / "a.log", max_bytes=1000, backups=2)
    for number in range(100):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"{number:099}", (), None))
    handler.close()

    kept = ["a.log.2", "a.log.1", "a.log"]
    assert sorted(path.name for path in tmp_path.glob("a.log*")) == sorted(kept)
    numbers = [int(line) for name in kept for line in (tmp_path / name).read_text().split()]
    assert numbers == list(range(70, 100))


def test_several_processes_lose_no_line_while_they_rotate(tmp_path: Path) -> None:
    script = f"""
import logging, sys
from pathlib import Path
from chatsupport.observability.logs.files import SharedRotatingFileHandler
from chatsupport.observability.logs.formatters import JsonFormatter
handler = SharedRotatingFileHandler(Path({str(tmp_path)!r}) / "a.log", 20_000, 50)
for number in range(2_000):
    handler.emit(logging.LogRecord("x", 20, "", 0, f"{{sys.argv[1]}}:{{number:050}}", (), None))
"""
    processes = [subprocess.Popen([sys.executable, "-c", script, name], cwd=ROOT) for name in "abc"]
    assert [process.wait(40) for process in processes] == [0, 0, 0]

    written = [line for path in tmp_path.glob("a.log*") for line in path.read_text().splitlines()]
    assert sorted(written) == [f"{name}:{number:050}" for name in "abc" for number in range(2_000)]
    assert len(list(tmp_path.glob("a.log.*"))) >= 15
