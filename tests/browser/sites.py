"""A site on another origin, whose policy allows only the chat's server."""

from __future__ import annotations

import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Site:
    """Serves pages by their paths."""

    def __init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.pages.get(self.path)
                self.send_response(200 if body is not None else 204)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", site.policy)
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self._server.server_port}"
        self.pages: dict[str, str] = {}
        self.policy = ""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def embed(self, server: str, path: str = "/", head: str = "", body: str = "", **attributes: str) -> str:
        """Add a page with the widget and these data- attributes, and return its address."""
        origin = "/".join(server.split("/")[:3])
        sockets = origin.replace("http", "ws")
        self.policy = (
            f"default-src 'none'; script-src {origin}; connect-src {origin} {sockets}; base-uri 'none'; "
            "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        data = "".join(f' data-{name.replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
        self.pages[path] = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A site</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">'
            f'{head}<script src="{server}/widget.js"{data} async></script></head>'
            f'<body><main><h1>A site</h1><p><a href="/other">A link</a></p>{body}</main></body></html>'
        )
        return self.origin + path

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
