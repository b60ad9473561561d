"""Live updates that consoles get without joining a session, and the rooms that a role opens for sockets."""

from __future__ import annotations

import pytest

from chatsupport.broadcasts import is_heard_here
from chatsupport.database.clock import now
from chatsupport.documents import Agent
from chatsupport.events import AgentConnected
from chatsupport.features.consoles import roles
from chatsupport.features.consoles import service as consoles
from chatsupport.features.consoles.broadcasts import AGENTS_ROOM, SUPERVISORS_ROOM
from chatsupport.realtime import server
from chatsupport.sockets import connections
from tests.api import Api, Apis, data_of
from tests.concurrency import eventually
from tests.sockets import Socket, Sockets, assert_refused


@pytest.fixture
def grace(operator: Api) -> str:
    """A supervisor who accepts no sessions."""
    agent_id: str = operator.create_agent("Grace", role="supervisor", isOnline=False)["id"]
    return agent_id


def statuses(socket: Socket, session_id: str) -> list[tuple[str, str | None]]:
    """Return the states of a session that a supervisor was told, each once."""
    heard = [(row["status"], row["agentId"]) for row in socket.heard("session_changed") if row["id"] == session_id]
    return [state for place, state in enumerate(heard) if place == 0 or heard[place - 1] != state]


def test_a_supervisor_gets_updates_of_every_session(operator: Api, sockets: Sockets, ada: str, grace: str) -> None:
    supervisor = sockets.agent(grace)

    session_id = operator.start("u1")["sessionId"]
    assert eventually(lambda: statuses(supervisor, session_id) == [("active", ada)])
    waiting = operator.start("u2")["sessionId"]
    assert eventually(lambda: statuses(supervisor, waiting) == [("waiting", None)])
    operator.end(session_id)
    assert eventually(lambda: statuses(supervisor, waiting)[-1] == ("active", ada))
    assert eventually(lambda: statuses(supervisor, session_id)[-1] == ("ended", ada))
    operator.patch(f"/api/agents/{ada}", {"isOnline": False})
    operator.post(f"/api/chat/transfer/{waiting}")
    assert eventually(lambda: statuses(supervisor, waiting)[-1] == ("waiting", None))
    last = [row for row in supervisor.heard("session_changed") if row["id"] == waiting][-1]
    assert last == operator.session(waiting) | {"duration": last["duration"]}


def test_a_supervisor_gets_updates_of_agents_and_their_load(
    operator: Api, sockets: Sockets, ada: str, grace: str
) -> None:
    supervisor = sockets.agent(grace)

    def loads_of_ada() -> list[int]:
        return [row["load"] for row in supervisor.heard("agent_changed") if row["id"] == ada]

    session_id = operator.start("u1")["sessionId"]
    assert eventually(lambda: loads_of_ada()[-1:] == [1])
    operator.end(session_id)
    assert eventually(lambda: loads_of_ada()[-1] == 0)
    ben = operator.create_agent("Ben")["id"]
    assert eventually(lambda: [row for row in supervisor.heard("agent_changed") if row["id"] == ben])
    operator.delete(f"/api/agents/{ben}")
    assert supervisor.wait_for("agent_deleted") == [{"id": ben}]


def test_agents_get_updates_of_the_queue_and_only_of_their_own_sessions(
    operator: Api, sockets: Sockets, ada: str, grace: str
) -> None:
    agent, supervisor, user = sockets.agent(ada), sockets.agent(grace), sockets.user("u9")
    operator.start("u1")

    waiting = operator.start("u2")["sessionId"]

    for socket in (agent, supervisor):
        assert eventually(
            lambda socket=socket: (
                socket.heard("queue_changed")[-1:] and socket.heard("queue_changed")[-1]["waiting"] == 1
            )
        )
        assert socket.heard("queue_changed")[-1]["longestWaitingSince"].endswith("Z")
    row = supervisor.heard("queue_changed")[-1]["sessions"][0]
    assert [row] == data_of(operator.get("/api/chat/queue"))["sessions"]
    assert (row.pop("sessionId"), row["userId"], row["position"]) == (waiting, "u2", 1)
    assert agent.heard("queue_changed")[-1]["sessions"] == [row]
    operator.end(waiting)
    nobody = {"waiting": 0, "longestWaitingSince": None, "departments": [], "sessions": []}
    assert eventually(lambda: agent.heard("queue_changed")[-1] == nobody)
    assert not agent.heard("session_changed")
    assert {row["id"] for row in agent.wait_for("agent_changed")} == {ada}
    assert not user.heard("queue_changed")


def test_the_queue_is_announced_at_most_once_a_second(operator: Api, sockets: Sockets, ada: str) -> None:
    agent = sockets.agent(ada)
    started = now()

    for number in range(30):
        operator.start(f"u{number}")

    assert eventually(lambda: (agent.heard("queue_changed") or [{"waiting": 0}])[-1]["waiting"] == 29)
    assert len(agent.heard("queue_changed")) <= (now() - started).total_seconds() + 2


def test_without_consoles_nothing_is_read(operator: Api, ada: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles._to_tell, "add", lambda *_: pytest.fail("told"))

    operator.end(operator.start("u1")["sessionId"])


def test_a_supervisor_joins_types_marks_and_ends_anywhere(
    operator: Api, sockets: Sockets, ada: str, grace: str
) -> None:
    session_id = operator.start("u1")["sessionId"]
    user, supervisor = sockets.user("u1"), sockets.agent(grace)
    user.join(session_id)

    supervisor.join(session_id)

    assert user.wait_for("user_joined")[0]["userId"] == grace
    user.say(session_id, "hello")
    assert supervisor.wait_for("new_message")[0]["message"] == "hello"
    assert supervisor.say(session_id, "hi")["success"] is True
    assert supervisor.call("typing_start", {"sessionId": session_id})["success"] is True
    assert supervisor.call("mark_read", {"sessionId": session_id, "seq": 1})["success"] is True
    assert supervisor.call("end_session", {"sessionId": session_id})["success"] is True


def test_the_heartbeat_leaves_supervisors_where_they_are(operator: Api, sockets: Sockets, ada: str, grace: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    user, supervisor = sockets.user("u1"), sockets.agent(grace)
    user.join(session_id)
    supervisor.join(session_id)

    roles.check_all()
    user.say(session_id)

    assert supervisor.wait_for("new_message")
    assert not user.heard("user_left")


def test_a_demoted_supervisor_leaves_the_rooms(operator: Api, sockets: Sockets, ada: str, grace: str) -> None:
    session_id = operator.start("u1")["sessionId"]
    user, supervisor = sockets.user("u1"), sockets.agent(grace)
    user.join(session_id)
    supervisor.join(session_id)
    supervisor.call("typing_start", {"sessionId": session_id})

    operator.patch(f"/api/agents/{grace}", {"role": "agent"})

    assert eventually(lambda: user.heard("user_left"))[0]["userId"] == grace
    supervisor.forget()
    user.say(session_id, "in confidence")
    operator.end(session_id)
    assert_refused(supervisor.say(session_id), "FORBIDDEN")
    assert_refused(supervisor.call("join_session", {"sessionId": session_id}), "FORBIDDEN")
    user.wait_for("session_ended")
    assert supervisor.is_connected
    assert not [name for name in ("new_message", "session_changed") if supervisor.heard(name)]
    # An agent always gets its own updates.
    assert {state["id"] for state in supervisor.heard("agent_changed")} <= {grace}


def test_a_demoted_supervisor_keeps_its_own_sessions(operator: Api, sockets: Sockets) -> None:
    grace = operator.create_agent("Grace", role="supervisor")["id"]
    session_id = operator.start("u1")["sessionId"]
    user, supervisor = sockets.user("u1"), sockets.agent(grace)
    supervisor.join(session_id)
    user.join(session_id)

    operator.patch(f"/api/agents/{grace}", {"role": "agent"})
    assert eventually(lambda: not is_heard_here(SUPERVISORS_ROOM))

    user.say(session_id)
    assert supervisor.wait_for("new_message")


def test_a_new_supervisor_gets_all_updates_from_then_on(operator: Api, sockets: Sockets, ada: str) -> None:
    ben = operator.create_agent("Ben", isOnline=False)["id"]
    socket = sockets.agent(ben)

    operator.patch(f"/api/agents/{ben}", {"role": "supervisor"})

    assert eventually(lambda: is_heard_here(SUPERVISORS_ROOM))
    operator.start("u1")
    assert socket.wait_for("session_changed")


def test_the_heartbeat_makes_up_for_a_lost_order(operator: Api, sockets: Sockets, ada: str, grace: str) -> None:
    sockets.agent(grace)
    assert is_heard_here(SUPERVISORS_ROOM)
    Agent.objects(id=grace).update(role="agent")

    roles.check_all()

    assert eventually(lambda: not is_heard_here(SUPERVISORS_ROOM))


def test_the_heartbeat_lets_people_in_after_a_connect_without_the_database_but_no_bots(
    operator: Api, sockets: Sockets
) -> None:
    ben = sockets.agent(operator.create_agent("Ben", isOnline=False)["id"])
    robin = sockets.agent(operator.create_agent("Robin", kind="bot")["id"])
    for agent in connections.agents():
        for connection in connections.of(agent):
            server.leave(connection.sid, AGENTS_ROOM)
            roles.connected(AgentConnected(agent, connection.sid, None))
    assert not is_heard_here(AGENTS_ROOM)
    ben.forget()

    roles.check_all()
    operator.start("u1")
    assert ben.wait_for("queue_changed")
    assert robin.heard("queue_changed") == []


def test_an_agent_gets_its_own_updates_in_all_its_browsers(
    operator: Api, apis: Apis, sockets: Sockets, ada: str
) -> None:
    desk, phone, other = sockets.agent(ada), sockets.agent(ada), sockets.user("u1")
    colleague = sockets.agent(operator.create_agent("Ben")["id"])

    apis.agent(ada).patch(f"/api/agents/{ada}", {"isOnline": False})

    for socket in (desk, phone):
        assert eventually(
            lambda socket=socket: [row["isOnline"] for row in socket.heard("agent_changed")][-1:] == [False]
        )
    assert other.heard("agent_changed") == []
    assert ada not in {row["id"] for row in colleague.heard("agent_changed")}
