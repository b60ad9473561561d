"""An agent that can sign in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"


@pytest.fixture
def account(operator: Api) -> dict[str, Any]:
    """Ada, an agent with email and password."""
    return operator.create_agent("Ada", email=EMAIL, password=PASSWORD)
