"""Web push from a server as users start it: in native threads beside its greenlets, from either of two processes."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import Connect
from tests.e2e.server import Servers, wait_until
from tests.features.push.services import Browser, PushService

pytestmark = pytest.mark.features("push")


def test_a_push_service_that_hangs_stops_neither_the_server_nor_other_pushes(
    servers: Servers, connect: Connect
) -> None:
    service, hanging = PushService(), PushService()
    hanging.hangs.set()
    try:
        server = servers.start(AGENT_GRACE="60")
        agent_id = server.operator().create_agent("Ada", maxUsers=20)
        token = server.operator().token(agent_id, "agent")
        agent = server.bearer(token)
        for number in range(5):
            assert (
                agent.request("PUT", "/api/push/subscription", Browser(hanging, f"b{number}").subscription).status
                == 200
            )
        browser = Browser(service)
        assert agent.request("PUT", "/api/push/subscription", browser.subscription).status == 200

        session_id = server.operator().start("u1")
        wait_until(lambda: browser.received)
        assert browser.received == [{"type": "assigned", "sessionId": session_id}]
        wait_until(lambda: len(hanging.got) == 2)  # At once; the others wait.
        began = time.monotonic()
        for number in range(20):
            assert server.operator().send(session_id, f"{number}").status == 201
        assert time.monotonic() - began < 2

        # While a console is open, it alone tells its agent.
        console = connect("python", server.url, {"token": token})
        visitor = server.bearer(server.operator().token("u1"))
        assert visitor.send(session_id, "Hello?").status == 201
        time.sleep(3)
        assert len(browser.received) == 1
        console.close()
        time.sleep(1.5)
        assert visitor.send(session_id, "Still there?").status == 201
        wait_until(lambda: len(browser.received) == 2)
        assert browser.received[1] == {"type": "message", "sessionId": session_id}
    finally:
        service.close()
        hanging.close()
