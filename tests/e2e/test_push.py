"""Web push from a server as users start it: in native threads beside its greenlets, from either of two processes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Connect
from tests.e2e.server import Servers, wait_until
from tests.e2e.tls import SelfSigned
from tests.features.push.services import Browser, PushService

pytestmark = pytest.mark.features("push")


def test_pushes_go_by_tls_to_whom_the_system_trusts_only(servers: Servers, tmp_path: Path) -> None:
    service = PushService()
    fronts = []
    for name in ("trusted", "other"):
        (tmp_path / name).mkdir()
        fronts.append(SelfSigned(tmp_path / name, service.port, "localhost"))
    trusted, other = fronts
    try:
        server = servers.start(SSL_CERT_FILE=str(trusted.certificate))
        operator = server.operator()
        agent_id = operator.create_agent("Ada")
        agent = server.bearer(operator.token(agent_id, "agent"))
        refused = Browser(service, "b1", f"https://localhost:{other.port}")
        told = Browser(service, "b2", f"https://localhost:{trusted.port}")
        for browser in (refused, told):
            assert agent.request("PUT", "/api/push/subscription", browser.subscription).status == 200

        session_id = operator.start("u1")

        wait_until(lambda: told.received == [{"type": "assigned", "sessionId": session_id}])
        wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in server.output())
        assert refused.received == []
        assert "/send/" not in server.output()  # Whoever knows the address may push.
    finally:
        service.close()
        for front in fronts:
            front.close()


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
        for number in range(20):
            assert server.operator().send(session_id, f"{number}").status == 201
        assert len(hanging.got) == 2  # They still hang.

        # While a console is open, it alone tells its agent.
        console = connect("python", server.url, {"token": token})
        visitor = server.bearer(server.operator().token("u1"))
        assert visitor.send(session_id, "Hello?").status == 201
        time.sleep(3)
        assert len(browser.received) == 1
        console.close()
        wait_until(lambda: '"Disconnected"' in server.output())
        time.sleep(1.5)  # The lease tells for a second that a console is open.
        assert visitor.send(session_id, "Still there?").status == 201
        wait_until(lambda: len(browser.received) == 2)
        assert browser.received[1] == {"type": "message", "sessionId": session_id}
    finally:
        service.close()
        hanging.close()
