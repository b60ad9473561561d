"""The check that finds queries without an index."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient

from chatsupport.documents import Agent
from tests.collection_scans import SERVER, WATCH


@pytest.mark.usefixtures("app")
def test_a_scan_by_the_server_is_found_once_and_one_by_a_test_is_not(own_client: MongoClient[Any]) -> None:
    agents = Agent.collection()
    agents.find_one({"maxUsers": 2})
    assert WATCH.scans(own_client) == []

    server: dict[str, Any] = {}
    source = "def ask(agents): agents.find_one({'maxUsers': 2}), agents.delete_many({'maxUsers': 3})"
    exec(compile(source, f"{SERVER}/services/some.py", "exec"), server)
    server["ask"](agents)

    assert [scan.partition(": ")[0] for scan in WATCH.scans(own_client)] == ["services/some.py:1"] * 2
    assert WATCH.scans(own_client) == []
