"""The OpenAPI document of all calls there are, made without a database."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask

from chatsupport import factory
from chatsupport.blueprints.routing import openapi


@cache
def bare_app() -> Flask:
    """Return an application that has all calls and nothing else."""
    app = Flask("chatsupport", static_folder=None)
    factory.register_calls(app)
    return app


@cache
def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return openapi(bare_app())
