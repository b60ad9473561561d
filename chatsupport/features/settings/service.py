"""The settings are read from memory if a chat needs them, and from the database by callers who change them.

The process that writes them has them at once. It orders the others to read them, and because an order may be lost, each
looks for a new version several times a second; while it is alone, every five seconds. Until a process has read them for
the first time, at its start, it goes by the defaults.
"""

from __future__ import annotations

import math
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatsupport import events, orders, serializers
from chatsupport.database.clock import elapsed, now
from chatsupport.errors import ConflictError
from chatsupport.events import SettingsChanged
from chatsupport.extensions import socketio
from chatsupport.features.settings.documents import Settings
from chatsupport.features.settings.models import DEFAULT_COLOR, NewSettings
from chatsupport.features.settings.orders import ReadSettings
from chatsupport.identity import AGENT, Caller
from chatsupport.services.people import agents
from chatsupport.services.server import processes
from chatsupport.services.shared import access

Document = dict[str, Any]

LOOK_SECONDS, ALONE_SECONDS = 0.5, 5.0
SETTINGS = "settings"
SECTIONS = ("hours", "texts", "widget", "endReasons", "preChat", "botId")

DEFAULTS: Document = {
    "version": 0,
    "hours": None,
    "texts": {"greeting": None, "away": None, "ended": None},
    "widget": {
        "title": None,
        "color": DEFAULT_COLOR,
        "position": "right",
        "theme": "auto",
        "logoUrl": None,
        "language": None,
    },
    "endReasons": [
        {"label": "Solved", "isPublic": True},
        {"label": "The visitor does not answer", "isPublic": True},
        {"label": "Spam or abuse", "isPublic": False},
    ],
    "preChat": [],
    "botId": None,
    "updatedBy": None,
    "updatedAt": None,
}


class SettingsChangedError(ConflictError):
    """Another caller has changed the settings since they were read."""

    code = "SETTINGS_CHANGED"

    def __init__(self) -> None:
        super().__init__("Somebody else has changed the settings. Get them again, and repeat your change.")


_known = [DEFAULTS]
"""The settings that this process uses. The object is replaced, never changed."""
_looked_at = [-math.inf]
"""When the last look began, by `elapsed`."""


def current() -> Document:
    """Return the settings that this process uses. Sends no command."""
    return _known[0]


def bot() -> ObjectId | None:
    """Return the bot that gets new sessions first, or None. Sends no command."""
    bot_id = current()["botId"]
    return None if bot_id is None else ObjectId(bot_id)


def forget() -> None:
    """Use the defaults until the settings are read, because another application begins."""
    _known[0] = DEFAULTS
    _looked_at[0] = -math.inf


def read(caller: Caller) -> Document:
    """Return the settings. For agents who are people, supervisors and operators."""
    access.require_agent(caller)
    access.refuse_bots(caller)
    return _read()


def replace(caller: Caller, new: NewSettings) -> Document:
    """Store new settings in place of those of `new.version`, and return them. For operators and supervisors.

    Raises `SettingsChangedError` if those are no longer the current ones.
    """
    access.require_manager(caller)
    before = _read()
    if new.bot_id is not None and str(new.bot_id) != before["botId"]:
        agents.require_bot(new.bot_id, "INVALID_SETTINGS")
    author = ObjectId(caller.id) if caller.type == AGENT else None
    values = new.model_dump(by_alias=True, exclude={"version"})
    for question in values["preChat"]:
        if question["options"] is None:
            del question["options"]
    try:
        stored: Any = Settings.collection().find_one_and_update(
            {"_id": SETTINGS, "version": new.version},
            {"$set": {**values, "updatedBy": author, "updatedAt": now()}, "$inc": {"version": 1}},
            # These are the first settings, and a faster process has stored others.
            upsert=new.version == 0,
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError:
        stored = None
    if stored is None:
        raise SettingsChangedError
    _known[0] = settings = _as_they_are(stored)
    orders.give(ReadSettings())
    changed = [section for section in SECTIONS if settings[section] != before[section]]
    events.happened(SettingsChanged(caller, settings["version"], changed))
    return settings


def look() -> None:
    """Read the settings, unless this process has just done so and no other one can have changed them since."""
    if not (elapsed() < _looked_at[0] + ALONE_SECONDS and processes.here.was_alone_since(_looked_at[0])):
        began = elapsed()
        refresh()
        _looked_at[0] = began


def refresh() -> None:
    """Read the settings for this process."""
    before = current()
    found = _read()
    # Newer settings may have been written or read in the meantime.
    if current() is before:
        _known[0] = found


def obey(order: ReadSettings) -> None:
    """Read the settings, soon."""
    socketio.start_background_task(refresh)


def _read() -> Document:
    stored = Settings.collection().find_one({"_id": SETTINGS})
    return DEFAULTS if stored is None else _as_they_are(stored)


def _as_they_are(stored: Document) -> Document:
    """Return the stored settings, with defaults for those that an earlier release did not know."""
    whole: Document = {name: stored.get(name, default) for name, default in DEFAULTS.items()}
    for section in ("texts", "widget"):
        whole[section] = {name: whole[section].get(name, default) for name, default in DEFAULTS[section].items()}
    author = whole["updatedBy"]
    return {
        **whole,
        "botId": serializers.id_or_none(whole["botId"]),
        "updatedBy": None if author is None else str(author),
        "updatedAt": serializers.iso(whole["updatedAt"]),
    }
