"""Sign-ins and consoles on servers as users start them: native threads beside greenlets, and two processes."""

from __future__ import annotations

import itertools
import threading

from tests.concurrency import run_together
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.rest import Rest
from tests.e2e.server import Server, wait_until

PASSWORD = "correct horse battery"


def signed_in(server: Server, email: str, password: str = PASSWORD) -> tuple[str, Rest]:
    token = server.anonymous().post("/api/auth/login", {"email": email, "password": password}).data["token"]
    return token, server.bearer(token)


def test_a_demoted_supervisor_loses_access_in_every_process(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    here, there = two_servers
    operator = here.operator()
    operator.create_agent("Ada")
    session_id = operator.start("u1")
    grace = operator.create_agent(
        "Grace", role="supervisor", isOnline=False, email="grace@example.com", password=PASSWORD
    )
    token, _ = signed_in(there, "grace@example.com")
    supervisor = connect("python", there.url, {"token": token}, transports=["websocket"])
    supervisor.join(session_id)
    operator.send(session_id, "one")
    supervisor.wait_for("new_message")
    other = operator.start("u2")
    supervisor.wait_for("session_changed", lambda row: row["id"] == other)
    witness = connect("python", there.url, {"apiKey": API_KEY}, transports=["websocket"])
    witness.join(session_id)

    def hears(text: str) -> bool:
        """Tell whether the demoted supervisor gets a message that the same process tells somebody else."""
        operator.send(session_id, text)
        witness.wait_for("new_message", lambda message: message["message"] == text)
        supervisor.call("leave_session", {"sessionId": "none"})  # Whatever was told before comes first.
        return text in [message["message"] for message in supervisor.events("new_message")]

    assert operator.request("PATCH", f"/api/agents/{grace}", {"role": "agent"}).status == 200
    assert there.bearer(token).get(f"/api/chat/session/{session_id}").status == 403
    texts = (f"still? {number}" for number in itertools.count())
    wait_until(lambda: not hears(next(texts)))
    operator.request("POST", f"/api/chat/end-session/{other}")

    assert not hears("the last one")
    assert not [row for row in supervisor.events("session_changed") if row["status"] == "ended"]


def test_agents_in_every_process_get_updates_of_the_queue(two_servers: tuple[Server, Server], connect: Connect) -> None:
    here, there = two_servers
    agent_id = here.operator().create_agent("Ben", isOnline=False, email="ben@example.com", password=PASSWORD)
    for agent in here.operator().get("/api/agents").data["agents"]:
        here.operator().request("PATCH", f"/api/agents/{agent['id']}", {"isOnline": False})
    token, agent = signed_in(here, "ben@example.com")
    assert agent.get(f"/api/agents/{agent_id}").data["email"] == "ben@example.com"
    sockets = [connect("python", server.url, {"token": token}, transports=["websocket"]) for server in two_servers]
    before = here.operator().get("/api/chat/queue").data["total"]

    there.operator().start("waits")

    for socket in sockets:
        socket.wait_for("queue_changed", lambda row: row["waiting"] == before + 1)


def test_a_flood_of_sign_ins_does_not_delay_others(two_servers: tuple[Server, Server]) -> None:
    here, _ = two_servers
    here.operator().create_agent("Cleo", isOnline=False, email="cleo@example.com", password=PASSWORD)
    looks = 0
    done = threading.Event()

    def look() -> None:
        nonlocal looks
        while not done.is_set():
            assert here.anonymous().get("/").status == 200
            looks += 1

    looking = threading.Thread(target=look)
    looking.start()
    try:
        statuses = run_together(
            *(
                lambda: (
                    here.anonymous().post("/api/auth/login", {"email": "cleo@example.com", "password": PASSWORD}).status
                )
                for _ in range(30)
            )
        )
    finally:
        done.set()
        looking.join()

    assert set(statuses) <= {200, 429}
    assert 200 in statuses
    # If a password held up the others, one call at most would be answered between two of them.
    assert looks > statuses.count(200) + 1
    assert PASSWORD not in here.output()
    assert "argon2" not in here.output()
    assert "Traceback" not in here.output()
