"""Schemathesis makes right and wrong calls from the OpenAPI document: never a 500, and every answer as described."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chatsupport.blueprints.web import assets
from chatsupport.features import INSTALLED
from tests.api import Apis, data_of
from tests.applications import MakeApp
from tests.conftest import API_KEY
from tests.documents import openapi_document

EXAMPLES = 20
OPERATIONS = sorted(
    operation["operationId"]
    for path, methods in openapi_document()["paths"].items()
    for operation in methods.values()
    # Schemathesis leaves out the call that returns the document.
    if path != "/api/openapi.json"
)


@pytest.fixture
def real_ids(make_app: MakeApp) -> tuple[Any, dict[str, str]]:
    """An application with some data, and the ids of its documents."""
    app = make_app()
    operator = Apis(app).operator()
    operator.create_agent("Ada", maxUsers=50)
    ids = {"agent_id": operator.create_agent("Ben", isOnline=False)["id"]}
    ids["session_id"] = operator.start("u1")["sessionId"]
    if "blocks" in INSTALLED:
        ids["block_id"] = data_of(operator.post("/api/blocks", {"userId": "u2"}))["id"]
    if "departments" in INSTALLED:
        ids["department_id"] = data_of(operator.post("/api/departments", {"name": "Sales"}))["id"]
    if "replies" in INSTALLED:
        ids["reply_id"] = data_of(operator.post("/api/replies", {"shortcut": "a", "title": "A", "text": "a"}))["id"]
    if "events" in INSTALLED:
        webhook = {"url": "http://127.0.0.1:9/", "types": ["note.created"]}
        ids["webhook_id"] = data_of(operator.post("/api/webhooks", webhook))["id"]
    ids["user_id"], ids["file_id"], ids["delivery_id"] = "u1", str(ObjectId()), str(ObjectId())
    ids["version"], ids["path"] = assets().version, "widget/loader.js"
    return app, ids


def checks() -> list[Any]:
    """Return what each answer must be. Each process of pytest-xdist reads this file, and only the one that runs it
    needs Schemathesis, which takes long to import.
    """
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
    ]


_loaded: list[Any] = []


def load(app: Any) -> Any:
    """Return Schemathesis' schema for an application. All of them share the document, which is read once, and the
    constants of the code, which Schemathesis uses as examples.
    """
    import schemathesis

    if not _loaded:
        _loaded.append(schemathesis.openapi.from_wsgi("/api/openapi.json", app))
        return _loaded[0]
    schema = _loaded[0]
    schema.app = app
    if schema._constants_pool_cache is not None:
        schema._constants_pool_cache = (app, *schema._constants_pool_cache[1:])
    return schema


def test_there_are_enough_examples() -> None:
    assert EXAMPLES >= 20


@pytest.mark.parametrize("name", OPERATIONS)
def test_any_call_is_answered_as_described(real_ids: tuple[Any, dict[str, str]], name: str) -> None:
    from schemathesis import GenerationMode

    app, ids = real_ids
    operation = load(app).find_operation_by_id(name)
    right, wrong = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    parameters = re.findall(r"\{(\w+)\}", operation.path)
    has_input = operation.body or operation.query or parameters
    calls = [0]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(right, wrong) if has_input else right, there=st.booleans(), known=st.integers(0, 9))
    def call(case: Any, there: bool, known: int) -> None:
        if there:
            case.path_parameters.update({parameter: ids[parameter] for parameter in parameters})
        headers = {"X-API-Key": API_KEY if known else "wrong"}
        if isinstance(case.query.get("wait"), int):
            case.query["wait"] = min(case.query["wait"], 0)  # Nothing will come.
        case.call_and_validate(headers=headers, checks=checks())
        calls[0] += 1

    call()

    # A call without input has only one example, which is repeated as often.
    while calls[0] < EXAMPLES:
        case = operation.Case()
        case.path_parameters.update({parameter: ids[parameter] for parameter in parameters})
        case.call_and_validate(headers={"X-API-Key": API_KEY}, checks=checks())
        calls[0] += 1
