"""After an erasure, a person's id and texts are nowhere, although every call stored some and more were in progress."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from flask import Flask

from chatsupport import personal_data
from chatsupport.contract.socket_events import RECEIVED
from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.documents import Denial
from chatsupport.events import SessionEnded
from chatsupport.features.audit import service as audit
from chatsupport.features.audit.documents import AuditEntry
from chatsupport.features.privacy import erasure
from chatsupport.identity import Caller
from chatsupport.services.messages import message_log, read_marks
from chatsupport.services.people import tombstones
from chatsupport.services.server import totals
from tests.api import Api, Apis, assert_failure, data_of, make_token
from tests.applications import MakeApp
from tests.documents import client_events, openapi_document
from tests.sockets import Socket, Sockets, succeeded

JANE = "jane.doe@example.com"
SECRET = "4111-1111"
ADDRESS = "203.0.113.77"
PASSWORD = "correct horse battery"
SAID = {"message": SECRET, "clientMessageId": SECRET, "reason": SECRET, "seq": 1}
"""What events say; each takes what it knows."""


def leftovers(*needles: str) -> set[str]:
    """Return the documents that contain any of these texts, comparing their stored bytes."""
    read_marks.flush()
    audit.flush()
    totals.flush()
    database = connection.database()
    raw = CodecOptions(document_class=RawBSONDocument)
    found = set()
    for name in database.list_collection_names():
        for document in database[name].with_options(codec_options=raw).find():
            for needle in needles:
                if needle.encode() in document.raw:
                    found.add(f"{name}: {database[name].find_one({'_id': document['_id']})}")
    return found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every call of `finish` the last search."""
    monkeypatch.setattr(erasure, "SWEEPS", (timedelta(0),))


class Life:
    """Everything that a person can do here, and that can be done to the person."""

    def __init__(self, app: Flask) -> None:
        self.apis, self.sockets = Apis(app), Sockets(app)
        self.plain_operator = self.apis.operator()
        self.operator = self._named(self.apis.operator())
        self.jane = self._named(self.apis.user(JANE))
        self.jane.client.environ_base["REMOTE_ADDR"] = ADDRESS
        self.agent_id = self.plain_operator.create_agent("Ada", maxUsers=50, email="ada@x.org", password=PASSWORD)["id"]
        self.other_agent = self.plain_operator.create_agent("Ben", maxUsers=50)["id"]
        self.agent = self._named(self.apis.agent(self.agent_id))
        self.others_session = self.plain_operator.start("u2")["sessionId"]
        self.session_id = ""
        self.guest = ""

    def _named(self, api: Api) -> Api:
        # The caller chooses the request's id.
        api.headers["X-Request-ID"] = f"{SECRET}.{api.headers.get('Authorization', 'key')[-4:]}"
        return api

    def start(self) -> str:
        """Have a chat, the open one or a new one, with texts of both sides."""
        self.session_id = self.jane.start(JANE)["sessionId"]
        return self.session_id

    def start_with_each_text(self) -> None:
        for body in with_secret(example_of("POST", "/api/chat/start-session")):
            self.jane.end(self.start())
            self.jane.post("/api/chat/start-session", {**body, "userId": JANE, "userType": "user"})

    def talk(self) -> None:
        session_id = self.start()
        self.jane.send(session_id, SECRET, clientMessageId=f"{JANE}-1")
        self.agent_in(session_id).send(session_id, f"Hello {JANE}, {SECRET}", clientMessageId=SECRET)
        # A system speaks for her, also in somebody else's chat.
        for chat in (session_id, self.others_session):
            self.operator.send(chat, SECRET, senderId=JANE, senderType="user", clientMessageId=f"{SECRET}-2")

    def agent_in(self, session_id: str) -> Api:
        agent_id = self.operator.session(session_id)["agentId"]
        return self.agent if agent_id == self.agent_id else self._named(self.apis.agent(agent_id))

    def end_with_names(self) -> None:
        session_id = self.start()
        self.agent_in(session_id).end(session_id, reason=f"{JANE}: {SECRET}", internalReason=f"{JANE} {SECRET}")
        self.jane.end(self.start(), reason=f"bye from {JANE}")

    def become_known(self) -> None:
        guest = data_of(self.apis.anonymous().post("/api/auth/token", {"guest": True}))
        self.guest = guest["userId"]
        as_guest = self._named(self.apis.bearer(guest["token"]))
        chat = as_guest.start(self.guest)["sessionId"]
        as_guest.send(chat, SECRET)
        data_of(self.jane.post("/api/auth/identify", {"guestToken": guest["token"]}))

    def be_noted_down(self) -> None:
        session_id = self.start()
        for api in (self.agent_in(session_id), self.operator, self.jane):
            api.post(f"/api/chat/notes/{session_id}", {"text": f"{JANE} {SECRET}"})

    def be_tagged(self) -> None:
        path, tags = f"/api/chat/tags/{self.start()}", {"tags": [JANE, SECRET]}
        data_of(self.operator.client.put(path, json=tags, headers=self.operator.headers))

    def be_asked_for_a_rating(self) -> None:
        session_id = self.start()
        self.agent_in(session_id).send(session_id, SECRET)
        self.jane.post(f"/api/chat/rating/{session_id}", {"score": 1, "comment": f"{JANE} {SECRET}"})

    def put(self, path: str) -> None:
        """Try to put this somewhere, in vain: it is for others."""
        self.jane.client.put(path, json={"of": JANE}, headers=self.jane.headers)

    def use_replies(self, method: str) -> None:
        """Try to change a canned reply, in vain: replies belong to nobody."""
        path = f"/api/replies/{self.agent_id}" if method != "post" else "/api/replies"
        self.jane.client.open(path, method=method, json={"text": f"{JANE} {SECRET}"}, headers=self.jane.headers)

    def sign_out(self) -> None:
        token = data_of(self.operator.post("/api/auth/token", {"userId": JANE}))["token"]
        self._named(self.apis.bearer(token)).post("/api/auth/logout")

    def sign_in(self) -> None:
        anybody = self.apis.anonymous()  # The typed text is not stored, so the entry identifies nobody.
        for email, password in (("ada@x.org", PASSWORD), (JANE, SECRET * 2)):
            anybody.post("/api/auth/login", {"email": email, "password": password})

    def hire_and_dismiss(self) -> None:
        agent = self.plain_operator.create_agent("Cleo")["id"]
        self.plain_operator.delete(f"/api/agents/{agent}")

    def block(self) -> None:
        """Be blocked and unblocked: while she is blocked, she could do nothing else."""
        blocked = data_of(self.operator.post("/api/blocks", {"userId": JANE, "reason": f"{JANE} {SECRET}"}))
        self.operator.delete(f"/api/blocks/{blocked['id']}")

    def socket(self) -> Socket:
        return self.sockets.user(JANE)

    def system(self) -> Socket:
        return self.sockets.operator()

    def emit(self, event: str) -> None:
        """Emit an event with all its fields herself, and let a system do it for her."""
        session_id = self.start()
        names = RECEIVED[event].body.model_json_schema()["properties"].keys()
        for socket, fields in ((self.socket(), {}), (self.system(), {"userId": JANE, "senderId": JANE})):
            about = {"sessionId": session_id, "userType": "user", "senderType": "user", **SAID, **fields}
            socket.join(session_id, **fields)
            for more in ({}, *({name: f"{JANE} {SECRET}"} for name in names - about.keys())):
                socket.call(event, {**about, **more})
            socket.close()

    def call(self, method: str, rule: str) -> None:
        """Make a call as herself, with her secret in each text of the example of its body; a reading one also as an
        operator.
        """
        ids = {"session_id": self.start(), "user_id": JANE}
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: ids.get(part[1], self.agent_id), rule)
        if method == "GET":
            for api in (self.jane, self.operator):
                api.get(path, userId=JANE, email=JANE)
            return
        example = example_of(method, rule)
        for body in (example, *with_secret(example)):
            self.jane.client.open(path, method=method, json=body, headers=self.jane.headers)


def example_of(method: str, rule: str) -> Any:
    """Return the example of a call's body, from OpenAPI."""
    described = openapi_document()["paths"][re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)][method.lower()]
    content = described.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("example", {})


def with_secret(value: Any) -> Iterator[Any]:
    """Yield a body with the secret in place of one text at a time."""
    if isinstance(value, str):
        yield f"{JANE} {SECRET}"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from ({**value, name: changed} for changed in with_secret(inner))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in with_secret(inner))


# Calls that store more of her than `Life.call` would find out by itself. Those about a chat are also made by that.
CALLS: dict[str, Callable[[Life], object]] = {
    "POST /api/auth/token": lambda life: life.operator.post("/api/auth/token", {"userId": JANE}),
    "POST /api/auth/identify": Life.become_known,
    "POST /api/auth/logout": Life.sign_out,
    "POST /api/auth/login": Life.sign_in,
    "POST /api/chat/start-session": Life.start_with_each_text,
    "POST /api/chat/send-message/<session_id>": Life.talk,
    "POST /api/chat/transfer/<session_id>": lambda life: life.operator.post(f"/api/chat/transfer/{life.start()}"),
    "POST /api/chat/end-session/<session_id>": Life.end_with_names,
    "POST /api/chat/notes/<session_id>": Life.be_noted_down,
    "PUT /api/chat/tags/<session_id>": Life.be_tagged,
    "PATCH /api/chat/session/<session_id>": lambda life: life.jane.patch(
        f"/api/chat/session/{life.start()}", {"visitor": {"name": SECRET}, "fields": {"of": JANE}}
    ),
    "POST /api/chat/rating/<session_id>": Life.be_asked_for_a_rating,
    "PUT /api/settings": lambda life: life.put("/api/settings"),
    "PUT /api/push/subscription": lambda life: life.put("/api/push/subscription"),
    "DELETE /api/push/subscription": lambda life: life.jane.delete("/api/push/subscription"),
    "POST /api/replies": lambda life: life.use_replies("post"),
    "PATCH /api/replies/<reply_id>": lambda life: life.use_replies("patch"),
    "DELETE /api/replies/<reply_id>": lambda life: life.use_replies("delete"),
    "POST /api/agents": Life.hire_and_dismiss,
    "PATCH /api/agents/<agent_id>": lambda life: life.jane.patch(f"/api/agents/{life.agent_id}", {"name": SECRET}),
    "DELETE /api/agents/<agent_id>": lambda life: life.jane.delete(f"/api/agents/{life.agent_id}"),
    "POST /api/blocks": Life.block,
    "DELETE /api/blocks/<block_id>": Life.block,
    "DELETE /api/users/<id:user_id>": lambda life: life.jane.delete(f"/api/users/{JANE}"),
    "DELETE /api/users": lambda life: life.jane.delete("/api/users"),
}  # fmt: skip
# This comes last, because nothing works after it.
LAST: dict[str, Callable[[Life], object]] = {
    "POST /api/auth/revoke": lambda life: life.operator.post("/api/auth/revoke", {"userId": JANE})
}


def calls(app: Flask) -> list[tuple[str, str]]:
    """Return (method, path) of every call there is."""
    return [
        (method, str(rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]


@pytest.fixture
def life(app: Flask) -> Life:
    """Everything that Jane has done here."""
    life = Life(app)
    life.talk()
    for call in CALLS.values():
        call(life)
    for method, rule in calls(app):
        if rule.startswith("/api/chat/") or f"{method} {rule}" not in CALLS.keys() | LAST.keys():
            life.call(method, rule)
    for event in client_events():
        life.emit(event)
    life.talk()
    return life


@contextlib.contextmanager
def in_flight(life: Life) -> Iterator[None]:
    """Send her messages, starts and read marks in other threads while the block runs."""
    over = threading.Event()

    def chat() -> None:
        api = life._named(life.apis.user(JANE))
        while not over.is_set():
            started = api.post("/api/chat/start-session", {"userId": JANE})
            if started.status_code < 300:
                api.send(data_of(started)["sessionId"], SECRET)

    def read() -> None:
        while not over.is_set():
            with contextlib.suppress(AssertionError, RuntimeError, TypeError):  # She may just have been erased.
                socket = life.socket()
                session_id = life.session_id
                socket.join(session_id)
                for seq in range(1, 9):
                    socket.call("mark_read", {"sessionId": session_id, "seq": seq})
                    socket.call("typing_start", {"sessionId": session_id})
                socket.close()

    threads = [threading.Thread(target=work) for work in (chat, chat, read)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.timeout(120)
def test_a_person_who_did_everything_is_erased_everywhere(life: Life, at_once: None) -> None:
    counted = totals.counts()
    assert leftovers(JANE, SECRET, ADDRESS, life.guest)

    with in_flight(life):
        erased = data_of(life.apis.operator().delete(f"/api/users/{JANE}"))
        life.jane.get("/api/chat/stats")
    assert erased["isComplete"] is True
    message_log.log.wait_until_idle(5)
    # Write what still waits in buffers.
    read_marks._pending.add((ObjectId(life.others_session), Caller(JANE, "user")), (1, time.monotonic()))
    read_marks.flush()
    erasure.finish()

    assert leftovers(JANE, SECRET, ADDRESS, life.guest) == set()
    assert_failure(life.jane.get("/api/chat/stats"), 401, "INVALID_TOKEN")
    assert [denial["_id"].partition(":")[0] for denial in Denial.collection().find()].count("erased") == 2
    assert totals.counts()["sessions"] >= counted["sessions"]


def test_after_an_erasure_a_block_keeps_only_the_id(life: Life, at_once: None) -> None:
    blocked = data_of(life.operator.post("/api/blocks", {"userId": JANE, "reason": f"{JANE} {SECRET}"}))

    life.apis.operator().delete(f"/api/users/{JANE}")
    erasure.finish()

    (left,) = leftovers(JANE, SECRET, ADDRESS, life.guest)
    assert left.startswith(f"denials: {{'_id': 'block:user:{JANE}'")
    # Neither lifting the block nor an export stores the id again.
    anew = life.apis.operator()
    assert data_of(anew.get(f"/api/users/{JANE}/export"))["sessions"] == []
    anew.delete(f"/api/blocks/{blocked['id']}")
    assert leftovers(JANE, SECRET) == set()


def test_an_identified_guest_is_erased_everywhere(apis: Apis, at_once: None) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    session_id = apis.anonymous(Authorization=f"Bearer {guest['token']}").start(guest["userId"])["sessionId"]
    data_of(apis.user(JANE).post("/api/auth/identify", {"guestToken": guest["token"]}))

    apis.operator().delete(f"/api/users/{guest['userId']}")
    erasure.finish()

    assert leftovers(guest["userId"]) == set()
    assert apis.operator().session(session_id)["userId"] == JANE


def test_the_data_of_others_is_kept(life: Life, at_once: None) -> None:
    life.apis.user("u2").send(life.others_session, "not hers")

    life.apis.operator().delete(f"/api/users/{JANE}")
    erasure.finish()

    shown = data_of(life.apis.operator().get(f"/api/chat/messages/{life.others_session}"))["messages"]
    assert [message["message"] for message in shown] == ["", "not hers"]
    assert life.apis.operator().session(life.others_session)["userId"] == "u2"
    assert life.apis.user("u2").get("/api/chat/stats").status_code == 200


def test_an_erased_person_who_comes_back_is_somebody_new(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "SWEEPS", (timedelta(0), timedelta(hours=1)))
    monkeypatch.setattr(tombstones, "UNDER_WAY", timedelta(0))
    life.apis.operator().delete(f"/api/users/{JANE}")
    again = life.apis.bearer(data_of(life.apis.operator().post("/api/auth/token", {"userId": JANE}))["token"])
    session_id = again.start(JANE)["sessionId"]
    again.send(session_id, "I am back")

    erasure.finish()

    assert again.session(session_id)["status"] == "active"
    assert [message["message"] for message in data_of(again.get(f"/api/chat/messages/{session_id}"))["messages"]] == [
        "I am back"
    ]
    # A new revocation outlives the erasure's.
    life.apis.operator().post("/api/auth/revoke", {"userId": JANE})
    monkeypatch.setattr(erasure, "SWEEPS", (timedelta(0),))
    Denial.collection().update_many({"sweepAt": {"$exists": True}}, {"$set": {"sweepAt": now()}})
    erasure.finish()
    assert_failure(again.get("/api/chat/stats"), 401, "INVALID_TOKEN")
    assert Denial.collection().count_documents({"sweepAt": {"$exists": True}}) == 0


def test_late_writes_of_a_stopped_process_meet_the_tombstone(life: Life, at_once: None) -> None:
    """A process that is frozen has read marks and entries of the audit log to write, and writes them much later."""
    session_id, caller = ObjectId(life.session_id), Caller(JANE, "user")
    life.apis.operator().delete(f"/api/users/{JANE}")
    erasure.finish()
    assert leftovers(JANE, SECRET) == set()

    long_ago = now() - timedelta(seconds=60)
    Denial.collection().update_many({}, {"$set": {"updatedAt": long_ago + timedelta(seconds=5)}})
    late = {"_id": session_id, "userId": JANE, "userType": "user"}
    audit.record_change(audit.END, SessionEnded(session=late, id=ObjectId(), at=long_ago, caller=caller), reason=SECRET)
    read_marks._pending.add((session_id, caller), (1, -1000.0))

    assert leftovers(JANE, SECRET) == set()
    assert AuditEntry.collection().count_documents({"sessionId": late["_id"], "at": long_ago}) == 1


def test_an_erasure_takes_no_longer_than_the_caller_can_wait(
    life: Life, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_data, "RANGE", 1)
    monkeypatch.setattr(erasure, "ELSEWHERE_SECONDS", 0.02)

    erased = data_of(life.apis.operator().delete(f"/api/users/{JANE}"))

    assert erased["isComplete"] is False
    erasure.finish()
    assert leftovers(JANE, SECRET, ADDRESS, life.guest) == set()


def test_an_agent_is_erased_from_every_session(app: Flask, at_once: None) -> None:
    apis, operator = Apis(app), Apis(app).operator()
    agent = operator.create_agent(SECRET, maxUsers=5, email="eve@x.org", password=PASSWORD)
    own = apis.agent(agent["id"])
    session_id = apis.user("u1").start("u1")["sessionId"]
    visitor = apis.user("u1")
    visitor.send(session_id, "what the visitor wrote")
    own.send(session_id, SECRET)
    socket = Sockets(app).agent(agent["id"])
    socket.join(session_id)
    succeeded(socket.call("mark_read", {"sessionId": session_id, "seq": 1}))
    own.end(session_id, reason=SECRET, internalReason=SECRET)
    login = apis.anonymous()
    login.client.environ_base["REMOTE_ADDR"] = ADDRESS
    for password in (PASSWORD, "wrong" * 4):
        login.post("/api/auth/login", {"email": "eve@x.org", "password": password})
    operator.patch(f"/api/agents/{agent['id']}", {"name": f"{SECRET}-2"})
    operator.delete(f"/api/agents/{agent['id']}")
    assert leftovers(SECRET, ADDRESS, agent["id"], "eve@x.org")

    data_of(operator.delete(f"/api/users/{agent['id']}?userType=agent"))
    erasure.finish()

    assert leftovers(SECRET, ADDRESS, agent["id"], "eve@x.org") == set()
    messages = data_of(visitor.get(f"/api/chat/messages/{session_id}"))["messages"]
    assert [message["message"] for message in messages] == ["what the visitor wrote", ""]


def test_an_unfinished_erasure_is_completed_later(life: Life, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(erasure._Work, "_rename_in_sessions", die)
        assert life.apis.operator().delete(f"/api/users/{JANE}").status_code == 500

    erasure.finish()

    assert leftovers(JANE, SECRET, ADDRESS, life.guest) == set()


def test_tokens_from_before_the_erasure_are_refused_for_good(make_app: MakeApp, at_once: None) -> None:
    apis = Apis(make_app())
    before = apis.bearer(data_of(apis.anonymous().post("/api/auth/token", {"userId": JANE}))["token"])
    apis.operator().delete(f"/api/users/{JANE}")
    erasure.finish()

    assert_failure(before.get("/api/chat/stats"), 401, "INVALID_TOKEN")
    assert apis.bearer(make_token("u9")).get("/api/chat/stats").status_code == 200
    assert apis.bearer(
        data_of(apis.anonymous().post("/api/auth/token", {"userId": JANE}))["token"]
    ).get("/api/chat/stats").status_code == 200  # fmt: skip
