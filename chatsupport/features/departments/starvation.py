"""Departments that starve: sessions wait for their agents, none of them is there, and the sessions do not overflow."""

from __future__ import annotations

import logging

from chatsupport.background import Remembered
from chatsupport.services.assignment import staffing

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
REPEAT_SECONDS = 3600.0

_noted: Remembered[set[str]] = Remembered()
"""The departments that starved at the last look. The log names them again after an hour."""


def look() -> None:
    """Log a warning for each department that has begun to starve."""
    starving = {one["id"]: one for one in staffing.waiting_departments() if one["isStarving"]}
    before = _noted.get() or set()
    for department_id in starving.keys() - before:
        found = starving[department_id]
        about = {"department_id": department_id, "department": found["name"], "waiting": found["waiting"]}
        logger.warning(
            "Visitors wait for a department that has no agent present", extra={"event": "department_starves", **about}
        )
    if starving.keys() != before:
        _noted.keep(set(starving), REPEAT_SECONDS)
