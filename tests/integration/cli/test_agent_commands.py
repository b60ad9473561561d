"""`flask --app wsgi agents …`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from chatsupport.database.connection import database
from chatsupport.documents import Agent
from tests.api import Api, Apis, assert_failure, data_of
from tests.integration.migrating import succeeded

PASSWORD = "correct horse battery"
Command = Callable[..., Result]


@pytest.fixture
def command(app: Flask) -> Command:
    def run(*arguments: str, typed: str = "") -> Result:
        return app.test_cli_runner().invoke(args=["agents", *arguments], input=typed)

    return run


def may_sign_in(apis: Apis, password: str = PASSWORD) -> bool:
    body = {"email": "ada@example.com", "password": password}
    return apis.anonymous().post("/api/auth/login", body).status_code == 200


def add(command: Command, *options: str) -> str:
    lines = succeeded(
        command("add", "Ada", "--email", "Ada@example.com", "--password-stdin", *options, typed=PASSWORD + "\n")
    )
    assert len(lines) == 1
    return lines[0]


@pytest.mark.features("audit")
def test_add_makes_an_agent_who_can_sign_in(command: Command, apis: Apis, operator: Api) -> None:
    agent_id = add(command, "--role", "supervisor", "--max-users", "5")

    agent = data_of(operator.get(f"/api/agents/{agent_id}"))
    expected = {"name": "Ada", "email": "ada@example.com", "role": "supervisor", "maxUsers": 5}
    assert agent == agent | expected
    assert may_sign_in(apis)
    assert database().audit.count_documents({"action": "agent_created", "callerType": "system"}) == 1


def test_a_password_is_asked_for_twice_and_not_shown(command: Command, apis: Apis) -> None:
    twice = f"{PASSWORD}\n{PASSWORD}\n"

    result = command("add", "Ada", "--email", "ada@example.com", typed=twice)

    assert PASSWORD not in "\n".join(succeeded(result))
    assert may_sign_in(apis)
    assert command("set-password", "ada@example.com", typed=f"{PASSWORD}\nanother one\n").exit_code == 1
    assert may_sign_in(apis)


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", ""),
        ("add", "Ada", "--email", "nonsense"),
        ("add", "Ada", "--max-users", "51"),
        ("add", "Ada", "--email", "b@example.com", "--password-stdin"),
        ("add", "Ben", "--email", "ada@example.com", "--password-stdin"),
        ("set-password", "nobody@example.com", "--password-stdin"),
        ("set-password", "ada@example.com", "--password-stdin"),
        ("remove", "a" * 24, "--yes"),
        ("remove", "nonsense", "--yes"),
    ],
)
def test_an_error_is_one_line(command: Command, arguments: tuple[str, ...]) -> None:
    add(command)
    typed = PASSWORD if "Ben" in arguments else "short\n"

    result = command(*arguments, typed=typed)

    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "Traceback" not in result.output
    assert ("no such agent" in result.output) == (arguments[0] == "remove" or arguments[1].startswith("nobody"))
    assert Agent.collection().count_documents({}) == 1


def test_set_password_signs_everybody_out(command: Command, apis: Apis) -> None:
    agent_id = add(command)
    response = apis.anonymous().post("/api/auth/login", {"email": "ada@example.com", "password": PASSWORD})
    agent = apis.anonymous(Authorization=f"Bearer {data_of(response)['token']}")

    succeeded(command("set-password", agent_id, "--password-stdin", typed="another horse battery\r\n"))

    assert_failure(agent.get(f"/api/agents/{agent_id}"), 401, "INVALID_TOKEN")
    assert not may_sign_in(apis)
    assert may_sign_in(apis, "another horse battery")


def test_list_is_a_table(command: Command, operator: Api) -> None:
    agent_id = add(command)
    operator.create_agent("Ben \x1b[31m", isOnline=False, role="supervisor")
    operator.start("u1")

    rows = [line.split() for line in succeeded(command("list"))]

    assert rows[0] == "ID NAME EMAIL ROLE LOAD STATE PASSWORD".split()
    assert rows[1] == [agent_id, "Ada", "ada@example.com", "agent", "1/2", "online", "set"]
    assert rows[2][1:] == ["Ben", r"\x1b[31m", "-", "supervisor", "0/2", "offline", "-"]


def test_remove_asks_and_requeues(command: Command, operator: Api) -> None:
    agent_id = add(command)
    session_id = operator.start("u1")["sessionId"]

    refused = command("remove", "ADA@example.com", typed="n\n")
    assert refused.exit_code == 1
    assert operator.session(session_id)["agentId"] == agent_id
    result: Any = succeeded(command("remove", "ADA@example.com", typed="y\n"))

    assert "1 session" in result[-1]
    assert operator.session(session_id)["status"] == "waiting"
    assert Agent.collection().count_documents({}) == 0


@pytest.mark.features("departments", "audit")
def test_an_agent_of_departments(command: Command, operator: Api) -> None:
    sales, support = (data_of(operator.post("/api/departments", {"name": name}))["id"] for name in ("Sales", "Support"))
    agent_id = add(command, "--department", "SALES", "--department", support)

    assert data_of(operator.get(f"/api/agents/{agent_id}"))["departmentIds"] == [sales, support]
    assert succeeded(command("list"))[1].split()[-2:] == ["Sales,", "Support"]
    refused = command("add", "Ben", "--department", "HR")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "There is no such department: HR. The departments: Sales, Support.\n",
    )
    operator.patch(f"/api/agents/{agent_id}", {"departmentIds": []})
    entries = data_of(operator.get("/api/audit", agentId=agent_id))["entries"]
    assert [entry["details"].get("departments") for entry in entries] == ["none", f"{sales}, {support}"]
