"""socket.io's client for browsers is npm's, unchanged; tests/browser/test_widget_weight.py compares it with npm's."""

from __future__ import annotations

import base64
import hashlib
import json

from chatsupport.web.assets import CLIENT_PATH, FOLDER
from tests.e2e.sockets import JS_DIRECTORY

CLIENT = FOLDER / CLIENT_PATH
SHA384 = "834VzTcRncaUC59tAyCD5pGCYi2irsZ3S07X7ieWfWcwnEcZ5bSFjFLIGSVY8oTF"
"""The hash of version 4.8.4. `make vendor` with another version changes the file."""


def test_it_has_the_hash_of_the_release_on_npm() -> None:
    assert base64.b64encode(hashlib.sha384(CLIENT.read_bytes()).digest()).decode() == SHA384


def test_it_is_the_version_of_the_tests_and_its_licence_is_there() -> None:
    wanted = json.loads((JS_DIRECTORY / "package.json").read_text("utf-8"))["dependencies"]["socket.io-client"]

    assert f"Socket.IO v{wanted}\n" in CLIENT.read_text("utf-8")[:200]
    assert "Permission is hereby granted, free of charge" in CLIENT.with_name("socket.io.LICENSE").read_text("utf-8")
