"""Taking over a database of the Node.js system: nothing is lost, everything of ours holds afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pymongo
import pymongo.database
import pytest
from bson import ObjectId
from click.testing import Result

from chatsupport import migration
from chatsupport.database import connection
from chatsupport.factory import create_app
from chatsupport.migration import messages as numbering
from chatsupport.migration.sessions import DUPLICATE_REASON
from chatsupport.services import counters
from tests.api import Apis
from tests.conftest import API_KEY, JWT_SECRET, MakeConfig
from tests.e2e.server import Server
from tests.invariants import violations

PROJECT = Path(__file__).parents[2]
DAY = datetime(2024, 5, 17, 9, 0, tzinfo=timezone.utc)

Document = dict[str, Any]
Database = pymongo.database.Database[Document]


def minutes(count: float) -> datetime:
    return DAY + timedelta(minutes=count)


class Legacy:
    """A database as Mongoose leaves it, with its faults."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ada, self.ben, self.cleo = (ObjectId() for _ in "abc")
        # What Mongoose schemas usually ask for.
        database.sessions.create_index([("userId", 1), ("userType", 1)])
        database.sessions.create_index([("agentId", 1), ("status", 1)])
        database.sessions.create_index([("status", 1), ("createdAt", -1)])
        database.messages.create_index([("sessionId", 1), ("timestamp", 1)])
        database.agents.create_index([("name", 1)], unique=True)
        self.current = self.session("u1", "active", 5, agentId=str(self.ada))
        self.older = self.session("u1", "waiting", 9)
        self.oldest = self.session("u1", "active", 1, agentId=self.ada, userType=None)
        self.crowd = [self.session(f"crowd-{n}", "active", 10 + n, agentId=self.ada) for n in range(4)]
        self.orphan = self.session("orphan", "active", 20, agentId=ObjectId())
        self.nobodys = self.session("nobodys", "active", 21, agentId="not an id", userType="user")
        self.queued = self.session("queued", "waiting", 22, agentId=self.ben, userType="user")
        self.ended = self.session("u1", "ended", 0, agentId=str(self.ben), endedAt=minutes(3), endReason="done")
        self.endless = self.session("endless", "ended", 0, updatedAt=minutes(30))
        self.unknown = self.session("unknown", "archived", 2, mood="good")
        self.agent(self.ada, "Ada", activeUsers=["u1", "gone", "crowd-0", "crowd-1"], maxUsers=3, isOnline=True)
        self.agent(self.ben, "Ben", activeUsers=["gone"], isOnline=True)
        self.agent(self.cleo, "Cleo", maxUsers="7", skills=["billing"])
        for session_id in (self.current, str(self.current)):
            for number in range(30):
                # Not in the order of time, and several at once.
                self.message(session_id, minutes((number * 7) % 30 // 2), f"{number} of {type(session_id).__name__}")
        for number in range(3):
            self.message(self.ended, minutes(number), f"ended {number}", mood="good")
        self.message("no session's id", minutes(1), "lost")

    def session(self, user_id: str, status: str, created: float, **fields: Any) -> ObjectId:
        document = {
            "_id": ObjectId(),
            "userId": user_id,
            "status": status,
            "agentId": None,
            "createdAt": minutes(created),
            "updatedAt": minutes(created),
            "__v": 0,
            **fields,
        }
        self.database.sessions.insert_one(document)
        return document["_id"]

    def agent(self, agent_id: ObjectId, name: str, **fields: Any) -> None:
        document = {"_id": agent_id, "name": name, "activeUsers": [], "createdAt": DAY, "updatedAt": DAY, "__v": 3}
        self.database.agents.insert_one({**document, **fields})

    def message(self, session_id: ObjectId | str, time: datetime, text: str, **fields: Any) -> None:
        document = {"senderId": "u1", "senderType": "user", "message": text, "timestamp": time, "__v": 0, **fields}
        self.database.messages.insert_one({"sessionId": session_id, **document})

    def contents(self) -> dict[str, list[Document]]:
        """Return everything there is."""
        names = sorted(self.database.list_collection_names())
        return {name: list(self.database[name].find(sort=[("_id", 1)])) for name in names}


@pytest.fixture
def database(make_config: MakeConfig) -> Iterator[Database]:
    """A database with nothing in it, not even an index; the tests that come after find it empty too."""
    config = make_config()
    client: pymongo.MongoClient[Document] = pymongo.MongoClient(config.mongodb_uri, tz_aware=True)
    name = f"{config.mongodb_db}-migration"
    client.drop_database(name)
    yield client[name]
    client.drop_database(name)
    client.close()


@pytest.fixture
def legacy(database: Database) -> Legacy:
    return Legacy(database)


@pytest.fixture
def command(make_config: MakeConfig, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run `flask …` on the database."""
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    app = create_app(make_config(mongodb_db=database.name))
    monkeypatch.delenv("FLASK_RUN_FROM_CLI")

    def run(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=arguments)

    yield run
    counters.reset()


def succeeded(result: Result) -> list[str]:
    """Check that a command ended well; return the lines it printed."""
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output.splitlines()


def by_id(documents: list[Document]) -> dict[Any, Document]:
    return {document["_id"]: document for document in documents}


def test_a_dry_run_says_what_is_to_do_and_changes_nothing(command: Any, legacy: Legacy) -> None:
    before = legacy.contents()
    indexes = {name: legacy.database[name].index_information() for name in before}

    lines = succeeded(command("migrate", "--dry-run"))

    assert legacy.contents() == before
    assert {name: legacy.database[name].index_information() for name in before} == indexes
    todo = dict(line.removesuffix(" to do").rsplit(": ", 1) for line in lines)
    assert todo == {
        "Give ids stored as text their type": "33",
        "Complete sessions": str(len(before["sessions"])),
        "End sessions that a user has beside another": "2",
        "Complete agents": "3",
        "Make agents' slots and their sessions agree": todo["Make agents' slots and their sessions agree"],
        "Number messages": str(len(before["messages"])),
        "Make indexes": "1",
    }


def test_afterwards_everything_holds_and_nothing_is_lost(command: Any, legacy: Legacy) -> None:
    before = deepcopy(legacy.contents())

    lines = succeeded(command("migrate"))

    assert len(lines) == len(migration.STEPS) + 1
    assert violations(legacy.database) == []
    after = legacy.contents()
    for name in ("sessions", "messages", "agents"):
        old, new = by_id(before[name]), by_id(after[name])
        assert old.keys() == new.keys()
        for key, document in old.items():
            kept = {field for field in document if field in ("__v", "mood", "skills", "userId", "message", "timestamp")}
            assert {field: document[field] for field in kept} == {field: new[key][field] for field in kept}


def test_messages_are_numbered_in_the_order_of_time(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))

    everything: dict[Any, list[Document]] = {}
    for message in legacy.database.messages.find(sort=[("seq", 1)]):
        everything.setdefault(message["sessionId"], []).append(message)
    assert len(everything[legacy.current]) == 60
    for found in everything.values():
        assert [message["seq"] for message in found] == list(range(1, len(found) + 1))
        order = [(message["timestamp"], message["_id"]) for message in found]
        assert order == sorted(order)
    assert numbering.INDEX not in legacy.database.messages.index_information()


def test_sessions_are_completed_and_a_user_keeps_one(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))

    sessions = by_id(list(legacy.database.sessions.find()))
    assert {session["userType"] for session in sessions.values()} == {"user"}
    assert sessions[legacy.current]["status"] == "active"
    assert sessions[legacy.current]["agentId"] == legacy.ada
    for session_id in (legacy.older, legacy.oldest):
        assert sessions[session_id]["status"] == "ended"
        assert sessions[session_id]["endReason"] == DUPLICATE_REASON
    assert sessions[legacy.ended]["endedAt"] == minutes(3)
    assert sessions[legacy.ended]["agentId"] == legacy.ben
    assert sessions[legacy.endless]["endedAt"] == minutes(30)
    assert (sessions[legacy.unknown]["status"], sessions[legacy.unknown]["endedAt"]) == ("ended", minutes(2))
    # Those for whom there was no slot have one at somebody else, or wait without an agent.
    lost = [legacy.orphan, legacy.nobodys, legacy.queued, *legacy.crowd]
    for session in (sessions[session_id] for session_id in lost):
        assert session["status"] == ("waiting" if session["agentId"] is None else "active")


def test_agents_keep_whom_they_can_hold_oldest_first(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))

    agents = by_id(list(legacy.database.agents.find()))
    assert agents[legacy.ada]["activeUsers"] == ["u1", "crowd-0", "crowd-1"]
    assert agents[legacy.cleo]["maxUsers"] == 2
    assert agents[legacy.cleo]["skills"] == ["billing"]
    assert all(len(agent["activeUsers"]) == len(agent["activeSessions"]) for agent in agents.values())


def test_the_api_serves_what_was_taken_over(command: Any, legacy: Legacy, make_config: MakeConfig) -> None:
    succeeded(command("migrate"))
    operator = Apis(create_app(make_config(mongodb_db=legacy.database.name))).operator()

    page = operator.get(f"/api/chat/messages/{legacy.current}", limit=100).json["data"]
    assert len(page["messages"]) == page["pagination"]["total"] == 60
    listed = operator.get("/api/chat/sessions", limit=100).json["data"]["sessions"]
    assert len(listed) == legacy.database.sessions.count_documents({})
    for session in listed:
        assert operator.session(session["id"])["id"] == session["id"]
        assert operator.end(session["id"]).status_code == 200
    assert operator.get("/api/agents").status_code == operator.get("/api/chat/stats").status_code == 200
    assert operator.start("u1")["sessionId"] != str(legacy.current)


def test_a_second_run_has_nothing_to_do(command: Any, legacy: Legacy) -> None:
    succeeded(command("migrate"))
    before = legacy.contents()
    succeeded(command("migrate"))
    after = legacy.contents()

    before.pop("meta")
    after.pop("meta")
    assert after == before


@pytest.mark.parametrize("writes", [0, 1, 2, 4])
def test_an_interrupted_migration_is_run_again(
    command: Any, legacy: Legacy, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr(numbering, "UPDATES_A_WRITE", 13)
    bulk_write, done = pymongo.collection.Collection.bulk_write, []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(1)
        return bulk_write(*args, **kwargs)

    with monkeypatch.context() as context:
        context.setattr(pymongo.collection.Collection, "bulk_write", interrupted)
        assert command("migrate").exit_code != 0
    assert numbering.count_unnumbered(legacy.database) > 0
    assert migration.is_needed()
    # What was not numbered may have changed meanwhile; what was is numbered again, in the order of time.
    legacy.message(legacy.current, minutes(-1), "the first of all")

    succeeded(command("migrate"))

    seqs = [
        message["seq"] for message in legacy.database.messages.find({"sessionId": legacy.current}, sort=[("seq", 1)])
    ]
    assert seqs == list(range(1, 62))
    first = legacy.database.messages.find_one({"sessionId": legacy.current, "seq": 1})
    assert first is not None
    assert first["message"] == "the first of all"
    assert violations(legacy.database) == []
    assert numbering.INDEX not in legacy.database.messages.index_information()


@pytest.mark.parametrize("number", range(1, len(migration.STEPS)))
def test_it_goes_on_from_whichever_step_it_got_to(
    command: Any, legacy: Legacy, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as context:
        context.setattr(migration, "STEPS", migration.STEPS[:number])
        context.setattr(migration, "mark_current", lambda: 1 / 0)
        command("migrate")
    assert migration.is_needed() == (number < len(migration.STEPS) - 1)

    succeeded(command("migrate"))

    assert violations(legacy.database) == []
    assert not migration.is_needed()


def test_a_long_step_is_not_cut_off(command: Any, legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's limit is for those who wait for an answer; it would also end the building of an index."""
    monkeypatch.setattr(connection.database().client, "_timeout", 0.000_001)

    succeeded(command("migrate"))


def test_init_db_says_in_one_line_that_it_must_be_migrated(command: Any, legacy: Legacy) -> None:
    result = command("init-db")

    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "flask --app wsgi migrate" in result.output
    succeeded(command("migrate"))
    succeeded(command("init-db"))


@pytest.mark.parametrize("made_by_us", [False, True])
def test_an_empty_or_current_database_needs_nothing(
    command: Any, database: Database, make_config: MakeConfig, made_by_us: bool
) -> None:
    if made_by_us:
        operator = Apis(create_app(make_config(mongodb_db=database.name))).operator()
        operator.create_agent()
        for user in ("u1", "u2", "u3", "u4"):
            operator.send(operator.start(user)["sessionId"])
        operator.end(operator.start("u1")["sessionId"])
        database.meta.delete_many({})  # As a version of ours left it that did not know of migrations.

    assert not migration.is_needed()
    assert database.meta.count_documents({"_id": "schema"}) == 1
    succeeded(command("init-db"))
    succeeded(command("migrate"))


def test_a_server_does_not_start_on_it_before_it_is_migrated(legacy: Legacy, mongodb_uri: str, tmp_path: Path) -> None:
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
            cwd=PROJECT,
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
    assert (migrated.returncode, migrated.stderr) == (0, "")
    # Beside the log, where it says who was assigned to whom.
    said = [line for line in migrated.stdout.splitlines() if not line.startswith("{")]
    assert len(said) == len(migration.STEPS) + 1

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
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=its_end, stderr=its_end)
    os.close(its_end)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
    assert process.wait(30) == 0
    os.close(terminal)
    assert b"Number messages  [####" in shown
    assert b"64/64" in shown
