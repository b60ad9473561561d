"""A feature can be deleted with its folder, its line and its tests, and the core still works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatsupport.features import INSTALLED

ROOT = Path(__file__).parents[2]
PROJECT = ("*.cfg", "*.in", "*.md", "*.py", "*.toml", "*.txt", "*.yaml", ".env.example", ".ci", ".github", "Makefile")
FOLDERS = ("bench", "chatsupport", "deploy", "docs", "tests")
LARGE = shutil.ignore_patterns("node_modules", "images")
"""Compiled modules are copied, which saves the copies from compiling them again."""

CHATS = """
import gc, os, sys
gc.disable()
os.environ["EVENTLET_NO_GREENDNS"] = "yes"
# The core is imported once for all, where there are no features. Those that are left are imported after the fork.
import pathlib, redis, smtplib
from chatsupport import features
from chatsupport.config import Config
from chatsupport.extensions import socketio
from chatsupport.factory import create_app

assert not [module for module in sys.modules if module.startswith("chatsupport.features.")]


def chat(name, uri):
    folder = pathlib.Path("chatsupport/features").absolute()
    features.__path__[:] = [str(folder)]
    exec((folder / "__init__.py").read_text(), vars(features))
    assert len(features.INSTALLED) == len(sys.argv[2:]) - 1 and name not in features.INSTALLED
    app = create_app(
        Config(
            app_env="testing",
            jwt_secret="s" * 40,
            api_keys=("k" * 32,),
            mongodb_uri=uri,
            mongodb_db="chat-support-test-without-a-feature",
            data_dir=pathlib.Path("data"),
            log_dir=pathlib.Path("logs"),
            log_to_files=False,
            async_mode="threading",
            timed_work=False,
        )
    )
    operator = app.test_client()
    operator.environ_base["HTTP_X_API_KEY"] = "k" * 32

    def post(path, **body):
        response = operator.post(path, json=body)
        assert response.status_code in (200, 201), response.text
        return response.json["data"]

    post("/api/agents", name="Ada")
    session_id = post("/api/chat/start-session", userId="u1")["sessionId"]
    socket = socketio.test_client(app, auth={"apiKey": "k" * 32})
    assert socket.emit("join_session", {"sessionId": session_id}, callback=True)["success"]
    post(f"/api/chat/send-message/{session_id}", message="hello")
    assert "new_message" in [event["name"] for event in socket.get_received()]
    assert operator.get(f"/api/chat/messages/{session_id}").json["data"]["messages"][0]["message"] == "hello"
    post(f"/api/chat/end-session/{session_id}")
    assert operator.get("/api/openapi.json").status_code == 200


failed = []
for name in sys.argv[2:]:
    child = os.fork()
    if not child:
        os.chdir(f"../{name}")
        chat(name, sys.argv[1])
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
sys.exit(f"There is no chat without {failed}." if failed else 0)
"""
"""For each feature, a start, a message over REST and sockets, and an end, in a process forked for it. `lint-imports`
shows that no feature imports another one.
"""
CORE = (
    "tests/integration/sockets/test_messages.py",
    "tests/integration/services/sessions/test_sessions.py",
    "tests/integration/sockets/test_connect.py",
    "tests/unit/contract",
    "tests/unit/services",
    "tests/integration/blueprints/test_openapi.py",
    "tests/integration/services/assignment/test_assignment.py",
    "tests/integration/services/assignment/test_bots.py",
    "tests/integration/services/people/test_agents.py",
)
OF_THE_DOCUMENTATION = ("tests/unit/test_documentation.py", "tests/unit/contract/test_events_page.py")
"""These ask, rightly, that what describes the feature is taken out of the pages too."""


def copy_to(project: Path) -> None:
    """Copy the project there."""
    project.mkdir()
    for path in {path for pattern in PROJECT + FOLDERS for path in ROOT.glob(pattern)}:
        if path.is_dir():
            shutil.copytree(path, project / path.name, ignore=LARGE)
        else:
            shutil.copy(path, project)


def delete(project: Path, name: str) -> None:
    """Delete a feature there by hand: its folder and its line."""
    features = project / "chatsupport/features"
    listed = features / "__init__.py"
    lines = listed.read_text()
    listed.unlink()  # It may be a link to another copy's.
    listed.write_text(lines.replace(f'    "{name}",\n', ""))
    shutil.rmtree(features / name)


def run(project: Path, *arguments: str, **environment: str) -> str:
    """Run Python there, with those arguments, and return what it prints. Fails if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the project."""
    project = tmp_path / "copy"
    copy_to(project)
    return project


@pytest.mark.timeout(240)
def test_a_chat_works_without_each(copied: Path, tmp_path: Path, mongodb_uri: str) -> None:
    features = Path("chatsupport/features")
    for name in INSTALLED:
        shutil.copytree(copied / features, tmp_path / name / features, copy_function=os.link)
        delete(tmp_path / name, name)
    core = tmp_path / "core"
    shutil.copytree(copied / "chatsupport", core / "chatsupport", copy_function=os.link)
    for name in INSTALLED:
        shutil.rmtree(core / features / name)

    run(core, "-c", CHATS, mongodb_uri, *INSTALLED)


@pytest.mark.timeout(600)
def test_the_core_works_without_any(copied: Path, mongodb_uri: str) -> None:
    for name in INSTALLED:
        delete(copied, name)
        shutil.rmtree(copied / "tests/features" / name)

    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *(f"--ignore={path}" for path in OF_THE_DOCUMENTATION)]
    printed = run(
        copied, "-m", "pytest", *options, *CORE, MONGODB_URI=mongodb_uri, PYTEST_XDIST_WORKER="without-features"
    )
    assert " passed" in printed
