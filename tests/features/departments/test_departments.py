"""The calls about departments: who may do what, names, and wrong input."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, Apis, assert_failure, data_of

UNKNOWN = "0123456789abcdef01234567"


def make(operator: Api, name: str = "Sales", **fields: Any) -> str:
    response = operator.post("/api/departments", {"name": name, **fields})
    assert response.status_code == 201, response.json
    return str(data_of(response)["id"])


def test_a_department_is_made_changed_and_deleted(operator: Api) -> None:
    made = data_of(operator.post("/api/departments", {"name": " Sales ", "overflowAfter": 60}))
    assert {**made, "id": "", "createdAt": "", "updatedAt": ""} == {
        "id": "",
        "name": "Sales",
        "overflowAfter": 60,
        "botId": None,
        "createdAt": "",
        "updatedAt": "",
    }

    path = f"/api/departments/{made['id']}"
    changed = data_of(operator.patch(path, {"name": "Support", "overflowAfter": None, "botId": None}))
    assert (changed["name"], changed["overflowAfter"]) == ("Support", None)
    assert data_of(operator.patch(path, {"overflowAfter": 5}))["name"] == "Support"

    assert data_of(operator.delete(path))["id"] == made["id"]
    assert_failure(operator.delete(path), 404, "DEPARTMENT_NOT_FOUND")
    assert_failure(operator.patch(path, {"name": "x"}), 404, "DEPARTMENT_NOT_FOUND")
    assert data_of(operator.get("/api/departments"))["departments"] == []


def test_users_see_names_only_and_the_list_is_paged_by_name(operator: Api, apis: Apis, ada: str) -> None:
    for name in ("b", "A", "c"):
        make(operator, name)

    seen = data_of(apis.user("u1").get("/api/departments"))["departments"]
    assert [set(department) for department in seen] == [{"id", "name"}] * 3
    assert [department["name"] for department in seen] == ["A", "b", "c"]
    first = data_of(apis.agent(ada).get("/api/departments", limit=2))
    assert [department["overflowAfter"] for department in first["departments"]] == [None, None]
    rest = data_of(operator.get("/api/departments", limit=2, cursor=first["nextCursor"]))
    assert ([department["name"] for department in rest["departments"]], rest["hasMore"]) == (["c"], False)
    assert_failure(apis.anonymous().get("/api/departments"), 401, "AUTH_REQUIRED")


def test_only_supervisors_and_operators_change_departments(operator: Api, apis: Apis, ada: str) -> None:
    department = make(operator)
    supervisor = apis.agent(operator.create_agent("Sue", role="supervisor")["id"])
    for caller in (apis.user("u1"), apis.agent(ada)):
        assert_failure(caller.post("/api/departments", {"name": "x"}), 403, "FORBIDDEN")
        assert_failure(caller.patch(f"/api/departments/{department}", {"name": "x"}), 403, "FORBIDDEN")
        assert_failure(caller.delete(f"/api/departments/{department}"), 403, "FORBIDDEN")
    assert supervisor.post("/api/departments", {"name": "Support"}).status_code == 201


def test_names_are_unique_whatever_their_capitals(operator: Api) -> None:
    make(operator, "Straße")
    other = make(operator, "Other")

    assert_failure(operator.post("/api/departments", {"name": "STRASSE"}), 409, "DEPARTMENT_TAKEN")
    assert_failure(operator.patch(f"/api/departments/{other}", {"name": "straße"}), 409, "DEPARTMENT_TAKEN")
    assert operator.patch(f"/api/departments/{other}", {"name": "OTHER"}).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": 5},
        {"name": " "},
        {"name": "x" * 61},
        {"name": None},
        {"name": "x", "overflowAfter": 0},
        {"name": "x", "overflowAfter": 86_401},
        {"name": "x", "overflowAfter": "60"},
        {"name": "x", "overflowAfter": True},
        {"name": "x", "botId": 5},
        {"name": "x", "botId": UNKNOWN},
        {"name": "x", "botId": "a bot"},
    ],
)
def test_wrong_fields_are_named(operator: Api, fields: dict[str, Any]) -> None:
    failure = assert_failure(operator.post("/api/departments", fields), 400, "INVALID_DEPARTMENT")

    assert failure["details"][0]["field"] == list(fields or {"name": 1})[-1]


def test_an_agent_has_departments(operator: Api) -> None:
    sales, support = make(operator, "Sales"), make(operator, "Support")
    assert operator.create_agent("Ada")["departmentIds"] is None
    agent = operator.create_agent("Ben", departmentIds=[sales, sales, support])
    path = f"/api/agents/{agent['id']}"
    assert agent["departmentIds"] == [sales, support]

    assert data_of(operator.patch(path, {"departmentIds": []}))["departmentIds"] == []
    assert data_of(operator.patch(path, {"name": "Bob"}))["departmentIds"] == []
    assert data_of(operator.patch(path, {"departmentIds": None}))["departmentIds"] is None
    data_of(operator.patch(path, {"departmentIds": [sales, support]}))
    operator.delete(f"/api/departments/{sales}")
    assert data_of(operator.get(path))["departmentIds"] == [support]


@pytest.mark.parametrize("wrong", ["x", 5, [5], [None], ["not an id"], {}, [UNKNOWN] * 151])
def test_wrong_departments_of_an_agent_are_refused(operator: Api, apis: Apis, ada: str, wrong: Any) -> None:
    path = f"/api/agents/{ada}"

    assert_failure(operator.patch(path, {"departmentIds": wrong}), 400, "INVALID_DEPARTMENT")
    assert_failure(operator.post("/api/agents", {"name": "x", "departmentIds": wrong}), 400, "INVALID_DEPARTMENT")
    assert_failure(operator.patch(path, {"departmentIds": [UNKNOWN]}), 404, "DEPARTMENT_NOT_FOUND")
    assert_failure(apis.agent(ada).patch(path, {"departmentIds": []}), 403, "FORBIDDEN")
