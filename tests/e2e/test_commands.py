"""The commands of operators, beside a running server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e import commands
from tests.e2e.conftest import Connect
from tests.e2e.rest import Rest
from tests.e2e.server import Server, Servers, free_port, wait_until

# Every command starts a Python, which takes seconds on a busy machine.
pytestmark = pytest.mark.timeout(240)

SIMULATE = ("simulate", "--visitors", "6", "--agents", "2", "--capacity", "2", "--pause", "0.05")


def succeeded(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout


def failed(result: subprocess.CompletedProcess[str], status: int = 1) -> str:
    assert result.returncode == status, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout


def lines(output: str, state: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith(state)]


def test_a_command_that_ends_or_transfers_a_session_is_announced(
    server: Server, operator: Rest, connect: Connect
) -> None:
    first, second = operator.create_agent("Ada"), operator.create_agent("Ben")
    session_id = operator.start("visitor-1")
    token = operator.token("visitor-1")
    visitor = connect("python", server.url, {"token": token})
    visitor.join(session_id)
    agent_id = operator.get(f"/api/chat/session/{session_id}").data["agentId"]
    other, name = (second, "Ben") if agent_id == first else (first, "Ada")

    listed = succeeded(commands.run(server, "sessions", "list", "--status", "active"))
    assert re.search(rf"^{session_id}  active +visitor-1 +(Ada|Ben) +0 ", listed, re.MULTILINE)
    moved = succeeded(commands.run(server, "sessions", "transfer", session_id, "--agent", other))
    assert f"The session is now with {name} ({other})." in moved
    assert visitor.wait_for("agent_assigned")["agentId"] == other
    ended = succeeded(commands.run(server, "sessions", "end", session_id, "--reason", "Closing time"))
    assert "Closing time" in ended
    assert visitor.wait_for("session_ended")["reason"] == "Closing time"
    assert "SESSION_ENDED" in failed(commands.run(server, "sessions", "transfer", session_id))
    assert "SESSION_NOT_FOUND" in failed(commands.run(server, "sessions", "end", "0" * 24))
    assert "not a session's id" in failed(commands.run(server, "sessions", "end", "../x"), 2)
    for agent in (first, second):
        operator.request("DELETE", f"/api/agents/{agent}")


def test_a_new_agent_gets_waiting_sessions_and_everybody_is_told(
    server: Server, operator: Rest, connect: Connect
) -> None:
    first, second = operator.start("first"), operator.start("second")
    visitors = {}
    for session_id, user in ((first, "first"), (second, "second")):
        visitors[session_id] = connect("python", server.url, {"token": operator.token(user)})
        assert visitors[session_id].join(session_id)["status"] == "waiting"
    boss = operator.create_agent("Boss", role="supervisor", isOnline=False)
    console = connect("python", server.url, {"token": operator.token(boss, "agent")})
    console.wait_for("queue_changed", lambda state: state["waiting"] == 2)

    agent_id = succeeded(commands.run(server, "agents", "add", "Zoe", "--max-users", "1")).split()[-1]

    assert visitors[first].wait_for("agent_assigned")["agentId"] == agent_id
    visitors[second].wait_for("queue_update", lambda place: place["queuePosition"] == 1)
    console.wait_for("agent_changed", lambda agent: agent["id"] == agent_id)
    console.wait_for("queue_changed", lambda state: state["waiting"] == 1)
    for agent in (boss, agent_id):
        operator.request("DELETE", f"/api/agents/{agent}")
    for session_id in visitors:
        operator.post(f"/api/chat/end-session/{session_id}")


def test_a_new_password_signs_an_agent_out_and_a_removed_agent_is_gone(
    server: Server, operator: Rest, connect: Connect
) -> None:
    """A stolen token must not keep its socket."""
    agent_id = operator.create_agent("Ada", email="ada@example.com", password="correct horse battery")
    session_id = operator.start("u1")
    visitor = connect("python", server.url, {"token": operator.token("u1")})
    visitor.join(session_id)
    stolen = connect("python", server.url, {"token": operator.token(agent_id, "agent")})
    assert stolen.join(session_id)["agentId"] == agent_id

    changed = commands.run(
        server, "agents", "set-password", "ada@example.com", "--password-stdin", typed="a new one 123"
    )
    assert "must sign in again" in succeeded(changed)

    assert stolen.wait_for("error")["code"] == "INVALID_TOKEN"
    stolen.wait_for("disconnect")
    again = connect("python", server.url, {"token": operator.token(agent_id, "agent")})
    again.join(session_id)

    removed = succeeded(commands.run(server, "agents", "remove", agent_id, "--yes"))

    assert "1 sessions went back" in removed
    again.wait_for("disconnect")
    assert visitor.wait_for("session_unassigned")["agentId"] == agent_id
    operator.post(f"/api/chat/end-session/{session_id}")


def test_default_agents_made_later_get_waiting_sessions(server: Server, operator: Rest, connect: Connect) -> None:
    session_id = operator.start("u1")
    visitor = connect("python", server.url, {"token": operator.token("u1")})
    assert visitor.join(session_id)["status"] == "waiting"

    assert "Made the default agents: Mia." in succeeded(commands.run(server, "init-db", DEFAULT_AGENTS="Mia"))

    agent_id = visitor.wait_for("agent_assigned")["agentId"]
    operator.post(f"/api/chat/end-session/{session_id}")
    operator.request("DELETE", f"/api/agents/{agent_id}")


def test_without_a_server_a_change_ends_with_one_line(server: Server) -> None:
    port = str(free_port())
    output = failed(commands.run(server, "sessions", "end", "0" * 24, PORT=port))
    assert output.count("\n") == 1
    assert f"No server answers at http://127.0.0.1:{port}" in output


def test_the_queue_is_shown_in_order(servers: Servers) -> None:
    server = servers.start()
    operator = server.operator()
    ids = [operator.start(user) for user in ("first", "second\x1b[31m", "third")]

    output = succeeded(commands.run(server, "queue", "--limit", "2"))

    assert "3 of 10000 (QUEUE_LIMIT) waiting; 0 of 0 agents online, with room for 0." in output
    assert "No agent is available" in output
    shown = re.findall(r"^(\d) +(\w{24})  (\S+)", output, re.MULTILINE)
    assert shown == [("1", ids[0], "first"), ("2", ids[1], "second?[31m")]


def test_the_output_of_a_command_has_no_log_lines(server: Server, operator: Rest) -> None:
    options = {**commands.options(server), "stderr": subprocess.PIPE, "input": "correct horse battery\n"}
    add = [sys.executable, "-m", "flask", "--app", "wsgi", "agents", "add", "Zoe", "--password-stdin"]

    result = subprocess.run(add, timeout=120, check=True, **options)

    assert "Agent created" in result.stderr
    assert operator.get(f"/api/agents/{result.stdout.removesuffix(chr(10))}").data["name"] == "Zoe"
    operator.request("DELETE", f"/api/agents/{result.stdout.strip()}")


def test_a_token_made_by_a_command_is_valid(server: Server, operator: Rest) -> None:
    agent_id = operator.create_agent("Ada")
    for name, kind, path in (
        ("visitor-9", "user", "/api/chat/stats"),
        (agent_id, "agent", f"/api/agents/{agent_id}"),
        ("shop", "system", "/api/agents"),
    ):
        output = succeeded(commands.run(server, "tokens", "make", name, "--type", kind))
        assert output.count("\n") == 1
        assert server.bearer(output.strip()).get(path).status == 200
    assert "no agent" in failed(commands.run(server, "tokens", "make", "0" * 24, "--type", "agent"))
    assert "USER_ID" in failed(commands.run(server, "tokens", "make", "  "), 2)
    made = operator.get("/api/audit?action=token").data["entries"]
    assert {entry["userId"] for entry in made} >= {agent_id, "shop"}
    operator.request("DELETE", f"/api/agents/{agent_id}")


def test_the_doctor_reports_a_healthy_server_as_healthy(server: Server, operator: Rest) -> None:
    agent_id = operator.create_agent("Ada")

    output = succeeded(commands.run(server, "doctor"))

    assert not lines(output, "fail")
    for title in ("configuration", "database", "indexes", "clock", "agents", "valkey", "disk", "server"):
        assert any(title in line for line in lines(output, "ok")), output
    operator.request("DELETE", f"/api/agents/{agent_id}")


def test_the_doctor_reports_problems_and_what_to_do(server: Server) -> None:
    away = f"mongodb://127.0.0.1:{free_port()}"
    output = failed(commands.run(server, "doctor", MONGODB_URI=away, REDIS_URL=f"redis://127.0.0.1:{free_port()}"))
    assert any("database: does not answer -> check MONGODB_URI" in line for line in lines(output, "fail"))
    assert any("valkey: does not answer" in line for line in lines(output, "fail"))
    assert any("events: not checked, because of the database" in line for line in lines(output, "fail"))
    # A database without the indexes, and no server.
    output = failed(commands.run(server, "doctor", MONGODB_DB=f"{server.database}-bare", PORT=str(free_port())))
    assert any("indexes: missing: agents.least_loaded" in line and "init-db" in line for line in lines(output, "fail"))
    assert any("server: none at" in line for line in lines(output, "warn"))
    output = commands.run(server, "doctor", RATE_LIMIT_MESAGES="1/minute").stdout
    assert "RATE_LIMIT_MESAGES is set, but no such variable exists -> did you mean RATE_LIMIT_MESSAGES?" in output
    output = failed(commands.run(server, "doctor", WORKER_CONNECTIONS="many"))
    assert "WORKER_CONNECTIONS must be" in output


@pytest.mark.linux
def test_the_doctor_checks_the_limit_of_open_files(server: Server) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "doctor"]
    limited = ["sh", "-c", 'ulimit -n 512; exec "$@"', "sh", *command]
    output = subprocess.run(limited, timeout=120, check=False, **commands.options(server)).stdout
    assert any(
        "open files: 512, and 12000 connections need 12256 -> LimitNOFILE" in line for line in lines(output, "warn")
    )


def test_a_simulation_chats_and_leaves_nothing_behind(server: Server, operator: Rest) -> None:
    before = operator.get("/api/agents").data["agents"]

    output = succeeded(commands.run(server, *SIMULATE, "--messages", "3"))

    summary = re.search(r"^6 chats in [\d.]+ s: (\d+) messages sent, (\d+) acknowledged", output, re.MULTILINE)
    assert summary, output
    sent, acked = map(int, summary.groups())
    # Each visitor has written three, and agents have answered most of them.
    assert sent >= acked > 18
    assert "0 lost, 0 stored twice." in output
    assert operator.get("/api/agents").data["agents"] == before
    assert operator.get("/api/chat/sessions?status=active").data["sessions"] == []
    assert operator.get("/api/chat/sessions?status=waiting").data["sessions"] == []


def test_closing_the_terminal_ends_a_simulation_like_ctrl_c(server: Server, operator: Rest, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *SIMULATE, "--messages", "1000", "--seconds", "600"]
    active = "/api/chat/sessions?status=active"
    with subprocess.Popen(command, start_new_session=True, **commands.options(server)) as process:
        try:
            wait_until(lambda: len(operator.get(active).data["sessions"]) >= 4, 60)
            time.sleep(1)
            os.killpg(process.pid, signal.SIGHUP)
            output, _ = process.communicate(timeout=120)
        finally:
            process.kill()

    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "0 lost, 0 stored twice." in output
    assert operator.get(active).data["sessions"] == []
    assert not [agent for agent in operator.get("/api/agents").data["agents"] if agent["name"].startswith("Simulated")]


def test_a_simulation_without_a_server_ends_with_one_line(server: Server) -> None:
    output = failed(commands.run(server, *SIMULATE, "--url", f"http://127.0.0.1:{free_port()}"))
    assert output.count("\n") == 1
    assert "INVALID_API_KEY" in failed(commands.run(server, *SIMULATE, "--api-key", "wrong"))
