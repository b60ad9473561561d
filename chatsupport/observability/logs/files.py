"""A log file that several processes append to and rotate together.

The standard library's rotating handler loses lines when two processes write one file, and concurrent-log-handler takes
a file lock for every line (four times the cost of a plain file). Here a line is one write to a file opened for
appending, which the kernel keeps whole, and only a rotation takes a lock.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COMPLAINT_INTERVAL_S = 60.0


class SharedRotatingFileHandler(logging.Handler):
    """Appends lines to a file; at `max_bytes` it becomes `.1`, `.1` becomes `.2`, and so on up to `backups`."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        """Open the file at once; raise OSError if it cannot be written."""
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._next_complaint = 0.0
        self._descriptor = self._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a failure is reported on stderr at most once a minute and never raised."""
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            status = os.fstat(self._descriptor)
            # This also notices another process's rotation: the file that it renamed is full.
            if status.st_nlink == 0 or status.st_size >= self._max_bytes:
                self._renew()
            os.write(self._descriptor, line)
        except Exception as error:  # noqa: BLE001 - logging never breaks what it reports on
            self._complain(error)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _renew(self) -> None:
        with self._lock_rotation():
            if self._is_still_current():
                for number in range(self._backups - 1, 0, -1):
                    older = self._backup(number)
                    if older.exists():
                        older.replace(self._backup(number + 1))
                self._path.replace(self._backup(1))
            fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh

    def _is_still_current(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    @contextmanager
    def _lock_rotation(self) -> Iterator[None]:
        # Opened anew each time: a lock on a descriptor inherited by fork() would not exclude the other process.
        descriptor = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _complain(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + _COMPLAINT_INTERVAL_S
            sys.stderr.write(f"{self._path.name} cannot be written: {error!r}\n")
