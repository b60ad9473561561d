"""The settings of the chat bubble on pages that do not set them themselves."""

from __future__ import annotations

from typing import Any

from chatsupport.features.settings import service

_NAMES = {"greeting": "hello", "away": "away", "ended": "ended"}
"""How the bubble's tables of texts call those that can be set."""
_OPTIONS = {"title": "title", "color": "color", "position": "position", "theme": "theme", "logoUrl": "logo"}
_OPTIONS["language"] = "language"


def options() -> dict[str, Any]:
    """Return the values of `data-*` attributes, the texts under `texts`, and the questions under `preChat`.

    Built-in values are left out.
    """
    settings, built_in = service.current(), service.DEFAULTS["widget"]
    said = {
        option: settings["widget"][name]
        for name, option in _OPTIONS.items()
        if settings["widget"][name] != built_in[name]
    }
    texts = {_NAMES[name]: text for name, text in settings["texts"].items() if text is not None}
    more = {"texts": texts, "preChat": settings["preChat"]}
    return {**said, **{name: value for name, value in more.items() if value}}
