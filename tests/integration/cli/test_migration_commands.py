"""The migration for operators: the output of the commands, and servers that refuse to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatsupport import migration
from chatsupport.factory import create_app
from tests import ROOT
from tests.api import Apis
from tests.conftest import API_KEY, JWT_SECRET, MakeConfig
from tests.e2e.server import Server
from tests.integration.legacy import Database, Legacy
from tests.integration.migrating import command, database, legacy, succeeded

__all__ = ["command", "database", "legacy"]


@pytest.mark.features("upkeep")
def test_every_command_says_in_one_line_that_a_migration_is_needed(command: Any, legacy: Legacy) -> None:
    for arguments in (
        ["init-db"],
        ["sessions", "list"],
        ["queue"],
        ["agents", "list"],
        ["agents", "add", "Ada"],
        ["tokens", "make", "shop", "--type", "system"],
    ):
        result = command(*arguments)
        assert result.exit_code == 1, arguments
        assert result.output.count("\n") == 1, result.output
        assert "flask --app wsgi migrate" in result.output
    result = command("doctor")
    assert result.exit_code == 1
    assert "database: holds data of the Node.js system -> run `flask --app wsgi migrate`" in result.output
    assert "does not answer" not in result.output

    succeeded(command("migrate"))
    for arguments in (["init-db"], ["sessions", "list"], ["queue"], ["agents", "list"]):
        succeeded(command(*arguments))


def test_after_a_migration_there_is_nothing_to_do(command: Any, legacy: Legacy) -> None:
    assert "There is nothing to do." not in succeeded(command("migrate", "--dry-run"))
    succeeded(command("migrate"))

    *steps, last = succeeded(command("migrate", "--dry-run"))

    assert len(steps) == len(migration.STEPS)
    assert {line.rpartition(": ")[2] for line in steps} == {"0 to do"}
    assert last == "There is nothing to do."


def test_init_db_lists_the_new_agents(
    make_config: MakeConfig, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")

    def init_db(*names: str) -> str:
        app = create_app(make_config(mongodb_db=database.name, default_agents=names))
        return "\n".join(succeeded(app.test_cli_runner().invoke(args=["init-db"])))

    assert "There are no agents yet. Make the first one with `flask --app wsgi agents add" in init_db()
    assert "Made the default agents: Ada, Ben." in init_db("Ada", "Ben")
    assert init_db("Ada", "Ben") == "The database is ready. All indexes exist."


@pytest.mark.parametrize("made_by_us", [False, True])
def test_an_empty_or_current_database_needs_no_migration(
    command: Any, database: Database, make_config: MakeConfig, made_by_us: bool
) -> None:
    if made_by_us:
        operator = Apis(create_app(make_config(mongodb_db=database.name))).operator()
        operator.create_agent()
        for user in ("u1", "u2", "u3", "u4"):
            operator.send(operator.start(user)["sessionId"])
        operator.end(operator.start("u1")["sessionId"])
        database.meta.delete_many({})  # As left by one of our releases without migrations.

    assert not migration.is_needed()
    assert database.meta.count_documents({"_id": "schema"}) == 1
    succeeded(command("init-db"))
    succeeded(command("migrate"))


def test_a_server_does_not_start_before_the_migration(legacy: Legacy, mongodb_uri: str, tmp_path: Path) -> None:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "APP_ENV": "testing",
        "API_KEY": API_KEY,
        "JWT_SECRET": JWT_SECRET,
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DB": legacy.database.name,
        "DATA_DIR": str(tmp_path),
        "LOG_DIR": str(tmp_path),
        "PORT": "0",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**environment, "PORT": "25999"},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    refused = run("-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")
    assert refused.returncode != 0
    said = [line for line in (refused.stdout + refused.stderr).splitlines() if line.strip()]
    assert len(said) == 1, said
    assert "flask --app wsgi migrate" in said[0]
    assert legacy.database.messages.count_documents({"seq": {"$exists": True}}) == 0

    migrated = run("-m", "flask", "--app", "wsgi", "migrate")
    assert migrated.returncode == 0
    assert len(migrated.stdout.splitlines()) == len(migration.STEPS) + 1
    # The log has the assignments, and background writes are done too.
    assigned = [line for line in migrated.stderr.splitlines() if json.loads(line)["message"] == "Session assigned"]
    assert len(assigned) == legacy.database.audit.count_documents({"action": "assign"}) > 0
    assert [totals["assigned"] for totals in legacy.database.counters.find()] == [len(assigned)]

    server = Server(tmp_path, mongodb_uri, legacy.database.name)
    try:
        server.start()
        assert len(server.operator().history(str(legacy.current))) == 60
    finally:
        server.clean_up()


def test_a_terminal_shows_a_progress_bar(legacy: Legacy, mongodb_uri: str, tmp_path: Path) -> None:
    import pty

    terminal, its_end = pty.openpty()
    environment = {
        **os.environ,
        "APP_ENV": "testing",
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DB": legacy.database.name,
        "DATA_DIR": str(tmp_path),
        "LOG_DIR": str(tmp_path),
        "TERM": "xterm",
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "migrate"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=its_end, stderr=its_end)
    os.close(its_end)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
    assert process.wait(40) == 0
    os.close(terminal)
    assert b"Number messages  [####" in shown
    assert b"64/64" in shown
