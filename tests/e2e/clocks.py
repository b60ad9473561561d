"""The clock of one server process, which may differ from the others and jump (tests/clock_shim)."""

from __future__ import annotations

import struct
from pathlib import Path

SHIM = Path(__file__).parents[1] / "clock_shim"


class Clock:
    """A clock that is right at first. Processes that should use it get `environment`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "clock"
        self.set(0.0)
        self.environment = {"PYTHONPATH": str(SHIM), "CLOCK_SHIM": str(self._file)}

    def set(self, ahead: float) -> None:
        """Set it ahead by this many seconds from now on."""
        # Written in place, because the processes have mapped it.
        with open(self._file, "r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("d", ahead))
