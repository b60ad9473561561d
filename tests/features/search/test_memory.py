"""What a process remembers for the search is bounded, and what is left out is read."""

from __future__ import annotations

import math

import pytest
from bson import ObjectId

from chatsupport.features.search import memory
from chatsupport.features.search.memory import Inbox, Known, KnownEntries

ONE, TWO, THREE = (ObjectId() for _ in range(3))


def test_beyond_so_many_texts_the_session_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_TEXTS", 2)
    inbox = Inbox()
    for seq in (1, 2, 3):
        inbox.add_message(ONE, seq, "text")
    assert inbox.take()[ONE].must_be_read

    inbox.add_message(ONE, 4, "text")
    inbox.add_message(ONE, 4, "text")
    taken = inbox.take()
    assert (taken[ONE].texts, taken[ONE].must_be_read) == ({4: "text"}, False)
    assert inbox.take() == {}


def test_beyond_so_many_sessions_none_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_SESSIONS", 2)
    inbox = Inbox()
    for each in (ONE, TWO, THREE, ONE):
        inbox.add(each)
        inbox.add_message(each, 1, "text")

    assert list(inbox.take()) == [ONE, TWO]


def test_what_is_put_back_is_read_and_waits_since_it_was_noted_first() -> None:
    inbox = Inbox()
    inbox.add_message(ONE, 1, "text")
    taken = inbox.take()
    inbox.add_message(ONE, 2, "text")
    inbox.put_back(taken)

    again = inbox.take()[ONE]
    assert (again.since, again.must_be_read) == (taken[ONE].since, True)


def test_those_that_have_waited_longest_are_taken_first() -> None:
    inbox = Inbox()
    for each in (ONE, TWO, THREE, ONE):
        inbox.add_message(each, 1, "text")
    taken = inbox.take(1)
    assert list(taken) == [ONE]

    inbox.put_back(taken)

    (after_two, after_three, again) = inbox.queued_before(math.inf)
    assert after_two <= after_three <= again
    assert again > taken[ONE].since
    assert inbox.queued_before(after_two) == [after_two]
    assert list(inbox.take(2)) == [TWO, THREE]
    assert list(inbox.take()) == [ONE]


def test_the_entries_that_were_used_least_lately_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_WORDS", 5)
    known = KnownEntries()
    for each, words in ((ONE, "ab"), (TWO, "cd"), (ONE, "abc"), (THREE, "e")):
        known.keep(each, Known(ObjectId(), 1, set(words)))

    assert known.get(TWO) is None
    entry = known.get(ONE)
    assert entry is not None
    assert entry.words == {"a", "b", "c"}
    assert known.get(THREE) is not None
