"""The chat's modules as one file: one request, one thing that can fail to load, and short names for all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

PATH = "widget/all.js"
MODULES = (
    "shared/connection.js",
    "shared/links.js",
    "widget/people.js",
    "widget/visitor.js",
    "widget/chat.js",
    "widget/view.js",
)
"""Each stands behind those it imports. No two may have the same name at their top level."""
EXPORTS = "createView, person, signOut"
"""What widget/loader.js takes."""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const |function )", re.MULTILINE)


def bundle(files: Mapping[str, bytes]) -> bytes:
    """Return the modules in one, as one function: whoever shortens names may shorten those of the top level too."""
    body = "\n".join(_EXPORT.sub("", _IMPORT.sub("", files[path].decode())) for path in MODULES)
    return f"export const {{ {EXPORTS} }} = (() => {{\n{body}\nreturn {{ {EXPORTS} }};\n}})();\n".encode()
