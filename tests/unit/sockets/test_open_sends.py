"""The count of a socket's messages that are being written."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from chatsupport.sockets import open_sends
from chatsupport.sockets.open_sends import OpenSends


def test_a_message_that_is_stored_as_the_wait_begins_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    sends = OpenSends()
    sends.begin()

    def lock() -> threading.Lock:
        sends.end()
        return threading.Lock()

    monkeypatch.setattr(open_sends, "threading", SimpleNamespace(Lock=lock))
    waiter = threading.Thread(target=sends.wait_for_all, daemon=True)
    waiter.start()
    waiter.join(40)

    assert not waiter.is_alive()
