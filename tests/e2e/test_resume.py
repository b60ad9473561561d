"""The client recipe of docs/events.md, and the server's promise to it: no gap and no repeat, whatever breaks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.api import make_token
from tests.conftest import API_KEY
from tests.e2e.conftest import Connect
from tests.e2e.followers import Followers
from tests.e2e.proxy import Proxy, UpgradeBreaker
from tests.e2e.recording import Socket
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, wait_until

MANY = 250
"""More messages of a session than fit into one answer."""


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    """A server that treats a cut connection as open until a ping fails, and has no limit of connections."""
    return servers.start(MAX_SOCKETS_PER_CALLER="1000")


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """The proxy that the clients connect to instead of the server."""
    proxy = Proxy(("127.0.0.1", server.port))
    yield proxy
    proxy.close()


@contextmanager
def talking(*operators: Rest, session_id: str) -> Iterator[None]:
    """Let each send one message after the other during the block."""
    over = threading.Event()

    def talk(operator: Rest) -> None:
        while not over.is_set():
            assert operator.send(session_id, "and then").status == 201

    with ThreadPoolExecutor(len(operators)) as threads:
        running = [threads.submit(talk, operator) for operator in operators]
        try:
            yield
        finally:
            over.set()
            for each in running:
                each.result()


@pytest.mark.node
@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"], ["polling"]], ids="-".join)
def test_every_message_is_seen_once_whatever_connection_breaks(
    server: Server, operator: Rest, followers: Followers, proxy: Proxy, transports: list[str]
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    name = f"train-{'-'.join(transports)}"
    session_id = operator.start(name)
    auth = {"token": make_token(name)}
    clients = [followers.follow(proxy.url, auth, session_id, transports=transports) for _ in range(3)]
    generator = random.Random(seed)
    total = 120
    with proxy.cutting(seed, 0.03, 0.3):
        for number in range(total):
            if number % 3:
                operator.send(session_id, f"rest {number}")
            else:
                generator.choice(clients).send(f"socket {number}", f"id-{number}")
            time.sleep(generator.uniform(0, 0.08))
    wait_until(
        lambda: sum(len(client.sent) for client in clients) == total // 3,
        90,
        lambda: f"{[(sorted(c.sent), c.failures, c.connections, c.disconnections[-3:]) for c in clients]}",
    )
    late = followers.follow(server.url, auth, session_id)
    history = operator.history(session_id)
    assert [message["seq"] for message in history] == list(range(1, total + 1))
    for client in (*clients, late):
        client.wait_for_seq(total)
        assert client.messages == history
        assert not client.failures
    assert proxy.cuts > 10
    print(f"{proxy.cuts} cuts, {sum(client.connections for client in clients)} connections")
    # Repeated messages are stored once, as they were acknowledged.
    for client in clients:
        for message in client.sent.values():
            assert history[message["seq"] - 1] == message


@pytest.mark.node
def test_a_websocket_that_breaks_at_the_end_of_its_upgrade_is_noticed_at_once(
    server: Server, operator: Rest, followers: Followers
) -> None:
    session_id = operator.start("broken upgrade")
    proxy = UpgradeBreaker(("127.0.0.1", server.port))
    follower = followers.follow(proxy.url, {"token": make_token("broken upgrade")}, session_id)
    assert proxy.has_cut.wait(40)
    operator.send(session_id, "hello")
    follower.wait_for_seq(1, 20)  # Without a notice, it would be the next ping, after 25 s.
    follower.close()
    proxy.close()


@pytest.mark.node
def test_a_client_that_was_away_for_long_gets_it_all_in_several_answers(
    server: Server, operator: Rest, followers: Followers
) -> None:
    session_id = operator.start("away")
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda number: operator.send(session_id, f"{number}"), range(2 * MANY)))
    follower = followers.follow(server.url, {"token": make_token("away")}, session_id)
    follower.wait_for_seq(2 * MANY)
    newcomer = followers.follow(server.url, {"token": make_token("away")}, session_id, None)
    newcomer.wait_for_seq(50)
    assert follower.seqs == list(range(1, 2 * MANY + 1))
    assert newcomer.seqs == list(range(2 * MANY - 49, 2 * MANY + 1))


def test_an_answer_has_at_most_200_messages(server: Server, operator: Rest, connect: Connect) -> None:
    session_id = operator.start("hasmore")
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda number: operator.send(session_id, f"{number}"), range(MANY)))
    socket = connect("python", server.url, {"apiKey": API_KEY}, transports=["websocket"])
    for after, count, has_more in ((0, 200, True), (MANY - 200, 200, False), (MANY - 1, 1, False), (MANY, 0, False)):
        joined = socket.join(session_id, after=after)
        assert [message["seq"] for message in joined["messages"]] == list(range(after + 1, after + count + 1))
        assert (joined["hasMore"], joined["lastSeq"]) == (has_more, MANY)
    assert socket.join(session_id)["hasMore"] is True


def stays(socket: Socket, session_id: str) -> list[list[int]]:
    """Return, for each join of the socket, the seqs that it got: history first, then live."""
    found: list[list[int]] = []
    for name, data in list(socket._events):
        if name == "session_joined" and data["sessionId"] == session_id:
            found.append([message["seq"] for message in data["messages"]])
        elif name == "new_message" and data["sessionId"] == session_id:
            found[-1].append(data["seq"])
    return found


def come_and_go(socket: Socket, session_id: str, seed: int) -> None:
    """Join and leave again and again, and stay in the end."""
    generator = random.Random(seed)
    for _ in range(25):
        socket.join(session_id)
        time.sleep(generator.uniform(0, 0.05))
        socket.call("leave_session", {"sessionId": session_id})
    socket.join(session_id)


def test_a_client_that_joins_during_messages_gets_each_once(server: Server, operator: Rest, connect: Connect) -> None:
    session_id = operator.start("flow")
    sockets = [connect("python", server.url, {"apiKey": API_KEY}, transports=["websocket"]) for _ in range(4)]
    with talking(operator, operator, session_id=session_id), ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: come_and_go(sockets[n], session_id, n), range(4)))
    last = operator.history(session_id)[-1]["seq"]
    for socket in sockets:
        wait_until(lambda socket=socket: stays(socket, session_id)[-1][-1:] == [last])
        for seqs in stays(socket, session_id):
            assert [seq - seqs[0] for seq in seqs] == list(range(len(seqs)))


def test_a_client_that_joins_during_another_process_writes_gets_each_message_once(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    here, _ = two_servers
    operators = [server.operator() for server in two_servers]
    session_id = operators[0].start("flow between processes")
    sockets = [connect("python", here.url, {"apiKey": API_KEY}, transports=["websocket"]) for _ in range(4)]
    with talking(*operators, session_id=session_id), ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: come_and_go(sockets[n], session_id, n), range(4)))
    last = operators[1].history(session_id)[-1]["seq"]
    for socket in sockets:
        wait_until(lambda socket=socket: last in stays(socket, session_id)[-1])
        for seqs in stays(socket, session_id)[:-1]:
            assert len(set(seqs)) == len(seqs)
        # Leaving cuts nothing off from the last join: it has every message once, however it came.
        seqs = stays(socket, session_id)[-1]
        assert sorted(seqs) == list(range(min(seqs), last + 1))


def test_the_first_message_is_in_the_history_or_follows_it(server: Server, operator: Rest, connect: Connect) -> None:
    socket = connect("python", server.url, {"apiKey": API_KEY}, transports=["websocket"])
    for number in range(40):
        session_id = operator.start(f"first-{number}")
        with ThreadPoolExecutor(1) as threads:
            sent = threads.submit(operator.send, session_id, "first")
            time.sleep(0.0005 * (number % 10))
            joined = socket.join(session_id)
            assert sent.result().status == 201
        socket.send(session_id, "second")
        wait_until(lambda session_id=session_id: stays(socket, session_id)[0][-1:] == [2])
        assert stays(socket, session_id)[0] == [1, 2]
        assert joined["lastSeq"] == len(joined["messages"])


def test_a_client_that_joins_during_an_end_sees_the_end(server: Server, operator: Rest, connect: Connect) -> None:
    socket = connect("python", server.url, {"apiKey": API_KEY}, transports=["websocket"])
    for number in range(40):
        session_id = operator.start(f"ends-{number}")
        with ThreadPoolExecutor(1) as threads:
            ended = threads.submit(operator.post, f"/api/chat/end-session/{session_id}")
            time.sleep(0.0005 * (number % 10))
            joined = socket.join(session_id)
            assert ended.result().status == 200
        if joined["status"] != "ended":
            socket.wait_for("session_ended", lambda data, session_id=session_id: data["sessionId"] == session_id)
        socket.call("leave_session", {"sessionId": session_id})
