"""While clocks disagree, nothing counts as old."""

from __future__ import annotations

import datetime as dt

import pytest

from chatsupport.database import clock
from chatsupport.documents import Denial, Process, Session
from chatsupport.features.privacy import retention
from chatsupport.services.server import processes
from chatsupport.services.server.processes import ThisProcess
from tests.api import Apis
from tests.applications import MakeApp, SetClock


@pytest.mark.parametrize("wrong", ["this machine", "another process", "another member"])
def test_nothing_is_deleted_by_age_while_clocks_disagree(
    make_app: MakeApp,
    set_clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    operator = Apis(make_app(of_features={"RETENTION_DAYS": 30})).operator()
    operator.end(operator.start("u1")["sessionId"])
    operator.post("/api/auth/revoke", {"userId": "u2"})
    long_ago = clock.now() - dt.timedelta(days=31)
    Session.objects.update(ended_at=long_ago)
    Denial.objects.update(expires_at=long_ago)

    def kept() -> list[int]:
        return [document.objects.count() for document in (Session, Denial)]

    before = kept()
    assert 0 not in before
    with monkeypatch.context() as patch:
        if wrong == "this machine":
            set_clock(60 * 86_400.0)
        elif wrong == "another process":
            other = ThisProcess()
            other.begin()
            other.beat()
            Process.objects.update(clock_offset=-60.0)
            processes.here.begin()
            processes.here.beat()
        else:
            patch.setattr(clock, "wrong_members", lambda: {"b:27017": -60.0})
        for _ in range(2):
            assert retention.sweep() == 0
        assert kept() == before
        assert len([text for text in caplog.messages if "Nothing old is deleted while clocks disagree" in text]) == 1
    set_clock(0.0)
    processes.here.reset()

    assert retention.sweep() == 1
    assert kept() == [0, 0]
