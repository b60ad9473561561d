"""Everything that happens: the feed and webhooks. For API keys and systems.

Bots read their part of the feed, and supervisors may read the webhooks.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import Access, route
from chatsupport.contract.calls import Says
from chatsupport.features.events import feed, relay, switch, tail
from chatsupport.features.events.feed import PositionGoneError
from chatsupport.features.events.models import EventPage, Events

blueprint = Blueprint("events", __name__)

Json = dict[str, Any]


@blueprint.record
def _forget(_: object) -> None:
    switch.here.forget()
    relay.here.forget()
    tail.tail.forget()


@route(
    blueprint.get("/api/events"),
    query=EventPage,
    answers={200: Says("Events", Events)},
    errors=[PositionGoneError],
    access=Access(check=feed.bot_or_operator),
)
def list_events(page: EventPage) -> Json:
    """Read the events after a position, in their order.

    The first call begins the recording: every change that is acknowledged after its answer has exactly one event. With
    `wait`, the answer comes with the first new event, or empty after so many seconds. For API keys and systems, and for
    bots, which get the events of the sessions that they have.
    """
    return feed.read(caller(), page.after, page.types or (), page.wait, page.limit)
