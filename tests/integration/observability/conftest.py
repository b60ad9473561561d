"""The lines that the application logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from chatsupport.observability import tracing
from tests.log_lines import Lines


@pytest.fixture
def log() -> Iterator[Lines]:
    logger, handler = logging.getLogger("chatsupport"), Lines()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    tracing.configure(0)
