"""Whoever adds a field to a session or a message has to say what an erasure does with it."""

from __future__ import annotations

import pytest

from chatsupport.documents import Message, Session

ERASED = {
    Session: {
        *("userId", "guestId", "endReason", "internalReason", "endedBy", "readSeq"),
        "features",  # By each feature's `personal_data`.
    },
    Message: {"senderId", "message", "clientMessageId"},
}
"""What may say who somebody is: `features/privacy/erasure.py` empties or renames it."""

KEPT = {
    Session: {
        # What kind of person and of session it was, and where it stood.
        *("_id", "userType", "status", "erased", "unassignedReason"),
        *("queuePriority", "queuedAt", "agentId", "slotId", "preferredAgentId", "avoidAgentId", "avoidStrictly"),
        # When something happened, and figures.
        *("createdAt", "updatedAt", "assignedAt", "firstAssignedAt", "endedAt"),
        *("noReplyDueAt", "idleDueAt", "idleWarnedAt"),
        *("totalMessages", "averageResponseTime", "firstResponseMs"),
        # Its marks are removed when everybody was told, before the erasure ends.
        "untold",
    },
    Message: {"_id", "sessionId", "seq", "senderType", "timestamp", "fence", "expiresAt", "erased"},
}
"""What names nobody."""


@pytest.mark.parametrize("document", [Session, Message])
def test_each_field_is_erased_or_names_nobody(document: type[Session | Message]) -> None:
    assert not ERASED[document] & KEPT[document]
    assert set(document._db_field_map.values()) == ERASED[document] | KEPT[document]
