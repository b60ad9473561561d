"""A person erased in one process, while others read and write in another, is erased everywhere a moment later."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pymongo
import pymongo.database
import pytest
from bson.raw_bson import RawBSONDocument

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.pairs import two_processes
from tests.e2e.server import Servers, wait_until

JANE = "jane.doe@example.com"
SECRET = "4111-1111"


@pytest.fixture
def client(mongodb_uri: str) -> Iterator[pymongo.MongoClient[Any]]:
    with pymongo.MongoClient(mongodb_uri, document_class=RawBSONDocument) as client:
        yield client


def leftovers(database: pymongo.database.Database[Any]) -> set[str]:
    """Return the collections whose bytes contain her id or her texts. The revocation has the id for ten minutes."""
    return {
        name
        for name in database.list_collection_names()
        for document in database[name].find()
        if (JANE.encode() in document.raw or SECRET.encode() in document.raw)
        and not str(document["_id"]).startswith("revoked:")
    }


def test_late_writes_of_another_process_are_erased_too(
    servers: Servers, connect: Connect, client: pymongo.MongoClient[Any]
) -> None:
    with two_processes(servers) as (here, there):
        operator = here.operator()
        operator.create_agent("Ada")
        session_id = operator.start(JANE)
        token = make_token(JANE)
        jane, reader = (connect("python", there.url, {"token": token}) for _ in range(2))
        for socket in (jane, reader):
            socket.join(session_id)
        over = threading.Event()

        def write() -> None:
            rest, system = there.bearer(token), there.operator()
            while not over.is_set():
                rest.post(f"/api/chat/send-message/{session_id}", {"message": SECRET})
                rest.post("/api/chat/start-session", {"userId": JANE})
                system.post(f"/api/chat/send-message/{session_id}", {"message": SECRET})

        def read() -> None:
            with contextlib.suppress(Exception):
                for seq in range(1, 100_000):
                    reader.call("mark_read", {"sessionId": session_id, "seq": seq})

        threads = [threading.Thread(target=work, daemon=True) for work in (write, read)]
        for thread in threads:
            thread.start()
        database = client[here.database]
        wait_until(lambda: database.sessions.count_documents({"readSeq.userId": JANE}))

        erased = operator.request("DELETE", f"/api/users/{JANE}")
        assert erased.data["isComplete"] is True
        jane.wait_for("disconnect")
        over.set()
        for thread in threads:
            thread.join(60)

        wait_until(lambda: not leftovers(database), 90, lambda: f"left in {leftovers(database)}")
        assert there.bearer(token).get("/api/chat/stats").body["code"] == "INVALID_TOKEN"
