"""A pytest plugin that leaves out tests for which the machine lacks something, and names them in one line.

A mark names what a test needs. With REQUIRE_TOOLS=1, as in .ci/run, a missing tool is an error; what a machine does not
allow (mounting a file system) or is not (Linux) still leaves tests out. Named in tests/conftest.py, because
pytest-xdist's main process, which prints the lines, reads no conftest.py further down.

`features` names the features that a test of the core or of the whole needs; where one was deleted, it is left out too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatsupport.features import INSTALLED


@dataclass(frozen=True)
class Need:
    """Something that a test needs, how to look for it, and whether it is a tool one can install."""

    what: str
    is_there: Callable[[], bool]
    is_tool: bool


HEADLESS_SHELL = "chromium-headless-shell"
"""It needs half of the CPU time of the whole Chromium, but has no notifications, push messages and icons of pages."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FIREFOX = ("firefox-esr", "firefox")


def chromium(*, whole: bool = False) -> str | None:
    """Return the path of the system's Chromium, None where there is none: the whole one, or else the fastest."""
    return next(filter(None, map(shutil.which, CHROMIUM if whole else (HEADLESS_SHELL, *CHROMIUM))), None)


def firefox() -> str | None:
    """Return the path of the system's Firefox, None where there is none."""
    return next(filter(None, map(shutil.which, FIREFOX)), None)


def _has(*programs: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(program) is not None for program in programs)


def _can_mount() -> bool:
    if sys.platform != "linux" or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as directory:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", directory], check=True)
        return True


NEEDS = {
    "node": Need("Node.js with npm", _has("node", "npm"), is_tool=True),
    "chromium": Need("Chromium", lambda: chromium() is not None, is_tool=True),
    "whole_chromium": Need("the whole Chromium", lambda: chromium(whole=True) is not None, is_tool=True),
    "firefox": Need("Firefox", lambda: firefox() is not None, is_tool=True),
    "nginx": Need("nginx", _has("nginx"), is_tool=True),
    "debian_nginx": Need("nginx as Debian installs it", Path("/etc/nginx/sites-enabled/default").exists, is_tool=True),
    "promtool": Need("promtool", _has("promtool"), is_tool=True),
    "linux": Need("Linux", lambda: sys.platform == "linux", is_tool=False),
    "mount": Need("the right to mount a file system", _can_mount, is_tool=False),
}


def _missing(config: pytest.Config) -> dict[str, Need]:
    missing: dict[str, Need] | None = getattr(config, "missing_needs", None)
    if missing is None:
        missing = {mark: need for mark, need in NEEDS.items() if not need.is_there()}
        config.missing_needs = missing  # type: ignore[attr-defined]
    return missing


def pytest_configure(config: pytest.Config) -> None:
    for mark, need in NEEDS.items():
        config.addinivalue_line("markers", f"{mark}: needs {need.what}; left out where it is missing")
    config.addinivalue_line("markers", "features(*names): needs these features; left out where one is not installed")
    tools = [need.what for need in _missing(config).values() if need.is_tool]
    if tools and os.environ.get("REQUIRE_TOOLS") == "1":
        raise pytest.UsageError(f"REQUIRE_TOOLS=1, but there is no {' and no '.join(tools)} on PATH")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = _missing(config)
    left_out = [
        item
        for item in items
        if any(item.get_closest_marker(mark) for mark in missing)
        or any(not set(mark.args) <= set(INSTALLED) for mark in item.iter_markers("features"))
    ]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for need in _missing(config).values():
        terminalreporter.write_line(f"This machine lacks {need.what}: the tests that need it are left out.")
