"""A feature can be deleted with its folder, its line and its tests, and the core still works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatsupport.features import INSTALLED

ROOT = Path(__file__).parents[2]
PROJECT = ("*.cfg", "*.in", "*.md", "*.py", "*.toml", "*.txt", "*.yaml", ".env.example", ".ci", ".github", "Makefile")
FOLDERS = ("bench", "chatsupport", "deploy", "docs", "tests")
LARGE = shutil.ignore_patterns("node_modules", "images")
"""Compiled modules are copied, which saves the copies from compiling them again."""

MESSAGES = "tests/integration/sockets/test_messages.py"
A_CHAT = (MESSAGES, "-k", "over_rest")
"""A start, a message and an end, over REST and sockets. `lint-imports` shows that no feature imports another one."""
CORE = (
    MESSAGES,
    "tests/integration/services/sessions/test_sessions.py",
    "tests/integration/sockets/test_connect.py",
    "tests/unit/contract",
    "tests/unit/services",
    "tests/integration/blueprints/test_openapi.py",
    "tests/integration/services/assignment",
    "tests/integration/services/people/test_agents.py",
    "tests/integration/sockets/test_rooms.py",
)
OF_THE_DOCUMENTATION = ("tests/unit/test_documentation.py", "tests/unit/contract/test_events_page.py")
"""These ask, rightly, that what describes the feature is taken out of the pages too."""


def delete(project: Path, *names: str) -> None:
    """Copy the project there, and delete these features from it by hand."""
    project.mkdir()
    for path in {path for pattern in PROJECT + FOLDERS for path in ROOT.glob(pattern)}:
        if path.is_dir():
            shutil.copytree(path, project / path.name, ignore=LARGE)
        else:
            shutil.copy(path, project)
    features = project / "chatsupport/features/__init__.py"
    lines = features.read_text().splitlines(keepends=True)
    for name in names:
        lines.remove(f'    "{name}",\n')
        shutil.rmtree(project / "chatsupport/features" / name)
        shutil.rmtree(project / "tests/features" / name)
    features.write_text("".join(lines))


def run(project: Path, uri: str, tests: Sequence[str]) -> None:
    """Run tests there, with their own database."""
    environment = {**os.environ, "MONGODB_URI": uri, "PYTEST_XDIST_WORKER": f"without-{project.name}"}
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *(f"--ignore={path}" for path in OF_THE_DOCUMENTATION)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", INSTALLED)
def test_a_chat_works_without(name: str, tmp_path: Path, mongodb_uri: str) -> None:
    delete(tmp_path / name, name)

    run(tmp_path / name, mongodb_uri, A_CHAT)


@pytest.mark.timeout(600)
def test_the_core_works_without_any(tmp_path: Path, mongodb_uri: str) -> None:
    delete(tmp_path / "all", *INSTALLED)

    run(tmp_path / "all", mongodb_uri, CORE)
