"""/widget.js, /console, /demo and their files. They need no authentication: pages with the widget are public.

`page()` serves the page of any folder in chatsupport/web, under a policy that lets it load its own files only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, redirect, request
from flask_cors import cross_origin
from werkzeug.wrappers import Response as AnyResponse

from chatsupport import json_codec
from chatsupport.blueprints.headers import TRUSTED_TYPES
from chatsupport.blueprints.routing import ANYBODY, route
from chatsupport.contract.calls import File
from chatsupport.errors import NotFoundError
from chatsupport.extensions import settings
from chatsupport.public_address import own_hosts
from chatsupport.web.assets import MEDIA_TYPES, Asset, Assets, asset
from chatsupport.web.bundle import WORKER

blueprint = Blueprint("web", __name__)

HTML = ("text/html",)
FOR_EVER = "public, max-age=31536000, immutable"

for_any_site = cross_origin(origins="*", send_wildcard=True, supports_credentials=False)
"""Any site may load these files, even if it may not call the API: browsers require this for modules."""


Look = Callable[[], Mapping[str, Any]]
_look: list[Look] = []


def bind_look(sources: Iterable[Look]) -> None:
    """Use these for the settings of the chat bubble on pages that do not set them themselves."""
    _look[:] = sources


@lru_cache(maxsize=1)
def assets() -> Assets:
    """Return the files, which are read once, when a page needs the first one."""
    return Assets()


@route(
    blueprint.get("/web/<version>/<path:path>"),
    answers={
        200: File("The file", tuple(sorted(MEDIA_TYPES.values()))),
        302: File("Redirects to the current version", ("text/html",)),
    },
    errors=[NotFoundError],
    access=ANYBODY,
)
@for_any_site
def get_asset(version: str, path: str) -> AnyResponse:
    """Get a file of the widget, the console or the demo.

    The pages that name the file have the version. Any other version redirects to the current one.
    """
    file = assets().find(path)
    if file is None:
        abort(404)
    if version != assets().version:
        # A page of another release, or of another process while a new one is rolled out.
        return _for_any_page(redirect("../" * (path.count("/") + 1) + f"{assets().version}/{path}"))
    return _public(file, FOR_EVER)


@route(
    blueprint.get("/widget.js"),
    answers={200: File("The script", ("text/javascript",))},
    access=ANYBODY,
)
@for_any_site
def get_widget() -> AnyResponse:
    """Get the chat bubble's script, for pages of any site.

    It loads the other files.
    """
    look = {option: value for source in _look for option, value in source().items()}
    return _public(_loader(settings.config.socketio_client_url, json_codec.dumps(look)), "no-cache")


@route(blueprint.get("/demo"), answers={200: File("The page", HTML)}, errors=[NotFoundError], access=ANYBODY)
def get_demo() -> AnyResponse:
    """Get the page of a demo shop with the chat bubble.

    Not in production.
    """
    if settings.config.is_production:
        abort(404)
    return page("demo")


@route(blueprint.get("/console"), answers={200: File("The page", HTML)}, access=ANYBODY)
def get_console() -> AnyResponse:
    """Get the agents' console.

    An agent without a token sees a form for signing in.
    """
    # The console's own code may start this worker, and no other one.
    return page("console", _page_policy().replace("trusted-types 'none'", "trusted-types console-worker"))


@route(blueprint.get("/console-worker.js"), answers={200: File("The script", ("text/javascript",))}, access=ANYBODY)
def get_console_worker() -> AnyResponse:
    """Get the console's service worker, which shows pushes while the console is closed.

    It is beside the console, because browsers let a worker serve only pages below its own path.
    """
    worker = assets().find(WORKER)
    if worker is None:
        abort(404)
    return _file(worker, "no-cache")


def page(folder: str, policy: str | None = None) -> AnyResponse:
    """Return the index.html of a folder in chatsupport/web, with %ASSETS% and %SOCKETIO% filled in."""
    if request.path.endswith("/"):
        return redirect(f"../{folder}")  # Its addresses are relative to its own.
    response = Response(filled(f"{folder}/index.html"), mimetype="text/html")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = policy or _page_policy()
    return response


def filled(path: str) -> bytes:
    """Return a file that names other files, with their current names."""
    return _fill(path, settings.config.socketio_client_url)


@lru_cache(maxsize=8)
def _loader(client_url: str | None, look: str) -> Asset:
    # Every page with the bubble checks whether it has changed.
    return asset(assets().loader(client_url, json_codec.loads(look)), ".js")


@lru_cache(maxsize=32)
def _fill(path: str, client_url: str | None) -> bytes:
    return assets().fill(path, client_url)


def _page_policy() -> str:
    url = urlsplit(settings.config.socketio_client_url or "")
    client = f" {url.scheme}://{url.netloc}" if url.netloc else ""
    # In some browsers, 'self' does not include websockets of the same host.
    sockets = "".join(f" ws://{host} wss://{host}" for host in own_hosts(settings.config, request.host))
    return (
        f"default-src 'none'; script-src 'self'{client}; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{sockets}; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors 'none'; {TRUSTED_TYPES}"
    )


def _public(file: Asset, cache_control: str) -> AnyResponse:
    return _for_any_page(_file(file, cache_control))


def _file(file: Asset, cache_control: str) -> AnyResponse:
    packed = request.accept_encodings.best_match(["gzip"]) == "gzip" and len(file.packed) < len(file.body)
    response = Response(file.packed if packed else file.body, mimetype=file.media_type)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = cache_control
    response.set_etag(f"{file.etag}-gzip" if packed else file.etag)
    return response.make_conditional(request)


def _for_any_page(response: AnyResponse) -> AnyResponse:
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
