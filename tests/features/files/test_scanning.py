"""Nobody gets a file before the scanner has called it clean."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from chatsupport.config import ConfigError
from chatsupport.database.clock import now
from chatsupport.documents import Message
from chatsupport.factory import read_config
from chatsupport.features.files import attachments, scanning
from chatsupport.features.files.documents import FileChunk, StoredFile
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.concurrency import eventually
from tests.features.files.samples import PDF, picture
from tests.features.files.scanner import VIRUS, Scanner
from tests.features.files.sending import read, send_file, sent
from tests.sockets import Socket


@pytest.fixture
def scanner() -> Iterator[Scanner]:
    scanner = Scanner()
    yield scanner
    scanner.stop()


@pytest.fixture
def app(make_app: MakeApp, scanner: Scanner) -> Flask:
    return make_app(of_features={"SCAN_URL": scanner.url})


def shown(api: Api, session_id: str) -> dict[str, Any]:
    messages = data_of(api.get(f"/api/chat/messages/{session_id}"))["messages"]
    attachment: dict[str, Any] = messages[-1]["attachment"]
    return attachment


def look_again() -> None:
    """Scan what is due, as if the pause after a failure were over."""
    StoredFile.collection().update_many({"metadata.state": "pending"}, {"$set": {"metadata.scanAt": now()}})
    scanning.look()


def after_a_pause(user: Api, session_id: str) -> Any:
    """Return the file when it was scanned. A scan that began with the upload may fail only now, so this is repeated."""

    def look() -> Any:
        look_again()
        return StoredFile.collection().find_one({"metadata.state": "pending"}) is None

    assert eventually(look)
    return shown(user, session_id)


def test_a_clean_file_is_there_after_it_was_scanned(
    user: Api, session_id: str, user_socket: Socket, scanner: Scanner
) -> None:
    message = sent(user, session_id, picture(), "photo.png")

    assert message["attachment"]["state"] == "pending"
    assert not message["attachment"].keys() & {"url", "thumbnailUrl"}
    assert eventually(lambda: user_socket.heard("message_updated"))
    (updated,) = user_socket.heard("message_updated")
    assert updated["id"] == message["id"]
    assert updated["attachment"]["state"] == "ready"
    for url in (updated["attachment"]["url"], updated["attachment"]["thumbnailUrl"]):
        assert read(user, url).status_code == 200
    assert len(scanner.scanned) == 1
    assert shown(user, session_id) == updated["attachment"]


def test_a_blocked_file_keeps_its_name_and_nothing_else(
    user: Api, session_id: str, user_socket: Socket, scanner: Scanner
) -> None:
    message = sent(user, session_id, b"text " + VIRUS, "virus.txt")

    assert eventually(lambda: user_socket.heard("message_updated"))
    attachment = shown(user, session_id)
    assert (attachment["state"], attachment["name"]) == ("blocked", "virus.txt")
    assert "url" not in attachment
    assert FileChunk.collection().count_documents({}) == 0
    assert_failure(read(user, attachments.address(ObjectId(message["id"]))), 404, "FILE_NOT_FOUND")


@pytest.mark.parametrize("answer", [b"INSTREAM size limit exceeded. ERROR\0", b"", b"x" * 10_000, b"stream: maybe\0"])
def test_while_the_scanner_fails_nobody_gets_the_file(
    user: Api, session_id: str, scanner: Scanner, answer: bytes
) -> None:
    scanner.always_say(answer)
    message = sent(user, session_id, PDF)
    look_again()

    assert shown(user, session_id)["state"] == "pending"
    assert_failure(read(user, attachments.address(ObjectId(message["id"]))), 404, "FILE_NOT_FOUND")
    scanner.always_say(None)
    assert read(user, after_a_pause(user, session_id)["url"]).data == PDF


def test_while_the_scanner_is_away_files_wait_and_are_tried_less_often(
    user: Api, session_id: str, scanner: Scanner
) -> None:
    scanner.stop()
    sent(user, session_id, PDF)
    look_again()

    (file,) = StoredFile.collection().find()
    tried = file["metadata"]["scans"]
    assert file["metadata"]["state"] == "pending"
    assert file["metadata"]["scanAt"] > now()
    scanning.look()
    assert StoredFile.collection().find_one()["metadata"]["scans"] == tried  # type: ignore[index]


def test_a_file_whose_scan_was_killed_is_scanned_again(
    user: Api, session_id: str, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner.always_say(b"")
    sent(user, session_id, PDF)
    look_again()
    Message.collection().update_one({}, {"$set": {"features.files.state": "ready"}})  # And then it was killed.
    scanner.always_say(None)

    assert read(user, after_a_pause(user, session_id)["url"]).data == PDF


@pytest.mark.features("privacy")
def test_an_erased_file_does_not_come_back(user: Api, operator: Api, session_id: str, scanner: Scanner) -> None:
    scanner.always_say(b"")
    sent(user, session_id, PDF)
    data_of(operator.delete("/api/users/u1"))
    scanner.always_say(None)

    look_again()

    assert Message.collection().count_documents({"features": {"$exists": True}}) == 0
    assert StoredFile.collection().count_documents({}) == 0


def test_a_scanner_may_be_at_a_path(make_app: MakeApp) -> None:
    folder = Path(tempfile.mkdtemp())
    scanner = Scanner(folder / "clamd")
    app = make_app(of_features={"SCAN_URL": scanner.url})
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")
    try:
        assert send_file(user, session_id, PDF).status_code == 201
        assert eventually(lambda: shown(user, session_id)["state"] == "ready")
        assert scanner.scanned == [PDF]
    finally:
        scanner.stop()
        shutil.rmtree(folder)


@pytest.mark.parametrize("url", ["localhost:3310", "http://localhost", "tcp://localhost", "unix://host/path", "unix:"])
def test_a_wrong_address_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="SCAN_URL must be the address of clamd"):
        read_config({"JWT_SECRET": "test", "SCAN_URL": url})


def test_a_blocked_file_whose_scan_was_killed_is_blocked(user: Api, session_id: str, scanner: Scanner) -> None:
    scanner.always_say(b"")
    sent(user, session_id, PDF)
    look_again()
    FileChunk.collection().delete_many({})  # The scanner had found something, and then the process was killed.

    assert after_a_pause(user, session_id)["state"] == "blocked"
