"""Settings: texts, the look of the chat bubble, reasons for ending a chat, and questions before it begins."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import MANAGERS, route
from chatsupport.contract.calls import Says
from chatsupport.features.settings import service
from chatsupport.features.settings.models import NewSettings, StoredSettings
from chatsupport.features.settings.service import SettingsChangedError

blueprint = Blueprint("settings", __name__, url_prefix="/api/settings")


@blueprint.record
def _begin(_: object) -> None:
    service.forget()


@route(blueprint.get(""), answers={200: Says("Settings", StoredSettings)})
def get_settings() -> dict[str, Any]:
    """Read all settings.

    For agents, supervisors, API keys and systems.
    """
    return service.read(caller())


@route(
    blueprint.put(""),
    body=NewSettings,
    answers={200: Says("Settings changed", StoredSettings)},
    errors=[SettingsChangedError],
    access=MANAGERS,
)
def put_settings(new: NewSettings) -> dict[str, Any]:
    """Replace all settings.

    For supervisors, API keys and systems. Send back the settings that you have read, with your changes. They apply at
    once, and in other server processes within a second.
    """
    return service.replace(caller(), new)
