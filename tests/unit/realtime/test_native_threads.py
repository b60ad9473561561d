"""Work outside the greenlets, a few pieces at a time."""

from __future__ import annotations

import _imp
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from eventlet import tpool
from flask import Flask

from chatsupport.errors import RateLimitedError
from chatsupport.realtime import native_threads
from chatsupport.sockets import hooks
from tests.concurrency import run_together
from tests.conftest import MakeConfig


def test_a_few_pieces_of_work_run_at_a_time() -> None:
    mutex, running, most = threading.Lock(), 0, 0

    def work(number: int) -> int:
        nonlocal running, most
        with mutex:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with mutex:
            running -= 1
        return number

    results = run_together(*(lambda number=number: native_threads.offload(work, number) for number in range(8)))

    assert results == list(range(8))
    assert most == native_threads.AT_ONCE


def test_strangers_leave_a_place_for_others() -> None:
    at_work, done = threading.Event(), threading.Event()

    def occupy() -> None:
        at_work.set()
        assert done.wait(40)

    strangers = [threading.Thread(target=lambda: native_threads.offload(occupy, for_stranger=True)) for _ in range(3)]
    for stranger in strangers:
        stranger.start()
    assert at_work.wait(40)

    assert native_threads.offload(int, "7") == 7

    done.set()
    for stranger in strangers:
        stranger.join()


def test_a_caller_that_waits_too_long_is_asked_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_threads, "WAIT_SECONDS", 0.01)

    def nested() -> None:
        with pytest.raises(RateLimitedError):
            native_threads.offload(lambda: native_threads.offload(int))

    native_threads.offload(nested)
    assert native_threads.offload(int) == 0  # The failure did not keep its place.


def test_work_runs_in_native_threads_only_under_eventlet(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Callable[..., Any]] = []
    monkeypatch.setattr(tpool, "execute", lambda work, *arguments: called.append(work) or work(*arguments))
    hooks.init_app(Flask("tests"), make_config(async_mode="eventlet"))
    assert native_threads.offload(int, "7") == 7
    assert called == [int]
    hooks.init_app(Flask("tests"), make_config(async_mode="threading"))
    assert native_threads.offload(int, "8") == 8
    assert called == [int]


def test_work_runs_in_a_native_thread_while_something_is_imported(make_config: MakeConfig) -> None:
    hooks.init_app(Flask("tests"), make_config(async_mode="eventlet"))
    _imp.acquire_lock()
    try:
        assert native_threads.offload(threading.get_ident) != threading.get_ident()
    finally:
        _imp.release_lock()
        tpool.killall()
        hooks.init_app(Flask("tests"), make_config(async_mode="threading"))
