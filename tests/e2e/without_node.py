"""A pytest plugin for machines without Node.js: the tests marked `node` are left out, and one line says so.

With REQUIRE_NODE=1 a missing Node.js is an error. Named in tests/conftest.py, because pytest-xdist's main process,
which prints that line, reads no conftest.py further down.
"""

from __future__ import annotations

import os
import shutil

import pytest

HAS_NODE = shutil.which("node") is not None and shutil.which("npm") is not None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "node: needs Node.js; left out where there is none")
    if not HAS_NODE and os.environ.get("REQUIRE_NODE") == "1":
        raise pytest.UsageError("REQUIRE_NODE=1, but there is no node or no npm on PATH: install Node.js 18 or later")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if HAS_NODE:
        return
    left_out = [item for item in items if item.get_closest_marker("node")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not HAS_NODE:
        terminalreporter.write_line("No Node.js on PATH: the tests with the JavaScript client are left out.")
