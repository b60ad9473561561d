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

# Every command is a Python that starts, which takes seconds on a busy machine.
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


def test_a_session_that_is_ended_or_handed_over_is_announced(server: Server, operator: Rest, connect: Connect) -> None:
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


def test_without_a_server_a_change_ends_with_one_line(server: Server) -> None:
    port = str(free_port())
    output = failed(commands.run(server, "sessions", "end", "0" * 24, PORT=port))
    assert output.count("\n") == 1
    assert f"No server answers at http://127.0.0.1:{port}" in output


def test_the_queue_is_shown_in_its_order(servers: Servers) -> None:
    server = servers.start()
    operator = server.operator()
    ids = [operator.start(user) for user in ("first", "second\x1b[31m", "third")]

    output = succeeded(commands.run(server, "queue", "--limit", "2"))

    assert "3 of 10000 (QUEUE_LIMIT) waiting; 0 of 0 agents online, with room for 0." in output
    assert "No agent is there to answer" in output
    shown = re.findall(r"^(\d) +(\w{24})  (\S+)", output, re.MULTILINE)
    assert shown == [("1", ids[0], "first"), ("2", ids[1], "second?[31m")]


def test_what_a_command_prints_has_no_lines_of_the_log(server: Server, operator: Rest) -> None:
    options = {**commands.options(server), "stderr": subprocess.PIPE, "input": "correct horse battery\n"}
    add = [sys.executable, "-m", "flask", "--app", "wsgi", "agents", "add", "Zoe", "--password-stdin"]

    result = subprocess.run(add, timeout=60, check=True, **options)

    assert "Agent created" in result.stderr
    assert operator.get(f"/api/agents/{result.stdout.removesuffix(chr(10))}").data["name"] == "Zoe"
    operator.request("DELETE", f"/api/agents/{result.stdout.strip()}")


def test_a_token_that_is_made_is_good(server: Server, operator: Rest) -> None:
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


def test_the_doctor_finds_a_healthy_server_healthy(server: Server, operator: Rest) -> None:
    agent_id = operator.create_agent("Ada")

    output = succeeded(commands.run(server, "doctor"))

    assert not lines(output, "fail")
    for title in ("configuration", "database", "indexes", "clock", "agents", "valkey", "disk", "server"):
        assert any(title in line for line in lines(output, "ok")), output
    operator.request("DELETE", f"/api/agents/{agent_id}")


def test_the_doctor_says_what_is_wrong_and_what_to_do(server: Server) -> None:
    away = f"mongodb://127.0.0.1:{free_port()}"
    output = failed(commands.run(server, "doctor", MONGODB_URI=away, REDIS_URL=f"redis://127.0.0.1:{free_port()}"))
    assert any("database: does not answer -> check MONGODB_URI" in line for line in lines(output, "fail"))
    assert any("valkey: does not answer" in line for line in lines(output, "fail"))
    # A database without the indexes, and a server that is not there.
    output = failed(commands.run(server, "doctor", MONGODB_DB=f"{server.database}-bare", PORT=str(free_port())))
    assert any("indexes: missing: agents.least_loaded" in line and "init-db" in line for line in lines(output, "fail"))
    assert any("server: none at" in line for line in lines(output, "warn"))
    output = commands.run(server, "doctor", RATE_LIMIT_MESAGES="1/minute").stdout
    assert "RATE_LIMIT_MESAGES is set, but no such variable exists -> did you mean RATE_LIMIT_MESSAGES?" in output
    output = failed(commands.run(server, "doctor", WORKER_CONNECTIONS="many"))
    assert "WORKER_CONNECTIONS takes" in output


@pytest.mark.linux
def test_the_doctor_looks_at_the_limit_of_open_files(server: Server) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "doctor"]
    limited = ["sh", "-c", 'ulimit -n 512; exec "$@"', "sh", *command]
    output = subprocess.run(limited, timeout=60, check=False, **commands.options(server)).stdout
    assert any(
        "open files: 512, and 12000 connections need 12256 -> LimitNOFILE" in line for line in lines(output, "warn")
    )


def test_a_simulation_chats_and_leaves_nothing_behind(server: Server, operator: Rest, tmp_path: Path) -> None:
    before = operator.get("/api/agents").data["agents"]
    # A server has no `requests`, which only long-polling clients need.
    (tmp_path / "requests.py").write_text("raise ImportError")

    output = succeeded(commands.run(server, *SIMULATE, "--messages", "3", PYTHONPATH=str(tmp_path)))

    summary = re.search(r"^6 chats in [\d.]+ s: (\d+) messages sent, (\d+) acknowledged", output, re.MULTILINE)
    assert summary, output
    sent, acked = map(int, summary.groups())
    # Each visitor has written three, and agents have answered most of them.
    assert sent >= acked > 18
    assert "0 lost, 0 stored twice." in output
    assert operator.get("/api/agents").data["agents"] == before
    assert operator.get("/api/chat/sessions?status=active").data["sessions"] == []
    assert operator.get("/api/chat/sessions?status=waiting").data["sessions"] == []


def test_a_simulation_ends_with_its_terminal_as_at_ctrl_c(server: Server, operator: Rest, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *SIMULATE, "--messages", "1000", "--seconds", "600"]
    active = "/api/chat/sessions?status=active"
    with subprocess.Popen(command, start_new_session=True, **commands.options(server)) as process:
        try:
            wait_until(lambda: len(operator.get(active).data["sessions"]) >= 4, 60)
            time.sleep(1)
            os.killpg(process.pid, signal.SIGHUP)
            output, _ = process.communicate(timeout=60)
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
