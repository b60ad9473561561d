"""The files of the widget, the console and the demo: addresses, caching, and the sites that may load them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from chatsupport.blueprints.web import assets
from chatsupport.web import bundle
from chatsupport.web.assets import FOLDER, PARTS, SQUEEZED, Assets, written
from tests.api import Apis, assert_failure
from tests.applications import MakeApp

ELSEWHERE = {"Origin": "https://any.example"}


BUNDLES = (bundle.CONSOLE, bundle.CONSOLE_STYLE, bundle.SETTINGS, bundle.WORKER)


def folder(where: Path) -> Path:
    """Make a small tree as chatsupport/web is."""
    for name in PARTS:
        (where / name).mkdir(parents=True)
    (where / "widget/main.js").write_text("import './other.js';\n")
    (where / "widget/other.js").write_text("export {};\n")
    (where / "widget/notes.txt").write_text("not for browsers\n")
    return where


@pytest.mark.parametrize("path", sorted(assets()._files))
def test_every_versioned_file_is_served_to_any_site_and_cached_for_ever(apis: Apis, path: str) -> None:
    response = apis.anonymous(**ELSEWHERE).get(f"/web/{assets().version}/{path}")

    assert response.status_code == 200
    assert response.headers.getlist("Cache-Control") == ["public, max-age=31536000, immutable"]
    assert response.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.mimetype == {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[
        Path(path).suffix
    ]  # fmt: skip
    if path.startswith(SQUEEZED):
        joined = {bundle.CHAT: bundle.CHAT_MAIN, **{main: main for main in (bundle.LOADER, *bundle.parts(written()))}}
        parts = bundle.imported(joined[path], written()) if path in joined else [path]
        assert len(response.data) < sum(len((FOLDER / part).read_bytes()) for part in parts)
    elif not path.startswith("vendor/") and path not in BUNDLES:
        assert response.data == (FOLDER / path).read_bytes()


def test_the_embedded_script_is_revalidated(apis: Apis) -> None:
    anybody = apis.anonymous(**ELSEWHERE)
    first = anybody.get("/widget.js")

    assert first.status_code == 200
    assert first.mimetype == "text/javascript"
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert first.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert f"web/{assets().version}" in first.text
    assert "%" not in re.sub(r"[^%A-Z]", "", first.text)
    again = apis.anonymous(**{"If-None-Match": first.headers["ETag"]}).get("/widget.js")
    assert (again.status_code, again.data) == (304, b"")


def test_an_unchanged_file_is_not_sent_again(apis: Apis) -> None:
    path = f"/web/{assets().version}/widget/loader.js"
    tag = apis.anonymous().get(path).headers["ETag"]

    assert apis.anonymous(**{"If-None-Match": tag}).get(path).status_code == 304


def test_browsers_get_compressed_files(apis: Apis) -> None:
    path = f"/web/{assets().version}/widget/widget.css"
    plain = apis.anonymous().get(path)
    packed = apis.anonymous(**{"Accept-Encoding": "br, gzip;q=0.8"}).get(path)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert packed.headers["ETag"] != plain.headers["ETag"]
    for response in (plain, packed):
        assert response.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in apis.anonymous(**{"Accept-Encoding": "gzip;q=0"}).get(path).headers
    again = apis.anonymous(**{"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}).get(path)
    assert again.status_code == 304


def test_another_version_redirects_to_the_current_one(apis: Apis) -> None:
    response = apis.anonymous(**ELSEWHERE).get("/web/000000000000/widget/loader.js")

    assert response.status_code == 302
    assert response.headers["Location"] == f"../../{assets().version}/widget/loader.js"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "assets.py",
        "__init__.py",
        "demo/index.html",
        "vendor/README.md",
        "../factory.py",
        "widget/../../factory.py",
        "widget/..%2f..%2ffactory.py",
        "%2e%2e/factory.py",
        "//etc/passwd",
        "widget",
        "widget/",
        "widget//loader.js",
        "widget/loader.js%00",
    ],
)
def test_no_path_reaches_other_files(apis: Apis, path: str) -> None:
    assert_failure(apis.anonymous().get(f"/web/{assets().version}/{path}"), 404, "NOT_FOUND")


def test_the_version_depends_on_all_files(tmp_path: Path) -> None:
    there = folder(tmp_path / "a")
    first = Assets(there).version
    assert Assets(there).version == first

    (there / "widget/notes.txt").write_text("changed\n")
    assert Assets(there).version == first
    (there / "widget/other.js").write_text("export const a = 1;\n")
    second = Assets(there).version
    (there / "widget/other.js").rename(there / "shared/other.js")
    assert len({first, second, Assets(there).version}) == 3


def test_files_for_other_sites_are_minified(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    there = folder(tmp_path / "a")
    code = "// Adds.\nexport function add(first, second) {\n  return first + second;\n}\n"
    for name in ("widget/add.js", "demo/add.js"):
        (there / name).write_text(code)
    (there / "widget/add.css").write_text("/* Red. */\np {\n  color: red;\n}\n")
    (there / "widget/loader.js").write_text('// Loads.\nimport("%ASSETS%/widget/add.js");\n')
    files = Assets(there)

    assert files._files["widget/add.js"].body == b"export function add(e,t){return e+t}"
    assert files._files["widget/add.css"].body == b"p{color:red}"
    assert files._files["demo/add.js"].body == code.encode()
    loader = files.fill("widget/loader.js", None)
    assert loader == f'import("web/{files.version}/widget/add.js")'.encode()
    assert not caplog.records

    # A file that cannot be parsed is served unchanged.
    (there / "shared/broken.js").write_text("export function {\n")
    files = Assets(there)
    assert files._files["shared/broken.js"].body == b"export function {\n"
    assert files._files["widget/add.js"].body == code.encode()
    assert "could not be squeezed" in caplog.text


def test_socket_io_comes_from_here_unless_it_is_configured(tmp_path: Path) -> None:
    there = folder(tmp_path / "a")
    (there / "vendor/client.js").write_bytes(b"export const io = 1;\n//# sourceMappingURL=client.js.map")
    (there / "widget/loader.js").write_text('const io = "%SOCKETIO%";\n')
    files = Assets(there)

    found = files.find("vendor/client.js")
    assert found is not None
    assert found.body == b"export const io = 1;"
    assert b'"../vendor/socket.io.esm.min.js"' in files.fill("widget/loader.js", None)
    assert b'"https://cdn.example.com/a.js"' in files.fill("widget/loader.js", "https://cdn.example.com/a.js")


def test_a_page_may_load_its_own_files_only(apis: Apis, make_app: MakeApp) -> None:
    response = apis.anonymous().get("/demo")

    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert response.headers["Cache-Control"] == "no-cache"
    (policy,) = response.headers.getlist("Content-Security-Policy")
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == "'none'"
    assert parts["style-src"] == "'self'"
    assert parts["frame-ancestors"] == "'none'"
    assert parts["connect-src"] == "'self' ws://localhost wss://localhost"
    assert "unsafe" not in policy

    elsewhere = Apis(make_app(socketio_client_url="https://cdn.example.com/client.js")).anonymous()
    assert "script-src 'self' https://cdn.example.com;" in elsewhere.get("/demo").headers["Content-Security-Policy"]
    assert "https://cdn.example.com/client.js" in elsewhere.get("/widget.js").text


def test_no_request_can_change_the_policy(apis: Apis) -> None:
    for host in ("evil.example; script-src *", "a b", "x'y"):
        policy = apis.anonymous(Host=host).get("/demo").headers["Content-Security-Policy"]
        assert "evil" not in policy
        assert "connect-src 'self';" in policy or "connect-src 'self' ws://localhost" in policy


def test_there_is_no_demo_in_production(make_app: MakeApp) -> None:
    production = Apis(make_app(app_env="production")).anonymous()

    assert_failure(production.get("/demo"), 404, "NOT_FOUND")
    assert production.get("/widget.js").status_code == 200
