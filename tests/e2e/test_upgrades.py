"""A server on a database that another release has used: it builds indexes, or refuses to start."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pymongo
import pymongo.database
from pymongo.errors import PyMongoError

from tests.api import make_token
from tests.e2e import commands
from tests.e2e.conftest import Connect
from tests.e2e.lifecycle import GUNICORN
from tests.e2e.replica_set import ReplicaSet
from tests.e2e.server import Server, Servers, wait_until

Database = pymongo.database.Database[dict[str, Any]]


def change_the_schema(database: Database) -> None:
    database.meta.update_one({"_id": "schema"}, {"$set": {"version": 2}})


def change_an_index(database: Database) -> None:
    database.sessions.drop_index("newest")
    database.sessions.create_index([("updatedAt", -1)], name="newest")


def test_one_sentence_says_why_a_server_does_not_start(servers: Servers, mongodb_uri: str) -> None:
    server = servers.start()
    server.terminate()
    with pymongo.MongoClient(mongodb_uri) as client:
        for change, said in (
            (
                change_an_index,
                "The index sessions.newest is on {updatedAt: -1}, and this release needs it on {createdAt",
            ),
            (change_the_schema, "was changed by a later release of Chat Support (its schema is version 2"),
        ):
            change(client[server.database])

            options = commands.options(server)
            ended = subprocess.run([sys.executable, *GUNICORN], timeout=120, check=False, **options)

            assert ended.returncode != 0
            (line,) = [line for line in ended.stdout.splitlines() if line.strip()]
            assert said in line
    assert commands.run(server, "init-db").stdout.strip().splitlines()[-1] == line


def test_a_server_serves_while_an_index_cannot_be_built(servers: Servers, tmp_path: Path, connect: Connect) -> None:
    """A member is down, and another program has begun an index build that waits for all members."""
    members = ReplicaSet(tmp_path)
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(members.uri)
    try:
        server = servers.start(MONGODB_URI=members.uri, AGENT_GRACE="2")
        server.operator().start("before")
        server.terminate()
        database = client[server.database]
        database.sessions.drop_index("newest_by_user")
        database.sessions.drop_index("newest")
        down = next(port for port in members.ports if port != members.primary())
        members.kill(down)
        Thread(target=build_everywhere, args=(database,), daemon=True).start()
        wait_until(lambda: under_way(database), 60)

        server.start()
        assert_it_works(server, connect)
        wait_until(lambda: missing(server) == ["sessions.newest_by_user"], 60)  # The other index exists.
        assert "sessions.newest_by_user is being built" in commands.run(server, "doctor").stdout

        members.start(down)
        wait_until(lambda: missing(server) == [], 90)
        server.clean_up()
    finally:
        client.close()
        members.stop()


def build_everywhere(database: Database) -> None:
    index = {"name": "newest_by_user", "key": {"userId": 1, "createdAt": -1, "_id": -1}}
    with contextlib.suppress(PyMongoError):  # The test is over.
        database.command({"createIndexes": "sessions", "indexes": [index], "commitQuorum": "votingMembers"})


def under_way(database: Database) -> bool:
    stages = [{"$currentOp": {}}, {"$match": {"command.createIndexes": "sessions"}}]
    return any(database.client.admin.aggregate(stages))


def missing(server: Server) -> list[str]:
    state = server.operator().get("/api/health").body["data"]["services"]["indexes"]
    return [entry["name"] for entry in state["missing"]]


def assert_it_works(server: Server, connect: Connect) -> None:
    """Check that agents count as present for longer than their lease, and get new sessions."""
    operator = server.operator()
    agent_id = operator.create_agent("Ada", maxUsers=2)
    agent = connect("python", server.url, {"token": make_token(agent_id, "agent")}, transports=["websocket"])
    gone_id = operator.create_agent("Ben", isOnline=False)
    connect("python", server.url, {"token": make_token(gone_id, "agent")}, transports=["websocket"]).close()
    wait_until(lambda: operator.get(f"/api/agents/{gone_id}").data["isAway"], 60)
    assert not operator.get(f"/api/agents/{agent_id}").data["isAway"]
    session_id = operator.start("after")
    assert agent.wait_for("session_assigned", lambda session: session["id"] == session_id)["userId"] == "after"
