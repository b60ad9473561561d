"""The feed: every change has exactly one event, in order, whatever is killed in between."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from pymongo.collection import Collection

from chatsupport.database.clock import now
from chatsupport.documents import Agent, Deletion, Message, Session
from chatsupport.features.events import contents, feed, relay, switch, tail
from chatsupport.features.events.documents import BATCH_SIZE, EventBatch, Feed
from chatsupport.observability import tracing
from chatsupport.services.server import processes
from chatsupport.services.shared import outbox
from tests import ROOT
from tests.api import Api, Apis, assert_failure, data_of
from tests.bots import answers_first
from tests.commands import COMMANDS
from tests.interleaving import just_after, just_before

EVENTS = "/api/events"


@pytest.fixture(autouse=True)
def recording(operator: Api) -> None:
    """Somebody has read the feed, before the test's agents and sessions are made."""
    assert data_of(operator.get(EVENTS)) == {"events": [], "hasMore": False}


def events(operator: Api, **query: Any) -> list[dict[str, Any]]:
    """Return the events, once the relay has moved everything."""
    outbox.flush()
    relay.here.round()
    found: list[dict[str, Any]] = data_of(operator.get(EVENTS, **query))["events"]
    return found


def types(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in found]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in found]


def test_a_chat_is_told_in_its_order(operator: Api, user: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    for text in ("one", "two"):
        assert user.send(session_id, text).status_code == 201
    assert user.end(session_id).status_code == 200

    found = events(operator)

    assert types(found) == [
        "session.started",
        "session.assigned",
        "message.created",
        "message.created",
        "session.ended",
        "agent.created",
    ]
    assert [event["position"] for event in found] == sorted(event["position"] for event in found)
    assert len({event["id"] for event in found}) == len(found)
    session = operator.session(session_id)
    assert found[0]["data"] == found[4]["data"] == session
    messages = data_of(operator.get(f"/api/chat/messages/{session_id}"))["messages"]
    assert [event["data"] for event in found[2:4]] == messages
    assert [event["timestamp"] for event in found[2:4]] == [message["timestamp"] for message in messages]
    assert found[5]["data"] == data_of(operator.get(f"/api/agents/{ada}"))
    assert events(operator) == found, "Each is moved once."
    assert Session.objects(unrecorded__at__exists=True).count() == 0


@pytest.mark.features("tags", "context", "ratings", "notes")
def test_each_other_change_has_an_event(operator: Api, apis: Apis, user: Api, ada: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    agent = apis.agent(ada)
    before = events(operator)[-1]["position"]
    assert operator.patch(f"/api/chat/session/{session_id}", {"visitor": {"name": "Zo"}}).status_code == 200
    assert agent.put(f"/api/chat/tags/{session_id}", {"tags": ["vip"]}).status_code == 200
    assert agent.send(session_id, "hello").status_code == 201
    assert user.post(f"/api/chat/rating/{session_id}", {"score": 5}).status_code in (200, 201)
    note = data_of(agent.post(f"/api/chat/notes/{session_id}", {"text": "likes cats"}))
    assert operator.post(f"/api/chat/transfer/{session_id}", {}).status_code == 200
    assert operator.patch(f"/api/agents/{ada}", {"name": "Ada L."}).status_code == 200

    found = events(operator, after=before)

    of_session = [event for event in found if not event["type"].startswith("agent.")]
    assert types(of_session)[:6] == [
        "session.updated",
        "session.updated",
        "message.created",
        "session.rated",
        "note.created",
        "session.requeued",
    ]
    assert [event["data"] for event in found if event["type"] == "note.created"] == [note]
    assert [event["data"]["name"] for event in found if event["type"] == "agent.changed"] == ["Ada L."]


def test_a_deleted_agent_has_one_event_with_what_it_was_and_takes_its_changes_along(operator: Api) -> None:
    ada = operator.create_agent("Ada")
    shown = data_of(operator.get(f"/api/agents/{ada['id']}"))
    assert operator.delete(f"/api/agents/{ada['id']}").status_code == 200
    assert_failure(operator.delete(f"/api/agents/{ada['id']}"), 404, "AGENT_NOT_FOUND")

    found = events(operator)

    assert types(found) == ["agent.created", "agent.deleted"]
    assert found[1]["data"] == shown
    assert_failure(operator.delete(f"/api/agents/{ada['id']}"), 404, "AGENT_NOT_FOUND")
    assert events(operator) == found


def test_a_deletion_that_did_not_happen_has_no_event(operator: Api, ada: str) -> None:
    mark = {"id": ObjectId(), "kind": "agent.deleted", "at": now()}
    Deletion.collection().insert_one({"_id": ObjectId(ada), "agent": {}, "at": now(), "unrecorded": [mark]})

    assert types(events(operator)) == ["agent.created"]
    Deletion.collection().update_one({}, {"$set": {"at": now() - timedelta(minutes=1)}})
    assert types(events(operator)) == ["agent.created"]
    assert Deletion.objects.count() == 0


def test_a_relay_that_is_killed_between_two_steps_repeats_nothing(
    operator: Api, user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.send(session_id)
    with monkeypatch.context() as patched:
        patched.setattr(relay, "_remove_marks", lambda entries: 1 / 0 if entries else None)
        with pytest.raises(ZeroDivisionError):
            relay.here.round()
    relay.here.forget()
    user.send(session_id)

    found = events(operator)

    assert types(found) == [
        "session.started",
        "session.assigned",
        "message.created",
        "agent.created",
        "message.created",
    ]
    assert [event["data"]["seq"] for event in found if event["type"] == "message.created"] == [1, 2]


def test_of_two_relays_only_one_adds(operator: Api, user: Api, session_id: str) -> None:
    first, second = relay.Relay(), relay.Relay()
    first.round()
    second.round()
    for _ in range(3):
        user.send(session_id)
    first._noted = {ObjectId(session_id)}
    second._noted = {ObjectId(session_id)}

    assert first.round() == 1
    assert second.round() == 0, "It loses the race for the number, and knows that it knows less."
    second.round()

    found = events(operator, types="message.created")
    assert [event["data"]["seq"] for event in found] == [1, 2, 3]


def test_messages_that_nobody_noted_are_found(operator: Api, user: Api, session_id: str) -> None:
    relay.here.round()
    user.send(session_id)
    relay.here.forget()  # The process that had stored it was killed.

    assert types(events(operator))[-1] == "message.created"


def test_a_message_that_came_after_the_marks_were_read_waits_for_those_that_it_follows(
    operator: Api, user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_marks = relay._Marks

    def and_send() -> Any:
        user.send(session_id, "before the marks were read")
        marks = read_marks()
        operator.post(f"/api/chat/transfer/{session_id}", {})
        user.send(session_id, "after the transfer")
        return marks

    with monkeypatch.context() as patched:
        patched.setattr(relay, "_Marks", and_send)
        assert types(events(operator)) == ["session.started", "session.assigned", "agent.created"]
    assert types(events(operator))[3:] == [
        "message.created",
        "session.requeued",
        "session.assigned",
        "message.created",
    ]


def of_session(found: list[dict[str, Any]], session_id: str) -> list[str]:
    """Return the types of the events about a session."""
    return [event["type"] for event in found if session_id in (event["data"].get("sessionId"), event["data"].get("id"))]


IN_ORDER = ["session.started", "session.assigned", "message.created", "note.created"]


@pytest.fixture
def with_a_note(operator: Api, session_id: str) -> Callable[[], str]:
    """Start a session of u2, send a message and make a note. Returns the session's id."""

    def make() -> str:
        operator.create_agent("Bob")
        second = str(operator.start("u2")["sessionId"])
        data_of(operator.send(second, "Hello", senderId="u2", senderType="user"))
        data_of(operator.post(f"/api/chat/notes/{second}", {"text": "likes cats"}))
        return second

    return make


@pytest.mark.features("notes")
def test_a_note_that_is_found_before_its_session_waits_for_it(
    operator: Api, with_a_note: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = with_a_note()
    monkeypatch.setattr(relay, "MOST_MARKED", 1)

    for _ in range(6):
        relay.here.forget()  # As if each round were that of another process.
        relay.here.round()

    assert of_session(events(operator), second) == IN_ORDER


@pytest.mark.features("notes")
def test_changes_that_come_after_notes_wait_for_all_of_these(
    operator: Api, with_a_note: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = with_a_note()
    data_of(operator.post(f"/api/chat/notes/{second}", {"text": "and dogs"}))
    data_of(operator.post(f"/api/chat/transfer/{second}", {}))
    monkeypatch.setattr(relay, "MOST_MARKED", 1)

    while relay.here.round():
        pass

    found = of_session(events(operator), second)
    assert found[:6] == [*IN_ORDER, "note.created", "session.requeued"]


@pytest.mark.features("notes")
def test_a_note_that_comes_while_the_marks_are_read_waits_for_its_session(
    operator: Api, with_a_note: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    just_after(monkeypatch, relay, "_find", lambda: made.append(with_a_note()))
    relay.here.round()

    assert of_session(events(operator), made[0]) == IN_ORDER


@pytest.mark.features("notes")
@pytest.mark.parametrize("name", ["sessions", "notes"])
def test_nothing_is_recorded_before_the_index_that_finds_the_marks_is_built(
    operator: Api, with_a_note: Callable[[], str], name: str
) -> None:
    second = with_a_note()
    data_of(operator.post(f"/api/chat/transfer/{second}", {}))
    collection = Session.collection().database[name]
    index = {key: value for key, value in collection.index_information()["unrecorded"].items() if key != "v"}
    collection.drop_index("unrecorded")
    try:
        relay.here.round()
    finally:
        collection.create_index(index.pop("key"), name="unrecorded", **index)
    relay.here.forget()

    assert of_session(events(operator), second)[:5] == [*IN_ORDER, "session.requeued"]


def test_an_end_waits_for_its_figures(operator: Api, user: Api, session_id: str) -> None:
    user.end(session_id)
    relay.here.round()
    assert "session.ended" not in types(data_of(operator.get(EVENTS))["events"])

    assert types(events(operator))[-1] == "session.ended"


def test_long_runs_are_split_into_batches(
    operator: Api, user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH_SIZE", 4)
    for number in range(8):
        user.send(session_id, str(number))

    found = events(operator)

    assert [event["data"]["message"] for event in found if event["type"] == "message.created"] == list("01234567")
    assert max(sum(entry.get("count", 1) for entry in batch.entries) for batch in EventBatch.objects) == 3


def test_pages_follow_each_other(operator: Api, user: Api, session_id: str) -> None:
    for number in range(5):
        user.send(session_id, str(number))
    whole = events(operator)

    read: list[dict[str, Any]] = []
    while True:
        page = data_of(operator.get(EVENTS, after=read[-1]["position"] if read else 0, limit=3))
        read += page["events"]
        assert len(page["events"]) == 3 or not page["hasMore"]
        if not page["hasMore"]:
            break
    assert ids(read) == ids(whole)
    chosen = events(operator, types="agent.created, session.started", limit=1)
    assert types(chosen) == ["session.started"]
    assert types(events(operator, types="agent.created", after=chosen[0]["position"])) == ["agent.created"]


def test_a_page_reads_few_batches_beyond_what_it_shows(
    operator: Api, user: Api, session_id: str, profile: Callable[[], list[dict[str, Any]]]
) -> None:
    start = events(operator)[-1]["position"]
    for number in range(60):
        user.send(session_id, str(number))
        relay.here.round()
    found = events(operator, after=start, limit=100)
    assert [event["data"]["message"] for event in found] == [str(number) for number in range(60)]

    for after, limit, batches in ((start, 1, 3), (start, 10, 3 + 9), (found[-2]["position"], 50, 2)):
        last = profile()[-1]
        assert events(operator, after=after, limit=limit) == [one for one in found if one["position"] > after][:limit]
        rows = profile()
        new = rows[rows.index(last) :]
        reads = [row for row in new if row["ns"].endswith(".events") and row["op"] == "query"]
        assert sum(row["docsExamined"] for row in reads if row["command"]["filter"]) == batches


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the number of the last batch that the process knew each time that it waited for the journal."""
    noted: list[int] = []
    for module in (feed, relay, tail):
        monkeypatch.setattr(module, "wait_until_durable", lambda: noted.append(tail.tail.number))
    return noted


def test_a_reader_sees_only_durable_batches_however_old_their_events_are(
    operator: Api, session_id: str, waits: list[int]
) -> None:
    for document in (Session, Agent):
        marks = {"unrecorded.$[].at": now() - timedelta(seconds=20)}
        document.collection().update_many({"unrecorded.at": {"$exists": True}}, {"$set": marks})
    relay.here.round()
    tail.tail.forget()  # Another process has recorded them.

    assert data_of(operator.get(EVENTS))["events"]
    assert waits == [0]


def test_those_who_wait_are_woken_by_durable_batches_only(
    operator: Api, session_id: str, waits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.here.round()
    tail.tail.forget()
    monkeypatch.setattr(tail.tail, "_waiting", 1)
    monkeypatch.setattr(tail.tail, "_look_soon", lambda: None)

    tail.tail._look()
    tail.tail._look()

    assert (waits, tail.tail.number) == ([0], 1)


def test_a_relay_that_begins_goes_by_what_no_failure_can_lose(
    operator: Api, user: Api, session_id: str, waits: list[int], profile: Callable[[], list[dict[str, Any]]]
) -> None:
    relay.here.round()
    user.send(session_id)
    operator.delete(f"/api/agents/{operator.create_agent('Bob')['id']}")
    relay.here.forget()
    waits.clear()
    seen = len(profile())
    relay.here.round()

    reads = [row for row in profile()[seen:] if row["ns"].endswith(".events") and row["op"] in ("query", "command")]
    assert len(reads) >= 3
    assert {row["command"]["readConcern"]["level"] for row in reads} == {"majority"}
    assert waits == [1]


def test_a_reader_waits_for_the_next_event(
    operator: Api, user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracing.lines, "_slow_seconds", 1.9)
    last = events(operator)[-1]["position"]
    threading.Timer(0.2, lambda: (user.send(session_id), relay.here.round())).start()

    found = data_of(operator.get(EVENTS, after=last, wait=25))["events"]

    assert types(found) == ["message.created"]
    began = time.monotonic()
    assert data_of(operator.get(EVENTS, after=found[-1]["position"], wait=2))["events"] == []
    assert time.monotonic() - began >= 1.9
    assert "Slow" not in caplog.text, "It was asked to wait."


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"after": "-1"}, "INVALID_CURSOR"),
        ({"after": "1.5"}, "INVALID_CURSOR"),
        ({"after": str(2**60)}, "INVALID_CURSOR"),
        ({"types": "session.begun"}, "INVALID_TYPES"),
        ({"types": ""}, "INVALID_TYPES"),
        ({"types": "*"}, "INVALID_TYPES"),
        ({"wait": "26"}, "INVALID_WAIT"),
        ({"wait": "-1"}, "INVALID_WAIT"),
        ({"limit": "0"}, "INVALID_LIMIT"),
        ({"limit": "101"}, "INVALID_LIMIT"),
    ],
)
def test_a_wrong_query_is_refused(operator: Api, query: dict[str, str], code: str) -> None:
    assert_failure(operator.get(EVENTS, **query), 400, code)


def test_only_operators_read_the_feed(apis: Apis, user: Api, ada: str) -> None:
    for api in (user, apis.agent(ada)):
        assert_failure(api.get(EVENTS), 403, "FORBIDDEN")


@pytest.mark.features("privacy", "notes")
def test_an_erasure_empties_the_events_of_a_person(operator: Api, user: Api, session_id: str) -> None:
    user.send(session_id, "secret")
    operator.post(f"/api/chat/notes/{session_id}", {"text": "secret"})
    positions = [event["position"] for event in events(operator)]

    assert operator.delete("/api/users/u1").status_code == 200

    found = events(operator)
    assert [event["position"] for event in found][: len(positions)] == positions
    assert all(event["data"] == {} for event in found if not event["type"].startswith("agent."))
    assert "secret" not in str(found)


def test_old_events_are_deleted_and_their_positions_are_gone(operator: Api, session_id: str) -> None:
    old = events(operator)[0]["position"]
    operator.create_agent("Old")
    events(operator)
    EventBatch.collection().update_many({}, {"$set": {"at": now() - timedelta(days=31)}})
    operator.start("u2")
    kept = [event for event in events(operator) if event["position"] // BATCH_SIZE >= 2]

    switch.keep_up()
    switch.here.look()

    assert_failure(operator.get(EVENTS, after=old), 410, "POSITION_GONE")
    assert ids(events(operator)) == ids(kept)
    assert ids(events(operator, after=kept[0]["position"])) == ids(kept)[1:]


@pytest.fixture
def batches(operator: Api) -> list[int]:
    """The last position in each of six old batches, behind which there is a young one."""
    for number in range(6):
        operator.create_agent(f"Agent {number}")
        relay.here.round()
    EventBatch.collection().update_many({}, {"$set": {"at": now() - timedelta(days=31)}})
    operator.create_agent("New")
    positions = [event["position"] for event in events(operator)]
    assert [position // BATCH_SIZE for position in positions] == [1, 2, 3, 4, 5, 6, 7]
    return positions


IN_ANOTHER_PROCESS = """
import sys
from datetime import timedelta
from chatsupport.database import connection
from chatsupport.database.clock import now
from chatsupport.features.events import switch
connection.connect(*sys.argv[1:])
switch._purge(now() - timedelta(days=30))
"""


def purge() -> None:
    """Delete what is old, as another process does it: this one has not looked since."""
    switch._purge(now() - timedelta(days=30))


GONE = {"after": 1 * BATCH_SIZE + 1}
"""The position of a reader that has the first of the `batches`, and has missed the others when they are deleted."""


@pytest.mark.parametrize("query", [{}, {"types": "agent.created"}, {"wait": 1}])
def test_a_reader_hears_at_once_that_its_position_is_gone(
    operator: Api, batches: list[int], query: dict[str, Any]
) -> None:
    purge()

    assert_failure(operator.get(EVENTS, **GONE, **query), 410, "POSITION_GONE")
    assert switch.here.feed["keptFrom"] == 1, "This process has not looked since."


@pytest.mark.parametrize("query", [{}, {"types": "agent.created"}])
@pytest.mark.parametrize("step", [just_before, just_after])
def test_what_is_deleted_during_a_read_leaves_no_gap(
    operator: Api, batches: list[int], query: dict[str, Any], step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCHES_AT_ONCE", (1, 2))

    step(monkeypatch, contents, "of_batch", purge)
    assert_failure(operator.get(EVENTS, **GONE, **query), 410, "POSITION_GONE")


def test_a_reader_of_everything_begins_anew_if_some_of_it_is_deleted_meanwhile(
    operator: Api, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCHES_AT_ONCE", (1, 2))

    just_before(monkeypatch, contents, "of_batch", purge)
    found = events(operator)

    assert [event["position"] for event in found] == batches[-2:]


def test_a_reader_whose_position_is_deleted_while_it_waits_is_told(
    operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miss() -> None:
        assert operator.delete(f"/api/agents/{ada}").status_code == 200
        purge_all(operator)

    after = events(operator)[-1]["position"]
    just_before(monkeypatch, feed.tail, "wait", miss)

    assert_failure(operator.get(EVENTS, after=after, types="agent.deleted", wait=1), 410, "POSITION_GONE")


def test_a_reader_hears_of_what_another_process_has_deleted(
    operator: Api, batches: list[int], mongodb_uri: str, mongodb_db: str
) -> None:
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, mongodb_uri, mongodb_db]
    subprocess.run(command, cwd=ROOT, check=True, timeout=90)

    assert_failure(operator.get(EVENTS, **GONE), 410, "POSITION_GONE")


@pytest.mark.features("settings")
def test_a_bot_hears_that_its_position_is_gone(operator: Api, session_id: str, bot: Api) -> None:
    of_sessions = [event["position"] for event in events(operator) if event["type"].startswith("session.")]
    purge_all(operator)

    assert_failure(bot.get(EVENTS, after=of_sessions[0]), 410, "POSITION_GONE")
    answer = data_of(bot.get(EVENTS, after=of_sessions[-1]))
    assert answer["events"] == [], "Only events of agents, which no bot gets, are deleted behind this position."


def test_a_reader_of_rare_types_is_refused_only_if_one_of_these_is_gone(operator: Api, ada: str) -> None:
    operator.delete(f"/api/agents/{ada}")
    created, *_, deleted = (event["position"] for event in events(operator))
    for _ in range(2):
        purge_all(operator)
        assert_failure(operator.get(EVENTS, after=created, types="agent.deleted"), 410, "POSITION_GONE")
        assert events(operator, after=deleted, types="agent.deleted,session.started") == []
    assert_failure(operator.get(EVENTS, after=deleted, types="agent.deleted,agent.created"), 410, "POSITION_GONE")


def test_what_was_deleted_before_types_were_noted_stays_gone(operator: Api, batches: list[int]) -> None:
    Feed.collection().update_one({}, {"$unset": {"goneThrough": ""}, "$set": {"keptFrom": 3}})
    for _ in range(2):
        assert_failure(operator.get(EVENTS, after=batches[0], types="agent.deleted"), 410, "POSITION_GONE")
        assert events(operator, after=3 * BATCH_SIZE, types="agent.deleted") == []
        purge()


def test_a_long_purge_lets_a_reader_of_everything_begin_anew_once(
    batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "PURGE_BATCHES", 1)
    delete, readers = Collection.delete_many, []

    def deleting(self: Collection[Any], *args: Any, **kwargs: Any) -> Any:
        readers.append([event.position for event in feed.after_position(0, (), 50)])
        return delete(self, *args, **kwargs)

    monkeypatch.setattr(Collection, "delete_many", deleting)
    purge()

    assert len(readers) == 6
    assert all(found == batches[-2:] for found in readers)


@pytest.mark.parametrize("types", [(), ("agent.created",), ("agent.deleted",)])
def test_a_read_of_the_feed_sends_two_commands(batches: list[int], types: tuple[str, ...]) -> None:
    with COMMANDS.counted() as sent:
        feed.after_position(batches[5], types, 50)
    assert sent == ["find events", "find feed"]


def purge_all(operator: Api) -> int:
    """Delete the events so far, because they are old. Returns the last position."""
    events(operator)
    operator.create_agent("Old")
    events(operator)
    EventBatch.collection().update_many({}, {"$set": {"at": now() - timedelta(days=31)}})
    operator.create_agent("New")
    last = int(events(operator)[-1]["position"])
    purge()
    assert EventBatch.objects.count() == 2
    relay.here.forget()  # Another process goes on.
    return last


def test_messages_of_an_open_session_are_not_recorded_again_when_their_events_are_gone(
    operator: Api, user: Api, session_id: str
) -> None:
    user.send(session_id, "one")
    last = purge_all(operator)
    assert events(operator, after=last) == []

    user.send(session_id, "two")
    relay.here.forget()
    assert [event["data"]["message"] for event in events(operator, after=last)] == ["two"]


@pytest.mark.features("notes")
def test_messages_of_an_ended_session_are_not_recorded_again_when_their_events_are_gone(
    operator: Api, user: Api, session_id: str
) -> None:
    user.send(session_id, "one")
    user.end(session_id)
    last = purge_all(operator)
    Session.collection().update_many({}, {"$set": {"endedAt": now() - timedelta(days=31)}})
    data_of(operator.post(f"/api/chat/notes/{session_id}", {"text": "likes cats"}))

    assert types(events(operator, after=last)) == ["note.created"]


def test_a_session_that_ends_after_its_events_are_gone_has_its_last_messages_and_its_end(
    operator: Api, user: Api, session_id: str
) -> None:
    user.send(session_id, "one")
    last = purge_all(operator)
    user.send(session_id, "two")
    user.end(session_id)
    outbox.flush()
    Session.collection().update_many({}, {"$set": {"endedAt": now() - timedelta(days=31)}})

    found = events(operator, after=last)

    assert types(found) == ["message.created", "session.ended"]
    assert found[0]["data"]["message"] == "two"


def test_recording_stops_long_after_the_last_reader_and_begins_anew(operator: Api, user: Api, session_id: str) -> None:
    last = events(operator)[-1]["position"]
    Feed.collection().update_one({}, {"$set": {"readAt": now() - timedelta(days=31)}})
    switch.here.look()
    switch.keep_up()
    assert not switch.here.is_known_to_be_on

    user.send(session_id, "while nobody listened")
    Message.collection().update_many({}, {"$set": {"timestamp": now() - timedelta(minutes=1)}})
    Feed.collection().update_one({}, {"$set": {"since": now() - timedelta(days=60)}})
    switch.here.look()
    relay.here.work()

    assert_failure(operator.get(EVENTS, after=last), 410, "POSITION_GONE")
    user.send(session_id, "now")
    assert [event["data"]["message"] for event in events(operator, types="message.created")] == ["now"]


def test_nothing_is_marked_where_nobody_listens(
    operator: Api, user: Api, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "TRUSTED_SECONDS", 60.0)
    Feed.collection().delete_many({})
    processes.here.begin()
    processes.here.beat()
    switch.here.look()

    session_id = operator.start("u1")["sessionId"]
    user.send(session_id)
    user.end(session_id)

    assert Session.objects(unrecorded__exists=True).count() == 0
    switch.here._trusted_until = 0.0  # This process has not looked for long.
    operator.start("u1")
    assert Session.objects(unrecorded__exists=True).count() == 1
    assert Agent.objects(unrecorded__at__exists=True).count() == 1
    relay.clean()
    assert Session.objects(unrecorded__at__exists=True).count() == 1, "Recording may begin at this moment."
    long_ago = now() - timedelta(minutes=2)
    for document in (Session, Agent):
        document.collection().update_many(
            {"unrecorded.at": {"$exists": True}}, {"$set": {"unrecorded.$[].at": long_ago}}
        )
    relay.here.forget()
    relay.here.work()
    assert Session.objects(unrecorded__at__exists=True).count() == 0
    assert Agent.objects(unrecorded__at__exists=True).count() == 0


def test_a_process_that_begins_and_knows_nothing_yet_removes_no_marks(operator: Api, session_id: str) -> None:
    Session.collection().update_many({}, {"$set": {"unrecorded.$[].at": now() - timedelta(minutes=2)}})
    Feed.collection().update_one({}, {"$set": {"since": now() - timedelta(hours=1)}})
    switch.here.forget()
    relay.here.forget()

    relay.here.work()

    assert types(events(operator)) == ["session.started", "session.assigned", "agent.created"]


def test_a_change_in_progress_when_recording_begins_is_recorded(
    operator: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    Feed.collection().delete_many({})
    monkeypatch.setattr(switch.Switch, "must_mark", lambda self: self.is_known_to_be_on)
    switch.here.look()

    from chatsupport.services.sessions import starting

    def and_begin(session: Any) -> Any:
        stored = original(session)
        switch.here.begin()
        return stored

    original = starting._insert
    monkeypatch.setattr(starting, "_insert", and_begin)
    operator.start("u1")

    assert types(events(operator)) == ["session.started"]


def test_messages_from_before_recording_began_are_not_recorded(operator: Api, user: Api, session_id: str) -> None:
    user.send(session_id, "before")
    Session.collection().update_many({}, {"$unset": {"unrecorded": ""}})  # Nobody listened when it began.
    Feed.collection().delete_many({})
    switch.here.forget()
    relay.here.forget()
    data_of(operator.get(EVENTS))
    user.send(session_id, "after")

    assert [event["data"]["message"] for event in events(operator, types="message.created")] == ["after"]


def test_a_look_that_began_before_the_recording_does_not_hide_it(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    Feed.collection().delete_many({})
    switch.here.forget()

    just_after(monkeypatch, Collection, "find_one", switch.here.begin)
    switch.here.look()

    assert switch.here.is_known_to_be_on


def test_a_late_beginner_hides_nothing_that_was_recorded_since_another_began(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    Feed.collection().update_one({}, {"$set": {"isOn": False}})
    switch.here.forget()

    def another() -> None:
        switch._switch_on()
        switch.here.look()
        operator.create_agent("Ada")
        relay.here.round()

    just_before(monkeypatch, switch, "last_number", another)
    switch._switch_on()

    assert types(events(operator)) == ["agent.created"]


def test_the_marks_of_the_last_events_are_removed_although_recording_has_begun_again_since(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(relay, "_remove_marks", lambda entries: 1 / 0 if entries else None)
        with pytest.raises(ZeroDivisionError):
            relay.here.round()
    found = data_of(operator.get(EVENTS))["events"]
    switch._note_last_seqs()
    assert EventBatch.objects.count() == 1
    operator.send(session_id, "Hello", senderId="u1", senderType="user")
    switch._note_last_seqs()
    assert EventBatch.objects.count() == 2

    relay.here.forget()
    assert ids(events(operator)) == ids(found)


def test_a_position_is_gone_only_if_an_event_behind_it_is(operator: Api, batches: list[int]) -> None:
    switch.keep_up()

    assert events(operator, after=batches[-2])[0]["position"] == batches[-1]
    assert events(operator, after=batches[-3])[0]["position"] == batches[-2], "This reader has all deleted events."
    assert_failure(operator.get(EVENTS, after=batches[-4]), 410, "POSITION_GONE")


def test_recording_begins_when_every_process_knows(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    Feed.collection().delete_many({})
    switch.here.forget()
    monkeypatch.setattr(processes.here, "others", lambda: {"another"})

    began = time.monotonic()
    operator.get(EVENTS)

    assert time.monotonic() - began >= switch.TRUSTED_SECONDS


@pytest.mark.features("settings", "notes")
def test_a_bot_hears_of_its_own_sessions_only(operator: Api, bot: Api, bot_id: str, user: Api, with_bot: str) -> None:
    answers_first(operator, None)
    operator.create_agent("Ada", maxUsers=10)
    other = operator.start("u2")["sessionId"]
    data_of(user.send(with_bot, "Hello?"))
    data_of(operator.send(other, "Hello?", senderId="u2", senderType="user"))
    data_of(operator.post(f"/api/chat/notes/{with_bot}", {"text": "likes cats"}))
    everything = events(operator)

    answer = data_of(bot.get(EVENTS))
    assert types(answer["events"]) == ["session.started", "session.assigned", "message.created"]
    assert {event["data"].get("sessionId", event["data"]["id"]) for event in answer["events"]} == {with_bot}
    assert answer["position"] == max(
        event["position"] for event in everything if event["type"].startswith(("session.", "message."))
    )
    assert answer["hasMore"] is False

    first = data_of(bot.get(EVENTS, limit=1))
    assert (types(first["events"]), first["hasMore"]) == (["session.started"], True)
    rest = data_of(bot.get(EVENTS, after=first["position"]))
    assert types(rest["events"]) == ["session.assigned", "message.created"]
    assert data_of(bot.get(EVENTS, after=answer["position"])) == {**answer, "events": []}
    assert data_of(bot.get(EVENTS, types="note.created"))["events"] == []

    data_of(bot.post(f"/api/chat/handoff/{with_bot}"))
    events(operator)
    assert data_of(bot.get(EVENTS))["events"] == []


def test_a_bot_does_not_wait_while_there_is_more(
    operator: Api, bot: Api, with_bot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events(operator)
    after = data_of(bot.get(EVENTS))["position"]
    answers_first(operator, None)
    for number in range(2):
        operator.start(f"u{number + 2}")
    events(operator)
    monkeypatch.setattr(feed, "PART", 1)
    monkeypatch.setattr(feed, "MOST_PARTS", 1)
    monkeypatch.setattr(feed.tail, "wait", None)  # It cannot wait.
    answer = data_of(bot.get(EVENTS, after=after, wait=25))
    assert (answer["events"], answer["hasMore"]) == ([], True)
    assert answer["position"] > after


def test_people_do_not_read_the_feed(apis: Apis, ada: str) -> None:
    for caller in (apis.agent(ada), apis.user("u1"), apis.agent("0" * 24)):
        assert caller.get(EVENTS).status_code in (401, 403)


@pytest.mark.features("settings")
def test_the_first_bot_begins_the_recording(make_app: Any) -> None:
    operator = Apis(make_app()).operator()
    assert not switch.here.is_known_to_be_on
    operator.create_agent("Robin", kind="bot")
    assert switch.here.is_known_to_be_on
