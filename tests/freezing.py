"""Stop a process without closing its files, like a machine that swaps endlessly."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.concurrency import eventually


def freeze(process_id: int) -> None:
    """Stop a process. On a busy machine some threads run on for a moment; this returns when none does."""
    os.kill(process_id, signal.SIGSTOP)
    if Path("/proc/self/task").is_dir():
        assert eventually(lambda: _states(process_id) <= {"T"}), _states(process_id)


def thaw(process_id: int) -> None:
    """Let it go on."""
    os.kill(process_id, signal.SIGCONT)


def _states(process_id: int) -> set[str]:
    states = set()
    for task in Path(f"/proc/{process_id}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # The thread has just ended.
            states.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return states
