"""Search: sessions are found by all their words, by those who may see them, and by nothing that was erased."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from bench import old
from chatsupport.database import connection
from chatsupport.documents import Counters, Session, indexes
from chatsupport.features.search import indexing, service, sweeps, words
from chatsupport.features.search.documents import SearchEntry
from chatsupport.features.search.models import SearchQuery
from chatsupport.services.server import index_builds
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.commands import COMMANDS
from tests.concurrency import run_together
from tests.interleaving import just_after, just_before

SEARCH = "/api/chat/search"

Entry = tuple[str, dict[str, Any]]
StoreEntries = Callable[[Sequence[Entry]], list[ObjectId]]


@pytest.fixture(autouse=True)
def nothing_waits() -> None:
    indexing._waiting.clear()


def results(api: Api, q: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data_of(api.get(SEARCH, q=q, **query))["results"]
    return found


def found(api: Api, q: str, **query: Any) -> list[str]:
    """Search, once what waits has been indexed; return the ids of the sessions."""
    indexing.index_waiting()
    return [result["session"]["id"] for result in results(api, q, **query)]


def test_a_session_is_found_by_all_words_of_its_messages(operator: Api, session_id: str, user: Api) -> None:
    other = operator.start("u2")["sessionId"]
    user.send(session_id, "Where is my P\u00e4rcel?")
    operator.send(session_id, "It is in Rome.")
    operator.send(other, "A parcel for Paris")

    assert found(operator, "parcel") == [other, session_id]
    assert found(operator, "ROME pa\u0301rcel") == [session_id]
    assert found(operator, "rome paris") == []
    (result,) = results(operator, "rome parcel")
    assert result["session"] == operator.session(session_id) | {"duration": result["session"]["duration"]}
    assert [(match["seq"], match["senderType"], match["snippet"]) for match in result["matches"]] == [
        (1, "user", "Where is my P\u00e4rcel?"),
        (2, "system", "It is in Rome."),
    ]
    assert result["matches"][0]["at"].endswith("Z")


@pytest.mark.features("tags")
def test_a_session_is_found_by_ids_and_tags_without_any_message(operator: Api, session_id: str) -> None:
    visitor = operator.start("Shop-Visitor 7")["sessionId"]
    put = operator.client.put(f"/api/chat/tags/{session_id}", json={"tags": ["Sch\u00f6n"]}, headers=operator.headers)
    data_of(put)

    assert found(operator, "visitor 7") == [visitor]
    assert found(operator, session_id.upper()) == [session_id]
    assert found(operator, "schon u1") == [session_id]
    assert [result["matches"] for result in results(operator, "schon")] == [[]]
    operator.client.put(f"/api/chat/tags/{session_id}", json={"tags": []}, headers=operator.headers)
    assert found(operator, "schon") == []


@pytest.mark.features("context")
def test_a_session_is_found_by_the_name_that_the_visitor_has_now(apis: Apis, operator: Api) -> None:
    body = {"userId": "u1", "visitor": {"name": "Zo\u00eb Meyer", "email": "zoe@example.com"}}
    session_id = data_of(apis.user("u1").post("/api/chat/start-session", body))["sessionId"]
    operator.send(session_id, "hello")
    assert found(operator, "zoe meyer hello") == found(operator, "zoe@example.com") == [session_id]

    operator.patch(f"/api/chat/session/{session_id}", {"visitor": {"name": "Ann"}})

    assert found(operator, "ann hello") == [session_id]
    assert found(operator, "meyer") == []


def test_agents_find_their_own_sessions_and_supervisors_all(
    apis: Apis, operator: Api, ada: str, session_id: str, ben: str
) -> None:
    other = operator.start("u2")["sessionId"]
    third = operator.start("u3")["sessionId"]
    for each in (session_id, other, third):
        operator.send(each, "refund please")
    supervisor = apis.agent(operator.create_agent("Sue", role="supervisor", isOnline=False)["id"])

    assert found(operator, "refund") == found(supervisor, "refund") == [third, other, session_id]
    assert found(apis.agent(ada), "refund") == [session_id]
    assert found(apis.agent(ben), "refund") == [other]
    assert found(operator, "refund", agentId=ada) == [session_id]
    assert found(operator, "refund", status="waiting") == [third]
    assert_failure(apis.agent(ada).get(SEARCH, q="refund", agentId=ben), 403, "FORBIDDEN")
    assert_failure(apis.user("u1").get(SEARCH, q="refund"), 403, "FORBIDDEN")
    assert_failure(apis.anonymous().get(SEARCH, q="refund"), 401, "AUTH_REQUIRED")


def test_an_agent_that_lost_a_session_does_not_find_it_even_before_the_index_knows(
    apis: Apis, operator: Api, ada: str, session_id: str, ben: str
) -> None:
    operator.send(session_id, "refund")
    assert found(apis.agent(ada), "refund") == [session_id]

    data_of(operator.post(f"/api/chat/transfer/{session_id}", {"agentId": ben}))

    assert results(apis.agent(ada), "refund") == []
    assert found(apis.agent(ben), "refund") == [session_id]


def test_results_come_page_by_page_newest_first(operator: Api) -> None:
    ids = [operator.start(f"v-{number}")["sessionId"] for number in range(5)]
    indexing.index_waiting()
    listed, cursor = [], {}
    while True:
        page = data_of(operator.get(SEARCH, q="v", limit=2, **cursor))
        listed += [result["session"]["id"] for result in page["results"]]
        if not page["hasMore"]:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert listed == ids[::-1]


def test_one_call_compares_a_bounded_number_and_the_next_goes_on(
    operator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PORTIONS", (1, 2))
    ids = [operator.start(f"v-{number}")["sessionId"] for number in range(8)]
    for each in (ids[0], ids[7]):
        operator.send(each, "rare apple")
    for number in range(8, 12):
        operator.send(operator.start(f"w-{number}")["sessionId"], "rare rare apple pear apple")
    indexing.index_waiting()
    listed, calls, cursor = [], 0, {}
    while True:
        page = data_of(operator.get(SEARCH, q="v apple", **cursor))
        listed += [result["session"]["id"] for result in page["results"]]
        calls += 1
        if not page["hasMore"]:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert listed == [ids[7], ids[0]]
    assert calls > 1


def test_times_bound_the_search(operator: Api, session_id: str) -> None:
    began = operator.session(session_id)["createdAt"]

    assert found(operator, "u1", **{"from": began}) == [session_id]
    assert found(operator, "u1", to=began) == []
    assert found(operator, "u1", **{"from": "2020-01-01", "to": "2099-01-01"}) == [session_id]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "INVALID_QUERY"),
        ({"q": ""}, "INVALID_QUERY"),
        ({"q": " \u200b "}, "INVALID_QUERY"),
        ({"q": "x" * 201}, "INVALID_QUERY"),
        ({"q": "a\x00"}, "INVALID_QUERY"),
        ({"q": "a", "limit": "101"}, "INVALID_LIMIT"),
        ({"q": "a", "cursor": "1-2"}, "INVALID_CURSOR"),
        ({"q": "a", "status": "gone"}, "INVALID_STATUS"),
        ({"q": "a", "agentId": "none"}, "AGENT_NOT_FOUND"),
        ({"q": "a", "from": "yesterday"}, "INVALID_RANGE"),
        ({"q": "a", "from": "2026-01-02", "to": "2026-01-02"}, "INVALID_RANGE"),
    ],
)
def test_what_is_no_query_is_refused(operator: Api, query: dict[str, str], code: str) -> None:
    assert_failure(operator.get(SEARCH, **query), 404 if code == "AGENT_NOT_FOUND" else 400, code)


@pytest.mark.parametrize(
    "q",
    [
        "\U0001f600" * 200, "$where", "{$gt: ''}", ".*", "(", "\\", "a" * 200,
        " ".join("abcdefghijklmnopqrstuvwxyz" * 3),
        "\u202e\u05e9\u05dc\u05d5\u05dd", "\u0301" * 100 + "a", "?!", '"a" -b',
        "99999999999999-ffffffffffffffffffffffff",
    ],
)  # fmt: skip
def test_any_text_can_be_looked_for(operator: Api, session_id: str, q: str) -> None:
    indexing.index_waiting()

    assert results(operator, q) == []
    assert results(operator, q, cursor="99999999999999-ffffffffffffffffffffffff") == []


def test_a_query_given_twice_is_the_first_one(operator: Api, session_id: str) -> None:
    indexing.index_waiting()

    found_twice = data_of(operator.get(SEARCH, q=["u1", "u2"]))["results"]

    assert [row["session"]["id"] for row in found_twice] == [session_id]


def test_a_long_message_is_shown_around_the_word(operator: Api, session_id: str) -> None:
    operator.send(session_id, "x " * 300 + "needle" + " y" * 190)
    indexing.index_waiting()

    (match,) = results(operator, "needle")[0]["matches"]
    assert match["snippet"].startswith("\u2026x x")
    assert "needle" in match["snippet"]
    assert len(match["snippet"]) <= service.SNIPPET + 2


def test_the_messages_with_the_most_words_are_shown(operator: Api, session_id: str) -> None:
    for text in ("red", "red apple", "nothing", "apple", "apple red", "red"):
        operator.send(session_id, text)
    indexing.index_waiting()

    assert [match["seq"] for match in results(operator, "red apple")[0]["matches"]] == [2, 5, 6]


def test_of_a_session_that_was_read_nothing_is_read_again(operator: Api, session_id: str) -> None:
    operator.send(session_id, "one")
    indexing.index_waiting()
    operator.send(session_id, "two")
    operator.send(session_id, "Two three")
    with COMMANDS.counted() as sent:
        indexing.index_waiting()

    assert sent == ["update search"]
    entry = SearchEntry.objects.get(id=session_id)
    assert (entry.through, sorted(entry.words)) == (3, sorted([*entry.own, "one", "two", "three"]))
    assert found(operator, "one two three") == [session_id]
    with COMMANDS.counted() as sent:
        indexing.index_waiting()
    assert sent == []


def test_messages_that_another_process_has_stored_are_read(operator: Api, session_id: str) -> None:
    operator.send(session_id, "one")
    indexing.index_waiting()
    operator.send(session_id, "two")
    indexing._waiting.clear()
    operator.send(session_id, "three")

    assert found(operator, "one two three") == [session_id]


def test_an_entry_that_another_process_has_written_is_read(operator: Api, session_id: str) -> None:
    operator.send(session_id, "one")
    indexing.index_waiting()
    operator.send(session_id, "two")
    indexing.index([ObjectId(session_id)])
    operator.send(session_id, "three")

    assert found(operator, "one two three") == [session_id]
    assert SearchEntry.objects.get(id=session_id).words.count("two") == 1


def test_long_sessions_are_read_bit_by_bit(operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "MOST_MESSAGES", 2)
    other = operator.start("u2")["sessionId"]
    for number in range(5):
        operator.send(session_id, f"a{number}")
        operator.send(other, f"b{number}")
    for _ in range(6):
        indexing.index_waiting()

    assert found(operator, "a0 a1 a2 a3 a4") == [session_id]
    assert found(operator, "b0 b1 b2 b3 b4") == [other]


def test_the_words_of_a_session_are_bounded(operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "MOST_WORDS", 10)
    for number in range(10):
        operator.send(session_id, f"w{number} x{number}")
        indexing.index_waiting()

    assert len(SearchEntry.objects.get(id=session_id).words) == 10
    assert indexing.index([ObjectId(session_id)]) == set()


@pytest.mark.usefixtures("app")
def test_sessions_that_are_due_at_once_are_indexed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    started, sizes = time.monotonic(), []
    sessions = [ObjectId() for _ in range(40)]
    for each in sessions:
        indexing.note(each)
    for turn in range(round(4.5 / indexing.TURN_SECONDS)):
        now = started + turn * indexing.TURN_SECONDS
        monkeypatch.setattr(indexing, "time", SimpleNamespace(monotonic=lambda now=now: now))
        before = sum(map(indexing.is_noted, sessions))
        indexing.take_turn()
        sizes.append(before - sum(map(indexing.is_noted, sessions)))

    first = next(turn for turn, size in enumerate(sizes) if size)
    assert first * indexing.TURN_SECONDS >= indexing.COLLECT_SECONDS
    assert sum(sizes) == len(sessions), "within 4.5 seconds"
    assert max(sizes) <= 10, sizes


def test_a_few_entries_are_written_at_once_fewer_if_they_are_long(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [operator.start(f"v{number}")["sessionId"] for number in range(3)]
    monkeypatch.setattr(indexing, "MOST_COST", 500)

    def writes(*texts: str) -> int:
        for each, text in zip((session_id, *others), texts, strict=False):
            operator.send(each, text)
        with COMMANDS.counted() as sent:
            indexing.index_waiting()
        return sent.count("update search")

    writes(*["hello"] * 4)
    assert writes(*["short"] * 4) == 2
    writes(" ".join(f"long{number}" for number in range(100)))
    assert writes(*["again"] * 4) == 3
    assert len(found(operator, "hello short again")) == 4


def test_two_processes_lose_nothing(operator: Api, session_id: str) -> None:
    for number in range(20):
        operator.send(session_id, f"n{number}")
    this = ObjectId(session_id)

    left = run_together(*[lambda: indexing.index([this])] * 4)

    assert sum(not unfinished for unfinished in left) >= 1
    indexing.index([this])
    assert found(operator, " ".join(f"n{number}" for number in range(20))) == [session_id]


def test_what_a_killed_process_left_is_found_by_the_sweeps(operator: Api, session_id: str) -> None:
    ended = operator.start("u2")["sessionId"]
    for each in (session_id, ended):
        operator.send(each, "lost")
    operator.end(ended)
    indexing._waiting.clear()

    sweeps.look_at_open()
    assert found(operator, "lost") == [session_id]
    sweeps.look_at_all()
    assert found(operator, "lost") == [ended, session_id]


@pytest.mark.features("tags")
def test_a_look_at_the_open_sessions_reads_those_that_have_changed(operator: Api, session_id: str) -> None:
    other = operator.start("u2")["sessionId"]
    operator.send(session_id, "hello")
    indexing.index_waiting()
    with COMMANDS.counted() as sent:
        sweeps.look_at_open()
    assert {command.split()[0] for command in sent} == {"find", "aggregate"}

    for tags in (["vip"], []):
        put = operator.client.put(f"/api/chat/tags/{other}", json={"tags": tags}, headers=operator.headers)
        data_of(put)
        indexing._waiting.clear()
        sweeps.look_at_open()
        assert found(operator, "vip") == [other] * len(tags)


@pytest.mark.features("tags")
def test_after_the_first_round_a_look_at_all_reads_only_what_has_changed(
    operator: Api, session_id: str, profile: Any
) -> None:
    operator.send(session_id, "hello")
    operator.end(session_id)
    indexing.index_waiting()
    sweeps.look_at_all()
    before = len(profile())
    sweeps.look_at_all()
    asked = [row["command"] for row in profile()[before:] if row["ns"].endswith(".search")]
    assert [set(command["projection"]) for command in asked] == [{"through", "changedAt", "own"}]

    SearchEntry.collection().update_one({"_id": ObjectId(session_id)}, {"$set": {"own": ["of", "another", "release"]}})
    sweeps.look_at_all()
    assert found(operator, f"hello {session_id}") == [session_id]

    put = operator.client.put(f"/api/chat/tags/{session_id}", json={"tags": ["vip"]}, headers=operator.headers)
    data_of(put)
    indexing._waiting.clear()
    sweeps.look_at_all()
    assert found(operator, "vip") == [session_id]


def test_a_look_leaves_what_is_indexed_from_memory_soon(operator: Api, session_id: str, profile: Any) -> None:
    for text in ("one", "two"):
        operator.send(session_id, text)
        indexing.index_waiting()
    operator.send(session_id, "three")
    before = len(profile())

    sweeps.look_at_open()
    sweeps.look_at_all()
    indexing.index_waiting()

    asked = [row["command"]["pipeline"] for row in profile()[before:] if row["ns"].endswith(".messages")]
    assert not [pipeline for pipeline in asked if "texts" in str(pipeline)]
    assert found(operator, "one two three") == [session_id]


def test_all_sessions_are_looked_at_round_and_round(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 2)
    monkeypatch.setattr(sweeps, "FIRST_ROUND_SECONDS", 0.0)
    ids = [operator.start(f"v-{number}")["sessionId"] for number in range(5)]
    indexing._waiting.clear()

    counts = []
    for _ in range(4):
        sweeps.look_at_all()
        counts.append(SearchEntry.objects.count())
    assert counts == [2, 4, 5, 5]
    assert str(Counters.objects.get(id="search").position) == ids[1]


def test_a_guest_that_becomes_known_is_found_by_its_new_id_only(apis: Apis, operator: Api) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    as_guest = apis.bearer(guest["token"])
    session_id = as_guest.start(guest["userId"])["sessionId"]
    as_guest.send(session_id, "hello")
    assert found(operator, guest["userId"]) == [session_id]

    data_of(apis.user("jane").post("/api/auth/identify", {"guestToken": guest["token"]}))

    assert found(operator, "jane hello") == [session_id]
    assert found(operator, guest["userId"]) == []


@pytest.mark.features("privacy")
def test_an_erased_person_is_not_found(operator: Api, session_id: str) -> None:
    operator.send(session_id, "secret")
    assert found(operator, "secret") == [session_id]

    data_of(operator.delete("/api/users/u1"))

    assert results(operator, "secret") == results(operator, "u1") == []
    assert found(operator, "secret") == found(operator, "u1") == []
    assert found(operator, session_id) == [session_id]


@pytest.mark.features("privacy")
@pytest.mark.parametrize("step", ["_entries", "_being_erased", "_read_messages"])
def test_who_read_the_texts_before_an_erasure_does_not_write_them_after(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A process that stood still meanwhile."""
    operator.send(session_id, "secret")
    just_after(monkeypatch, indexing, step, lambda: operator.delete("/api/users/u1"))

    assert found(operator, "secret") == []
    assert found(operator, "u1") == []
    assert "secret" not in str(list(SearchEntry.collection().find()))


@pytest.mark.features("privacy")
def test_what_a_process_remembers_is_not_written_after_an_erasure(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.send(session_id, "hello")
    indexing.index_waiting()
    operator.send(session_id, "secret")
    just_before(monkeypatch, indexing, "_collection", lambda: operator.delete("/api/users/u1"))

    assert found(operator, "secret") == []
    assert "secret" not in str(list(SearchEntry.collection().find()))
    assert found(operator, session_id) == [session_id]


@pytest.mark.features("privacy")
def test_while_somebody_is_erased_nothing_of_it_is_indexed(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.send(session_id, "secret")
    from chatsupport.features.privacy import erasure

    just_after(monkeypatch, erasure.denials, "bury", indexing.index_waiting)
    just_after(monkeypatch, erasure._Work, "_rename_in_sessions", indexing.index_waiting)
    data_of(operator.delete("/api/users/u1"))

    assert found(operator, "u1") == found(operator, "secret") == []


@pytest.mark.features("privacy")
def test_what_an_erased_agent_wrote_is_not_found(operator: Api, apis: Apis, ada: str, session_id: str) -> None:
    apis.agent(ada).send(session_id, "secret")
    operator.send(session_id, "hello")
    assert found(operator, "secret hello") == [session_id]

    data_of(operator.delete(f"/api/users/{ada}?userType=agent"))

    assert found(operator, "secret") == []
    assert found(operator, "hello u1") == [session_id]


@pytest.mark.features("privacy")
def test_old_sessions_go_from_the_index_too(make_app: MakeApp) -> None:
    from chatsupport.features.privacy import retention

    operator = Apis(make_app(of_features={"RETENTION_DAYS": 1})).operator()
    session_id = operator.start("u1")["sessionId"]
    operator.end(session_id)
    indexing.index_waiting()
    Session.objects.update(ended_at=Session.objects.first().ended_at - timedelta(days=2))

    retention.sweep()

    assert SearchEntry.objects.count() == 0
    indexing.note(ObjectId(session_id))
    assert found(operator, "u1") == []
    assert SearchEntry.objects.count() == 0


def test_a_failure_keeps_what_waits(operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.send(session_id, "kept")
    with monkeypatch.context() as broken:
        broken.setattr(indexing, "index", lambda _, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            indexing.index_waiting()

    assert found(operator, "kept") == [session_id]


def test_searches_are_limited(make_app: MakeApp) -> None:
    app = make_app(rate_limits=True, rate_limit_search="2/minute")
    agent = Apis(app).agent(Apis(app).operator().create_agent("Ada")["id"])

    codes = [agent.get(SEARCH, q="a").status_code for _ in range(3)]

    assert codes == [200, 200, 429]
    assert Apis(app).operator().get(SEARCH, q="a").status_code == 200


@pytest.mark.features("audit")
def test_the_audit_log_says_whose_messages_were_shown(operator: Api, session_id: str) -> None:
    operator.send(session_id, "hello")
    found(operator, "hello")

    entries = data_of(operator.get("/api/audit", action="read"))["entries"]
    assert [entry["sessionId"] for entry in entries] == [session_id]


@pytest.fixture
def store_entries(app: Flask) -> StoreEntries:
    """Store entries of sessions, the newest first: each with its words and other values, a second apart by default."""

    def store(entries: Sequence[Entry]) -> list[ObjectId]:
        began = datetime(2026, 1, 1, tzinfo=timezone.utc)
        rows = [
            {
                "_id": ObjectId(),
                "words": said.split(),
                "revision": ObjectId(),
                "status": "ended",
                "createdAt": began - timedelta(seconds=number),
                **values,
            }
            for number, (said, values) in enumerate(entries)
        ]
        SearchEntry.collection().insert_many(rows)
        newest_first = sorted(rows, key=lambda row: (row["createdAt"], row["_id"]), reverse=True)
        return [row["_id"] for row in newest_first]

    return store


def examined(rows: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Return how many keys and documents a search examined in its index."""
    of_index = [row for row in rows if row["ns"].endswith(".search")]
    return sum(row["keysExamined"] for row in of_index), sum(row["docsExamined"] for row in of_index)


def test_a_search_examines_as_many_entries_as_the_rarest_word_has(
    operator: Api, store_entries: StoreEntries, profile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PORTIONS", (5, 20))
    store_entries([("common rare" if number == 20 else "common", {}) for number in range(30)])
    before = len(profile())

    results(operator, "common rare")

    assert examined(profile()[before:]) == (5 + 1 + 1, 1)


@pytest.mark.parametrize("query", [{}, {"agentId": "ada"}, {"status": "active"}, {"from": "2025-12-31T23:58:00Z"}])
def test_a_search_examines_the_same_in_more_sessions(
    operator: Api,
    ada: str,
    store_entries: StoreEntries,
    profile: Any,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
) -> None:
    monkeypatch.setattr(service, "PORTIONS", (5, 20))
    query = {**query, "agentId": ada} if "agentId" in query else query

    def costs(q: str, **more: str) -> tuple[int, int]:
        before = len(profile())
        answer = data_of(operator.get(SEARCH, q=q, limit=2, **query, **more))
        cost = examined(profile()[before:])
        if q == "one other" and not more and answer["hasMore"]:
            assert costs(q, cursor=answer["nextCursor"]) == cost
        return cost

    def store(count: int) -> None:
        values = {"agentId": ObjectId(ada), "status": "active"}
        said = ("one other even", "one other odd")
        store_entries([(said[number % 2], values if number % 4 == 0 else {}) for number in range(count)])

    store(200)
    few = [costs(q) for q in ("one", "one other", "even odd")]
    store(400)

    assert [costs(q) for q in ("one", "one other", "even odd")] == few
    assert all(documents <= sum(service.PORTIONS) for _, documents in few)


@pytest.mark.usefixtures("app")
def test_the_bench_stores_the_entries_that_the_server_would_make() -> None:
    old.fill(connection.database(), 3, messages_each=2, are_indexed=True)
    stored = entries_by_id()
    SearchEntry.collection().delete_many({})

    indexing.index(list(stored))

    assert entries_by_id() == stored


def entries_by_id() -> dict[ObjectId, dict[str, Any]]:
    """Return all entries, without their revisions."""
    return {
        row["_id"]: {**row, "words": sorted(row["words"])} for row in SearchEntry.collection().find({}, {"revision": 0})
    }


def test_open_sessions_are_found_among_many_that_have_ended(
    operator: Api, store_entries: StoreEntries, profile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PORTIONS", (5, 20))
    store_entries([("hello", {"status": "active"} if number == 28 else {}) for number in range(30)])
    before = len(profile())

    page = data_of(operator.get(SEARCH, q="hello", status="active"))

    assert examined(profile()[before:]) == (5 + 1 + 1, 1)
    assert page["hasMore"] is False


@pytest.fixture
def without_status_index(app: Flask) -> Iterator[None]:
    """A database of an earlier release, before a server has built the index of the open sessions."""
    SearchEntry.collection().drop_index("newest_open_by_status")
    index_builds.look()
    yield
    for collection, missing in indexes.by_collection(index_builds._missing.values()).items():
        indexes.build(collection, missing)
    index_builds.look()
    assert not index_builds._missing


@pytest.mark.usefixtures("without_status_index")
@pytest.mark.parametrize("status", ["active", "waiting"])
def test_a_search_reads_no_more_while_the_index_of_the_open_sessions_is_missing(
    operator: Api, store_entries: StoreEntries, profile: Any, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(service, "PORTIONS", (5, 20))
    store_entries([("hello" if number < 10 else "other", {"status": status}) for number in range(100)])
    before = len(profile())

    page = data_of(operator.get(SEARCH, q="hello", status=status, limit=2))

    assert examined(profile()[before:]) == (5, 5)
    assert page["hasMore"] is True


@pytest.mark.parametrize("portions", [(1,), (1, 2), (3, 4), (200, 800)])
def test_pages_leave_nothing_out_and_repeat_nothing(
    store_entries: StoreEntries, monkeypatch: pytest.MonkeyPatch, portions: tuple[int, ...]
) -> None:
    monkeypatch.setattr(service, "PORTIONS", portions)
    draw = random.Random(7)
    entries, at = [], datetime(2026, 1, 1, tzinfo=timezone.utc)
    for _ in range(60):
        at += timedelta(seconds=draw.choice([0, 0, 1]))
        said = [word for word, one_of in (("a", 1), ("b", 2), ("c", 3), ("d", 9)) if draw.randrange(one_of) == 0]
        entries.append((" ".join(said), {"createdAt": at, "status": draw.choice(["active", "ended"])}))
    ids = store_entries(entries)
    rows = {row["_id"]: row for row in SearchEntry.collection().find()}

    for q in ("a", "a b", "b c", "d a", "c d b"):
        for status in (None, "active", "ended"):
            for limit in (1, 3, 100):
                listed, cursor = [], None
                for _ in range(200):
                    query = {"q": q, "status": status, "limit": str(limit), "cursor": cursor}
                    wanted = SearchQuery.model_validate(query)
                    page, cursor = service._find(q.split(), None, wanted)
                    listed += page
                    if cursor is None:
                        break
                meet = [
                    one
                    for one in ids
                    if set(q.split()) <= set(rows[one]["words"]) and status in (None, rows[one]["status"])
                ]
                assert listed == meet, (q, status, limit)


def test_the_messages_of_a_page_are_read_together(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_MESSAGES", 4)
    empty = operator.start("u2")["sessionId"]
    long, short, last = (operator.start(f"u{number}")["sessionId"] for number in (3, 4, 5))
    for session, count in ((session_id, 2), (long, 6), (short, 1), (last, 3)):
        for number in range(count):
            operator.send(session, f"apple {number}")
    indexing.index_waiting()
    operator.send(empty, "pear")
    SearchEntry.objects(id=empty).update_one(push__words="apple")

    with COMMANDS.counted() as sent:
        listed = results(operator, "apple")

    places = [(result["session"]["id"], [match["seq"] for match in result["matches"]]) for result in listed]
    assert places == [(last, [1, 2, 3]), (short, [1]), (long, [4, 5, 6]), (empty, []), (session_id, [1, 2])]
    # The last three and one; the long one's; the others'; and all their last seqs.
    assert sent.count("aggregate messages") == 4


def test_others_are_served_while_long_messages_are_looked_through(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        operator.send(session_id, f"apple \u00e9 {number}")
    indexing.index_waiting()
    pauses: list[float] = []
    monkeypatch.setattr(service, "socketio", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(words, "CHARACTERS_AT_ONCE", 27)

    assert len(results(operator, "apple")[0]["matches"]) == 3
    assert len(pauses) == 3


@pytest.mark.parametrize("are_busy", [False, True])
def test_others_are_served_while_long_messages_are_indexed(
    operator: Api, session_id: str, monkeypatch: pytest.MonkeyPatch, are_busy: bool
) -> None:
    if are_busy:
        operator.send(session_id, "first")
        indexing.index_waiting()
        indexing.index([ObjectId(session_id)], are_busy=True)
    for number in range(10):
        operator.send(session_id, f"apple \u00e9 {number}")
    pauses: list[float] = []
    monkeypatch.setattr(indexing, "socketio", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(words, "CHARACTERS_AT_ONCE", 27)

    indexing.index_waiting()

    assert pauses.count(0) >= 3
    for number in range(10):
        assert len(results(operator, f"apple {number}")) == 1
