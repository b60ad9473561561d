"""Every file below this folder that browsers may have, read once, and one version for all of them.

The version is in the path of each file, so that a file can be cached for ever, and so that modules which import each
other by relative paths always come from the same release.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatsupport import json_codec
from chatsupport.web import bundle
from chatsupport.web.squeeze import squeezed

FOLDER = Path(__file__).parent
MEDIA_TYPES = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
PARTS = ("widget", "console", "demo", "docs", "mail", "shared", "unsubscribe", "vendor")
SQUEEZED = ("widget/", "shared/")
"""What other people's pages load; the rest is served as it was written."""

LOADER = "widget/loader.js"
LINK = "widget/link.js"
LINKS = "links"
"""The setting that puts `LINK` before the loader."""
CLIENT_PATH = "vendor/socket.io.esm.min.js"
"""The client of socket.io; vendor/README.md says where it comes from."""
_SETTINGS = re.compile("""["'`]%SETTINGS%["'`]""")
_SOURCE_MAP = b"\n//# sourceMappingURL="


@dataclass(frozen=True)
class Asset:
    """One file; `packed` is its body in gzip, which most browsers take."""

    body: bytes
    packed: bytes
    media_type: str
    etag: str


class Assets:
    """The files by their paths, and what pages and the loader need to know to find them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read all files. Raises `OSError` where one cannot be read."""
        files = written(folder)
        files |= bundle.bundled(files)
        files |= squeezed(
            {
                path: (MEDIA_TYPES[suffix], body)
                for path, body in files.items()
                if path.startswith(SQUEEZED) and (suffix := Path(path).suffix) in (".css", ".js")
            }
        )
        self._templates = {
            path: body.decode() for path, body in files.items() if path == LOADER or path.endswith("/index.html")
        }
        self._files = {
            path: asset(body, suffix) for path, body in files.items() if (suffix := Path(path).suffix) in MEDIA_TYPES
        }
        digest = hashlib.sha256()
        for path, file in sorted(self._files.items()):
            digest.update(f"{path}\0{file.etag}\0".encode())
        self.version = digest.hexdigest()[:12]

    def find(self, path: str) -> Asset | None:
        """Return the file with this path, such as `widget/main.js`, or None.

        Only what was read is found, so no path leads anywhere else.
        """
        return self._files.get(path)

    def fill(self, path: str, client_url: str | None) -> bytes:
        """Return a page or the loader, with %ASSETS% and %SOCKETIO% replaced by what they stand for.

        Every path is relative, for only browsers know under which path a proxy shows the server.

        `client_url` is where browsers get socket.io's client from, an ES module; None: from here, as the page sees it,
        or, for the loader, as the chat's module does that imports it.
        """
        folder = f"web/{self.version}"
        client = client_url or f"{'..' if path == LOADER else folder}/{CLIENT_PATH}"
        return self._templates[path].replace("%ASSETS%", folder).replace("%SOCKETIO%", client).encode()

    def loader(self, client_url: str | None, settings: Mapping[str, Any]) -> bytes:
        """Return the loader with the settings that it goes by where a page says nothing.

        In browsers, texts have short names (bundle.py).
        """
        texts = {bundle.short(name): text for name, text in settings.get("texts", {}).items()}
        options = {name: value for name, value in settings.items() if name != LINKS}
        stands_for = json_codec.dumps({**options, **({"texts": texts} if texts else {})})
        loader = _SETTINGS.sub(lambda _: stands_for, self.fill(LOADER, client_url).decode()).encode()
        return self._files[LINK].body + b";\n" + loader if settings.get(LINKS) else loader


def written(folder: Path = FOLDER) -> dict[str, bytes]:
    """Return the files by their paths as they were written, templates included. Raises `OSError`."""
    return {
        # A source map is not served; a browser's tools would ask for it in vain.
        file.relative_to(folder).as_posix(): file.read_bytes().partition(_SOURCE_MAP)[0]
        for part in PARTS
        for file in sorted((folder / part).rglob("*"))
        if file.is_file() and file.suffix in (*MEDIA_TYPES, ".html")
    }


def asset(body: bytes, suffix: str) -> Asset:
    """Return a file's contents as they are served."""
    return Asset(body, gzip.compress(body, mtime=0), MEDIA_TYPES[suffix], hashlib.sha256(body).hexdigest()[:20])
