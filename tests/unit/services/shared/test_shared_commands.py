"""Calls that share commands: many at once make few commands, and each sees everything written before it began."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Iterable
from typing import Any

import pytest

from chatsupport.database.connection import answer_within
from chatsupport.errors import ChatSupportError
from chatsupport.services.shared import shared_commands
from chatsupport.services.shared.shared_commands import SharedCommands
from tests.concurrency import eventually, run_together, waiting_callers


class Store:
    """Documents, with a record of their readers. A read may be held up."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.reads: list[list[str]] = []
        self.may_read = threading.Event()
        self.may_read.set()

    def read(self, ids: list[str]) -> Iterable[dict[str, Any]]:
        self.reads.append(sorted(ids))
        assert self.may_read.wait(40)
        return [self.documents[document_id] for document_id in ids if document_id in self.documents]


def test_a_single_look_up_makes_its_query_at_once() -> None:
    store = Store()
    store.documents["a"] = {"_id": "a"}
    look_up = SharedCommands(store.read)

    assert look_up(["a", "b"]) == [{"_id": "a"}]
    assert look_up(["b"]) == []
    assert store.reads == [["a", "b"], ["b"]]


def test_look_ups_during_a_query_share_the_next_one_and_see_earlier_writes() -> None:
    store = Store()
    look_up = SharedCommands(store.read)
    store.may_read.clear()
    found: dict[str, list[Any]] = {}

    def ask(name: str) -> None:
        found[name] = look_up([name])

    def first() -> None:
        ask("first")

    def others() -> None:
        eventually(lambda: store.reads)
        store.documents = {name: {"_id": name} for name in ("first", "b", "c", "d")}
        asking = [threading.Thread(target=ask, args=(name,)) for name in ("b", "c", "d")]
        for thread in asking:
            thread.start()
        eventually(lambda: waiting_callers(look_up) == 3)
        store.documents["first"] = {"_id": "changed"}
        store.may_read.set()
        for thread in asking:
            thread.join(40)

    run_together(first, others)

    assert store.reads == [["first"], ["b", "c", "d"]]
    assert {name: rows[0]["_id"] for name, rows in found.items() if name != "first"} == {"b": "b", "c": "c", "d": "d"}


def test_a_failed_query_fails_only_the_look_ups_that_share_it() -> None:
    store, failing = Store(), True

    def read(ids: list[str]) -> Iterable[dict[str, Any]]:
        rows = store.read(ids)
        if failing and "b" in ids:
            raise OSError("away")
        return rows

    look_up = SharedCommands(read)
    store.may_read.clear()
    outcomes: list[str] = []

    def ask(name: str) -> None:
        try:
            look_up([name])
            outcomes.append("found")
        except OSError:
            outcomes.append("failed")

    def others() -> None:
        eventually(lambda: store.reads)
        asking = [threading.Thread(target=ask, args=("b",)) for _ in range(3)]
        for thread in asking:
            thread.start()
        eventually(lambda: waiting_callers(look_up) == 3)
        store.may_read.set()
        for thread in asking:
            thread.join(40)

    run_together(lambda: ask("a"), others)
    failing = False
    ask("b")

    assert outcomes == ["found", "failed", "failed", "failed", "found"]


def test_the_last_caller_queries_for_the_earlier_ones() -> None:
    asked_by: list[str] = []
    may_read = threading.Event()

    def read(ids: list[str]) -> Iterable[dict[str, Any]]:
        asked_by.append(threading.current_thread().name)
        assert may_read.wait(40)
        return []

    look_up = SharedCommands(read)
    threads = [
        threading.Thread(target=look_up, args=(["x"],), name=name) for name in ("first", "waits longest", "last")
    ]
    for number, thread in enumerate(threads):
        thread.start()
        eventually(lambda number=number: asked_by and waiting_callers(look_up) == number)
    may_read.set()
    for thread in threads:
        thread.join(40)

    # The caller that has waited longest may have no time left for its own query.
    assert asked_by == ["first", "last"]


class Calls:
    """Calls of shared commands in threads of their own, each with its time. The commands are held up at first."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        """Who has sent which command."""
        self.outcomes: dict[str, str] = {}
        self.errors: list[Exception] = []
        self.error: Exception | None = None
        self.may_go_on = threading.Event()
        self.shared = SharedCommands(self._run)
        self._threads: list[threading.Thread] = []

    def _run(self, items: list[str]) -> Iterable[dict[str, Any]]:
        self.sent.append((threading.current_thread().name, items))
        assert self.may_go_on.wait(40)
        if self.error is not None and "first" not in items:
            raise self.error
        return [{"_id": item} for item in items]

    def make(self, name: str, seconds: float, item: str = "") -> None:
        """Make a call, and wait until its command is in progress or it waits."""

        def call() -> None:
            with answer_within(seconds):
                try:
                    self.outcomes[name] = self.shared([item or name])[0]["_id"]
                except (ChatSupportError, OSError) as error:
                    self.errors.append(error)
                    self.outcomes[name] = type(error).__name__

        made = len(self._threads)
        self._threads.append(threading.Thread(target=call, name=name))
        self._threads[-1].start()
        assert eventually(lambda: self.sent and waiting_callers(self.shared) + len(self.outcomes) == made)

    def finish(self) -> None:
        self.may_go_on.set()
        for thread in self._threads:
            thread.join(40)


def test_the_caller_with_most_of_its_time_left_sends_the_command() -> None:
    calls = Calls()
    for name, seconds in (("first", 30), ("early", 20), ("fresh", 30), ("late", 10)):
        calls.make(name, seconds)
    calls.finish()

    assert calls.sent == [("first", ["first"]), ("fresh", ["early", "fresh", "late"])]


def test_a_caller_waits_no_longer_than_its_time_and_its_write_is_not_sent() -> None:
    calls = Calls()
    calls.make("first", 30)
    calls.make("patient", 30)
    calls.make("hasty", 0.05)
    assert eventually(lambda: "hasty" in calls.outcomes)
    calls.finish()

    assert calls.outcomes == {"hasty": "DatabaseUnavailableError", "first": "first", "patient": "patient"}
    assert calls.sent == [("first", ["first"]), ("patient", ["patient"])]
    assert calls.shared(["later"]) == [{"_id": "later"}]


def test_callers_that_all_give_up_leave_nothing_behind() -> None:
    calls = Calls()
    calls.make("first", 30)
    calls.make("hasty", 0.05)
    assert eventually(lambda: "hasty" in calls.outcomes)
    calls.finish()

    assert calls.shared(["later"]) == [{"_id": "later"}]
    assert [items for _, items in calls.sent] == [["first"], ["later"]]
    assert not calls.shared._is_busy


def test_another_caller_sends_the_command_if_the_turn_comes_as_the_first_gives_up() -> None:
    shared: SharedCommands[str] = SharedCommands(lambda items: [{"_id": item} for item in items])
    me, other = (shared_commands._Caller([name], deadline) for name, deadline in (("a", 1.0), ("b", 0.0)))
    for caller in (me, other):
        caller.turn.acquire()
        mine = shared._join(caller)
    shared._appoint_sender()
    assert mine.sender is me

    assert shared._leave(me, mine)

    assert (mine.sender, mine.callers) == (other, [other])
    assert other.turn.acquire(blocking=False)


def test_an_error_that_many_callers_raise_does_not_collect_their_frames() -> None:
    calls = Calls()
    calls.error = OSError("away")
    calls.make("first", 30)
    for number in range(20):
        calls.make(f"caller {number}", 30)
    calls.finish()

    assert calls.errors == [calls.error] * 20
    assert len(list(traceback.walk_tb(calls.error.__traceback__))) < 10


def test_many_look_ups_at_once_each_get_their_own_result() -> None:
    store = Store()
    store.documents = {str(number): {"_id": str(number)} for number in range(0, 400, 2)}
    look_up = SharedCommands(store.read)

    def ask(start: int) -> None:
        for number in range(start, 400, 16):
            assert [row["_id"] for row in look_up([str(number)])] == [str(number)] * (number % 2 == 0)

    run_together(*[lambda start=start: ask(start) for start in range(16)])


def test_the_next_command_has_each_item_once_in_the_order_of_its_calls() -> None:
    calls = Calls()
    for name in ("first", "z", "a", "m"):
        calls.make(name, 30)
    calls.make("again", 30, item="a")
    calls.finish()

    assert [items for _, items in calls.sent] == [["first"], ["z", "a", "m"]]
    assert calls.outcomes == {**{name: name for name in ("first", "z", "a", "m")}, "again": "a"}
    calls.shared(["later"])
    assert calls.sent[-1][1] == ["later"]


def test_of_many_calls_a_few_share_a_command_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_commands, "MOST_CALLERS", 3)
    calls = Calls()
    names = [str(number) for number in range(7)]
    for name in ("first", *names):
        calls.make(name, 30)
    calls.finish()

    assert [items for _, items in calls.sent] == [["first"], names[:3], names[3:6], names[6:]]
    assert calls.outcomes == {name: name for name in ("first", *names)}
    assert not calls.shared._is_busy


def test_callers_that_come_before_the_command_is_sent_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.documents = {name: {"_id": name} for name in "abc"}
    look_up = SharedCommands(store.read)
    found: list[Any] = []
    asking = [threading.Thread(target=lambda name=name: found.extend(look_up([name]))) for name in "bc"]

    def let_others_run(seconds: float) -> None:
        monkeypatch.undo()
        for thread in asking:
            thread.start()
        eventually(lambda: waiting_callers(look_up) == 3)

    monkeypatch.setattr(shared_commands.time, "sleep", let_others_run)
    found.extend(look_up(["a"]))
    for thread in asking:
        thread.join(40)

    assert store.reads == [["a", "b", "c"]]
    assert sorted(row["_id"] for row in found) == ["a", "b", "c"]


def test_a_caller_with_little_time_left_shares_its_command_with_nobody_who_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()
    look_up = SharedCommands(store.read)
    sharing = threading.Thread(target=look_up, args=(["patient"],))

    def let_another_run(seconds: float) -> None:
        monkeypatch.undo()
        sharing.start()
        eventually(lambda: waiting_callers(look_up) == 2)

    monkeypatch.setattr(shared_commands.time, "sleep", let_another_run)
    with answer_within(5):
        look_up(["hasty"])
    if sharing.ident is not None:
        sharing.join(40)

    assert store.reads == [["hasty"]]


@pytest.mark.parametrize("is_its_turn", [False, True])
def test_a_caller_killed_while_it_waits_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, is_its_turn: bool
) -> None:
    store = Store()
    look_up = SharedCommands(store.read)
    wait, killed = shared_commands._Caller.wait, threading.Event()

    def wait_or_be_killed(caller: Any) -> bool:
        if caller.items == ["killed"]:
            if is_its_turn:
                wait(caller)
            killed.set()
            raise SystemExit
        return bool(wait(caller))

    def ask(name: str) -> None:
        with contextlib.suppress(SystemExit):
            look_up([name])

    monkeypatch.setattr(shared_commands._Caller, "wait", wait_or_be_killed)
    store.may_read.clear()
    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in ("first", "other", "killed")]
    for number, thread in enumerate(threads):
        thread.start()
        eventually(lambda n=number: store.reads and (killed.is_set() or waiting_callers(look_up) == n))
    store.may_read.set()
    threads[1].join(20)

    assert store.reads == [["first"], ["other"]]
    assert eventually(lambda: not look_up._is_busy, 20)


@pytest.mark.parametrize("ended", [KeyboardInterrupt, SystemExit])
def test_a_caller_killed_before_its_query_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, ended: type[BaseException]
) -> None:
    store = Store()
    look_up = SharedCommands(store.read)

    def be_killed(seconds: float) -> None:
        raise ended

    with monkeypatch.context() as patch:
        patch.setattr(shared_commands.time, "sleep", be_killed)
        with pytest.raises(ended):
            look_up(["a"])

    assert look_up(["b"]) == []
    assert store.reads == [["b"]]


@pytest.mark.parametrize("ended", [KeyboardInterrupt, SystemExit])
def test_a_caller_killed_during_a_query_leaves_nobody_waiting(ended: type[BaseException]) -> None:
    def read(ids: list[str]) -> Iterable[dict[str, Any]]:
        if "a" in ids:
            raise ended
        return []

    look_up = SharedCommands(read)
    with pytest.raises(ended):
        look_up(["a"])

    assert look_up(["b"]) == []
