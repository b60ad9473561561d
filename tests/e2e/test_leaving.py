"""SIGTERM under load: no acknowledged message is lost, clients are told, and the process ends in time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api import make_token
from tests.e2e.conftest import Connect
from tests.e2e.people import RestSender
from tests.e2e.recording import Socket
from tests.e2e.server import Server, Servers, wait_until
from tests.e2e.valkey import Valkey


def end(server: Server) -> None:
    """End a server, whose worker leaves by itself: otherwise the master or an alarm would kill it after 8 s."""
    assert server.terminate() == 0
    assert "was sent SIG" not in server.output()


def burst(socket: Socket, session_id: str, name: str, count: int) -> list[str]:
    """Send several at once, and return the keys of their acknowledgements."""
    return socket.pipeline(
        [
            ("send_message", {"sessionId": session_id, "message": f"{name} {n}", "clientMessageId": f"{name} {n}"})
            for n in range(count)
        ]
    )


@pytest.mark.node
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_server_that_ends_under_load_loses_nothing(servers: Servers, connect: Connect, transport: str) -> None:
    server = servers.start()
    operator = server.operator()
    session_id = operator.start("leaving")
    token = make_token("leaving")
    browser = connect("node", server.url, {"token": token}, transports=[transport], reconnect=True)
    browser.join(session_id)
    python = connect("python", server.url, {"token": token}, transports=["websocket"])
    python.join(session_id)
    senders = [RestSender([operator], session_id, f"rest-{n}", n) for n in range(4)]
    for sender in senders:
        sender.start()
    wait_until(lambda: sum(len(sender.acknowledged) for sender in senders) >= 20)
    keys = [(socket, burst(socket, session_id, name, 150)) for socket, name in ((browser, "js"), (python, "py"))]
    for socket, sent in keys:
        socket.wait_for_acknowledgements(sent, count=5)

    end(server)
    # After "io server disconnect" it would not connect again. A POST that is cut off makes it a "transport error".
    clean = {"websocket": ["transport close"], "polling": ["transport close", "transport error"]}
    assert browser.wait_for("disconnect") in clean[transport]
    python.wait_for("disconnect")
    answers = [answer for socket, sent in keys for answer in socket.acknowledgements(sent).values()]
    assert {answer["code"] for answer in answers if not answer["success"]} <= {"DATABASE_UNAVAILABLE"}
    told = [answer["data"]["message"] for answer in answers if answer["success"]]
    assert "Traceback" not in server.output()

    server.start()
    browser.wait_for("connect", count=2)
    for sender in senders:
        sender.stop()
    for sender in senders:
        sender.wait(90)
        told += sender.acknowledged.values()
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, len(history) + 1))
    for message in told:
        assert history[message["seq"] - 1] == message
    assert len({message["clientMessageId"] for message in history}) == len(history)
    server.clean_up()


def test_the_others_in_a_session_are_told_who_left(servers: Servers, connect: Connect) -> None:
    valkey = Valkey()
    valkey.start()
    try:
        leaving = servers.start(REDIS_URL=valkey.url)
        staying = servers.start(REDIS_URL=valkey.url, MONGODB_DB=leaving.database)
        operator = staying.operator()
        agent_id = operator.create_agent()
        session_id = operator.start("visitor")
        visitor = connect("python", leaving.url, {"token": make_token("visitor")}, transports=["websocket"])
        visitor.join(session_id)
        agent = connect("python", staying.url, {"token": make_token(agent_id, "agent")}, transports=["websocket"])
        agent.join(session_id)
        visitor.call("typing_start", {"sessionId": session_id})
        agent.wait_for("user_typing", lambda typing: typing["isTyping"])
        sent = visitor.send(session_id, "Goodbye")

        end(leaving)

        assert agent.wait_for("new_message") == sent
        assert agent.wait_for("user_left")["userId"] == "visitor"
        agent.wait_for("user_typing", lambda typing: not typing["isTyping"])
        leaving.clean_up()
        staying.clean_up()
    finally:
        valkey.kill()


def test_a_request_in_progress_is_answered(servers: Servers) -> None:
    server = servers.start()
    operator = server.operator()
    session_id = operator.start("underway")
    with ThreadPoolExecutor(30) as threads:
        replies = [threads.submit(operator.send, session_id, f"{number}") for number in range(30)]
        wait_until(lambda: any(reply.done() for reply in replies))
        end(server)
        statuses = set()
        for reply in replies:
            try:
                statuses.add(reply.result().status)
            except OSError:
                statuses.add(0)  # It came when the server did not listen any more.
    assert 201 in statuses
    assert statuses <= {0, 201, 503}
    server.start()
    history = operator.history(session_id)
    assert len(history) >= sum(not reply.exception() and reply.result().status == 201 for reply in replies)
    server.clean_up()
