"""The OpenAPI document of all calls, and the AsyncAPI document of all events, made without a database."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask

from chatsupport import factory
from chatsupport.blueprints.routing import openapi
from chatsupport.contract import socket_events


@cache
def bare_app() -> Flask:
    """Return an application that has all calls and events, and nothing else."""
    app = Flask("chatsupport", static_folder=None)
    factory.register_calls(app)
    factory.bind_socket_events()
    return app


@cache
def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return openapi(bare_app())


def asyncapi_document() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    bare_app()
    return socket_events.document()


def client_events() -> list[str]:
    """Return the names of the events that clients may emit."""
    bare_app()
    return sorted(socket_events.RECEIVED)
