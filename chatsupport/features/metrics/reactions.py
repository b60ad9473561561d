"""Measurements that events cause."""

from __future__ import annotations

from chatsupport import serializers
from chatsupport.documents.session import waits_since
from chatsupport.events import MessageStored, SessionAssigned, Table
from chatsupport.features.metrics import first_replies
from chatsupport.observability import metrics


def first_assigned(event: SessionAssigned) -> None:
    """Measure how long a session waited for its first agent. A late event may have been measured already."""
    session = event.session
    if not event.is_late and session["assignedAt"] == session.get("firstAssignedAt"):
        waited = serializers.milliseconds_between(waits_since(session), session["assignedAt"])
        metrics.ASSIGNMENT.observe(waited / 1000)


REACTIONS: Table = {
    SessionAssigned: [first_assigned],
    MessageStored: [first_replies.note],
}
