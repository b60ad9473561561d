"""Modules as one file: one request instead of dozens, and one thing that can fail to load."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

CHAT = "widget/all.js"
CHAT_MODULES = (
    "shared/connection.js",
    "shared/links.js",
    "widget/people.js",
    "widget/visitor.js",
    "widget/chat.js",
    "widget/view.js",
)
"""Each stands behind those it imports. No two may have the same name at their top level."""
CHAT_EXPORTS = "createView, person, signOut"
"""What widget/loader.js takes."""

CONSOLE = "console/all.js"
CONSOLE_MAIN = "console/main.js"
CONSOLE_STYLE = "console/all.css"
CONSOLE_STYLES = ("tokens", "controls", "shell", "lists", "conversation", "overview", "dialogs", "small")
"""In the order in which they apply."""

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class) (\w+))", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the joined files of the chat and the console, by their paths. Raises `ValueError` as `_together` does."""
    styles = [f"console/styles/{name}.css" for name in CONSOLE_STYLES]
    done = {}
    if all(path in files for path in CHAT_MODULES):
        done[CHAT] = _flat(files)
    if CONSOLE_MAIN in files:
        done[CONSOLE] = _together(CONSOLE_MAIN, files)
        done[CONSOLE_STYLE] = b"".join(files[path] for path in styles)
    return done


def _flat(files: Mapping[str, bytes]) -> bytes:
    # As one function: the program that shortens names may shorten those of the top level too.
    body = "\n".join(_EXPORT.sub("", _IMPORT.sub("", files[path].decode())) for path in CHAT_MODULES)
    return f"export const {{ {CHAT_EXPORTS} }} = (() => {{\n{body}\nreturn {{ {CHAT_EXPORTS} }};\n}})();\n".encode()


def imported(path: str, files: Mapping[str, bytes]) -> list[str]:
    """Return a module and all that it imports, directly or not; each stands behind those it imports.

    Raises `ValueError` for modules that import each other in a circle, and `KeyError` for one that is not there.
    """
    order: list[str] = []

    def visit(module: str, importers: tuple[str, ...]) -> None:
        if module in importers:
            raise ValueError(f"{module} imports itself through {', '.join(importers)}")
        if module in order:
            return
        for match in _IMPORT.finditer(files[module].decode()):
            visit(_resolved(module, match[2]), (*importers, module))
        order.append(module)

    visit(path, ())
    return order


def _together(path: str, files: Mapping[str, bytes]) -> bytes:
    # Each module is a function of its own, so that two may use the same name.
    parts = []
    exports: list[str] = []
    for module in imported(path, files):
        source = files[module].decode()
        exports = _EXPORT.findall(source)
        code = _EXPORT.sub("", _IMPORT.sub(lambda match, module=module: _taken(module, match), source))  # type: ignore[misc]
        if unknown := _UNKNOWN.search(code):
            raise ValueError(f"{module}: only names can be imported and exported here, not: {unknown[0]}")
        parts.append(f"const {_variable(module)} = (() => {{\n{code}return {{ {', '.join(exports)} }};\n}})();\n")
    return "\n".join([*parts, f"export const {{ {', '.join(exports)} }} = {_variable(path)};\n"]).encode()


def _taken(module: str, statement: re.Match[str]) -> str:
    names = statement[1].replace(" as ", ": ")
    return f"const {{{names}}} = {_variable(_resolved(module, statement[2]))};\n"


def _resolved(module: str, address: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(module), address))


def _variable(module: str) -> str:
    return re.sub(r"\W", "_", module.removesuffix(".js"))
