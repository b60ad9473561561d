"""The application factory: logs -> extensions -> errors -> blueprints -> sockets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Request, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import MapAdapter

from chatsupport import (
    background,
    cli,
    command_notices,
    documents,
    events,
    feature,
    features,
    orders,
    reactions,
    startup,
)
from chatsupport.addresses import PlainAddresses
from chatsupport.blueprints import agents, auth, chat, docs, errors, forms, request_log, requests, system, web
from chatsupport.blueprints.paths import EncodedSlashes
from chatsupport.config import Config
from chatsupport.contract import socket_events
from chatsupport.database import connection
from chatsupport.extensions import cors, jwt, settings
from chatsupport.identity import TOKEN_LIFETIME
from chatsupport.json_codec import OrjsonProvider
from chatsupport.observability import logs, tracing
from chatsupport.public_address import PublicAddress
from chatsupport.services.assignment import bots, staffing
from chatsupport.services.messages import message_log
from chatsupport.services.people import denial_memory
from chatsupport.services.server import processes
from chatsupport.services.shared import budgets, rate_limits
from chatsupport.sockets import chat as chat_events
from chatsupport.sockets import hooks, leaving


class _Routes(MapAdapter):
    """Finds a request's route, and remembers it: a chat's paths are asked for again and again."""

    MOST, MOST_LETTERS = 4096, 128

    def match(self, *arguments: Any, **options: Any) -> Any:
        """Return the route with the parts of the path. Raises what Flask answers if there is none."""
        if arguments or options != {"return_rule": True} or len(self.path_info) > self.MOST_LETTERS:
            return super().match(*arguments, **options)
        known = vars(self.map).setdefault("known_routes", {})
        asked = self.default_method, self.path_info
        if asked not in known:
            found = super().match(return_rule=True)
            if len(known) >= self.MOST:
                known.clear()
            known[asked] = found
        rule, parts = known[asked]
        return rule, dict(parts)


class ChatSupport(Flask):
    """Flask with orjson."""

    json_provider_class = OrjsonProvider

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function. None of ours is a coroutine, and Flask would check that seven times a request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds a request's route: by its path only, so Flask need not work out the host and the scheme."""
        if request is None:
            return super().create_url_adapter(request)
        environ = request.environ
        return _Routes(self.url_map, "", environ["SCRIPT_NAME"], "", "http", request.path, request.method)

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request, the database's part of it in the time a send may take. An upload has longer to arrive."""
        extra = forms.UPLOAD_SECONDS if forms.is_form(environ) else 0.0
        with connection.answer_within(message_log.MAX_WAIT_SECONDS + extra):
            return super().wsgi_app(environ, start_response)


def create_app(config: Config | None = None) -> Flask:
    """Return the application, ready to serve.

    Raises `ConfigError` for a bad environment. If the database does not answer, the server still starts, says so in
    /api/health, and begins its work as soon as the database answers.
    """
    config = config or read_config()
    logs.setup_logging(config)
    settings.bind(config)
    tracing.configure(config.slow_ms)
    if config.mongodb_uri is None:
        raise RuntimeError("create_app() needs a Config with a mongodb_uri; wsgi.py starts the embedded MongoDB.")
    connection.connect(config.mongodb_uri, config.mongodb_db)

    app = ChatSupport("chatsupport", static_folder=None)
    app.config.update(_flask_options(config))
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    jwt.init_app(app)
    cors.init_app(
        app,
        origins="*" if "*" in config.frontend_urls else [_exactly(url) for url in config.frontend_urls],
        supports_credentials=True,
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID"],
        expose_headers=["Retry-After", "X-Request-ID"],
        max_age=600,
    )
    # Flask-CORS adds nothing to an answer that no page waits for, but takes 5 % of a call to find that out.
    app.after_request_funcs[None] = [_for_pages(add_headers) for add_headers in app.after_request_funcs[None]]
    rate_limits.configure(config)
    budgets.configure(config)
    background.clear_all()
    processes.here.reset()
    denial_memory.memory.clear()
    request_log.register(app)
    errors.register(app)
    app.before_request(requests.wait_until_ready)
    register_calls(app)
    bind_socket_events()
    _add_features(app)
    hooks.init_app(app, config)

    wsgi_app: Any = PlainAddresses(request_log.RequestIds(app.wsgi_app))
    if config.trusted_proxies:
        proxies = config.trusted_proxies
        wsgi_app = ProxyFix(wsgi_app, x_for=proxies, x_proto=0, x_host=0)
    wsgi_app = EncodedSlashes(wsgi_app)
    if config.trusted_proxies or config.public_url or config.base_path:
        wsgi_app = PublicAddress(wsgi_app, config)
    app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    if "FLASK_RUN_FROM_CLI" in os.environ:
        command_notices.leave_all()
    else:
        startup.begin(config)
    return app


def read_config(environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration, including the features' variables. Raises `ConfigError` for a bad environment."""
    return Config.from_env(environ, feature.variables(feature.load(features.INSTALLED)))


def register_calls(app: Flask) -> None:
    """Register all blueprints."""
    core = (auth, chat, agents, docs, web, system)
    added = (each.blueprint for each in feature.install(features.INSTALLED))
    for blueprint in (*(module.blueprint for module in core), *added):
        if blueprint is not None:
            app.register_blueprint(blueprint)


def bind_socket_events() -> None:
    """Register the events of clients and of the server, from the core and the installed features."""
    added = feature.installed()
    received = [chat_events.events, *(each.socket_events for each in added)]
    socket_events.bind(received, [socket_events.CORE, *(each.emitted for each in added)])


def _add_features(app: Flask) -> None:
    """Register everything that the features add besides calls and events."""
    added = feature.installed()
    documents.bind(
        [document for each in added for document in each.documents],
        [index for each in added for index in each.indexes],
    )
    orders.bind(leaving.OBEYED, *(each.orders for each in added))
    events.bind(reactions.table(added))
    web.bind_look(each.widget for each in added if each.widget is not None)
    staffing.bind_hours(each.hours for each in added if each.hours is not None)
    bots.bind(each.bot for each in added if each.bot is not None)
    cli.register(app, [command for each in added for command in each.commands])


def _for_pages(add_headers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda response: add_headers(response) if "HTTP_ORIGIN" in request.environ else response


def _exactly(origin: str) -> re.Pattern[str]:
    # flask-cors would read the brackets of an IPv6 address as a regular expression, and anchor it nowhere.
    return re.compile(rf"{re.escape(origin)}\Z")


def _flask_options(config: Config) -> dict[str, Any]:
    return {
        "TESTING": config.app_env == "testing",
        "MAX_CONTENT_LENGTH": config.max_body_bytes,
        "JWT_SECRET_KEY": config.jwt_secret,
        "JWT_TOKEN_LOCATION": ["headers"],
        "JWT_ENCODE_NBF": False,
        "JWT_ALGORITHM": "HS256",
        "JWT_DECODE_ALGORITHMS": ["HS256"],
        "JWT_ACCESS_TOKEN_EXPIRES": TOKEN_LIFETIME,
    }
