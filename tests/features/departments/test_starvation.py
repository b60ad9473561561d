"""A department that starves is visible: in the statistics, the queue, the metrics and the log."""

from __future__ import annotations

import pytest

from chatsupport.features.departments import starvation
from tests.api import Api, Apis, data_of


@pytest.mark.features("consoles", "metrics")
def test_a_department_that_starves_is_shown(operator: Api, apis: Apis, caplog: pytest.LogCaptureFixture) -> None:
    sales, support, late = (
        data_of(operator.post("/api/departments", {"name": name, "overflowAfter": overflow}))["id"]
        for name, overflow in (("Sales", None), ("Support", None), ("Late", 9))
    )
    agent = operator.create_agent(departmentIds=[support], maxUsers=1)["id"]
    for number, department in enumerate([sales, sales, support, support, late]):
        operator.post("/api/chat/start-session", {"userId": f"u{number}", "departmentId": department})

    shown = data_of(operator.get("/api/chat/stats"))["departments"]
    assert [(one["name"], one["waiting"], one["isStaffed"], one["isStarving"]) for one in shown] == [
        ("Late", 1, False, False),
        ("Sales", 2, False, True),
        ("Support", 1, True, False),
    ]
    assert data_of(apis.user("u0").get("/api/chat/stats"))["departments"] == []
    queue = data_of(operator.get("/api/chat/queue"))["departments"]
    assert queue == [{field: one[field] for field in ("id", "name", "waiting", "isStarving")} for one in shown]
    assert "chatsupport_sessions_starving 2" in operator.get("/metrics").text
    for _ in range(2):
        starvation.look()
    logged = [line for record in caplog.records if (line := record.__dict__).get("event") == "department_starves"]
    assert [line["department"] for line in logged] == ["Sales"]

    operator.patch(f"/api/agents/{agent}", {"departmentIds": [sales, support]})
    assert not any(one["isStarving"] for one in data_of(operator.get("/api/chat/stats"))["departments"])
