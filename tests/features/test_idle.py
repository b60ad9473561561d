"""An idle process asks the database little, whatever its features are."""

from __future__ import annotations

import pytest

from chatsupport import timed_work
from chatsupport.features.search import indexing
from chatsupport.services.assignment import reservations, transitions
from chatsupport.services.server import processes
from tests.api import Api
from tests.commands import COMMANDS


@pytest.mark.usefixtures("session_id")
def test_an_idle_process_looks_at_the_database_rarely(operator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, of_earlier_tests in ((transitions, "_deleted"), (reservations, "_deleted_lately")):
        monkeypatch.setattr(module, of_earlier_tests, {})
    operator.start("u2")
    processes.here.begin()
    processes.here.beat()
    for work in timed_work.all_work():
        work()  # What it looks up once, it has looked up.
    indexing.index_waiting()
    rates: dict[str, float] = {}
    for work in timed_work.all_work():
        work()  # On a busy machine, the last time is long ago.
        with COMMANDS.counted() as sent:
            work()
        rates[work.name] = len(sent) / work.seconds

    # A lease is renewed more rarely than this shows: a process remembers that it holds it.
    assert sum(rates.values()) < 11.0, sorted(rates.items(), key=lambda rate: rate[1], reverse=True)
