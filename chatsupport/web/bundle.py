"""Modules as one file: one request instead of dozens, and one thing that can fail to load."""

from __future__ import annotations

import hashlib
import posixpath
import re
import string
from collections import Counter
from collections.abc import Mapping

LOADER = "widget/loader.js"
CHAT = "widget/all.js"
CHAT_MAIN = "widget/view.js"
TEXTS = "widget/languages/"
PARTS = "widget/parts/"
"""What not every chat needs: each module is one file, with what it imports (widget/use.js)."""
WORDS = "widget/parts/languages/"

CONSOLE = "console/all.js"
CONSOLE_MAIN = "console/main.js"
SETTINGS = "console/settings/all.js"
SETTINGS_MAIN = "console/settings/main.js"
"""The console loads it when it is needed, and gives it the modules that both use."""
WORKER = "console/worker.js"
CONSOLE_STYLE = "console/all.css"
CONSOLE_STYLES = ("tokens", "controls", "shell", "lists", "conversation", "overview", "dialogs", "small")
"""In the order in which they apply."""

PRIVATE = (
    "addEarlier begun chime deliver desk discard forgetVisitor getToken isAnswered isAsked isClosed isEnding isIdle "
    "isLinked isReady isRefused keep keepSecret kept makeView onFailure onJoined onMessage onRefusal onStop "
    "panel place problem render secret settle theirs unsent wrong "
).split()
"""Names of properties that only the widget's modules use. Browsers get them shortened. Each is a word that stands for
nothing else in these modules: neither in what is stored or sent, nor in a text."""

COLORS = {"accent": "a", "back": "b", "soft": "s", "faint": "f", "bad": "e", "height": "h"}
"""The widget's custom properties, and what browsers get instead."""

BROWSER = ("addEventListener", "document", "setTimeout", "Date", "Math", "location", "clearTimeout")
"""What browsers have, and modules use often. Each gets a short name in a module that uses it three times."""

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|function|class) (\w+))", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_COMMENT = re.compile(r"^ *(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_WORD = re.compile(r"\w+")
_FREE_WORD = re.compile(r"(?<![\w.$])\w+")  # It is not a property.
_COLOR = re.compile(r"--(\w+)")
_CONST = re.compile(r"\bconst (?=[\w{\[$])")
_NAMED_TEXT = re.compile(r"^  (\w+): ", re.MULTILINE)
_USED_TEXT = re.compile(r"\b(texts|words)\.(\w+)")


def bundled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what stands for modules and styles, by its path: fewer and smaller files that do the same.

    Raises `ValueError` where a module is written in a way that this does not know.
    """
    done: dict[str, bytes] = {}
    if CHAT_MAIN in files:
        done |= _tables(files)
        done[CHAT] = _started(CHAT_MAIN, files)
        done[LOADER] = f'((settings) => {{\n{_flat(LOADER, files)}\n}})("%SETTINGS%");\n'.encode()
        for path in parts(files):
            done[path] = _started(path, files)
        for path in files:
            if path.startswith("widget/") and path.endswith(".css"):
                done[path] = _short_colors(files[path].decode()).encode()
    if CONSOLE_MAIN in files:
        modules = imported(CONSOLE_MAIN, files)
        done[CONSOLE] = _together(modules, files).encode()
        if SETTINGS_MAIN in files:
            later = [module for module in imported(SETTINGS_MAIN, files) if module not in modules]
            shared = ", ".join(sorted(_variable(module) for module in _used(later, files) if module in modules))
            done[CONSOLE] += f"export {{ {shared} }};\n".encode()
            done[SETTINGS] = _called(later, files, shared).encode()
        if WORKER in files:
            done[WORKER] = _functions(imported(WORKER, files), files).encode()
        done[CONSOLE_STYLE] = b"".join(files[f"console/styles/{name}.css"] for name in CONSOLE_STYLES)
    return done


def parts(files: Mapping[str, bytes]) -> list[str]:
    """Return the modules that the chat loads when it uses them."""
    return [path for path in files if path.startswith(PARTS) and path.endswith(".js") and not path.startswith(WORDS)]


def texts(table: bytes) -> list[str]:
    """Return the names of a table of texts, in their order."""
    return _NAMED_TEXT.findall(table.decode())


def short(word: str, length: int = 2) -> str:
    """Return what stands for a private name, or for the name of one of the chat's texts.

    It depends on the word alone: a page that was opened before an update has the former chat, and loads new parts.
    """
    digest = hashlib.sha256(word.encode()).digest()
    return _LETTERS[digest[0] % 26] + "".join(_LETTERS[place % 62] for place in digest[1:length])


def short_word(name: str) -> str:
    """Return what stands for the name of a text of the parts, of which there are more."""
    return short(name, 3)


def _tables(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        path: _NAMED_TEXT.sub(
            lambda name, shorten=shorten: f"  {shorten(name[1])}: ",  # type: ignore[misc]
            files[path].decode(),
        ).encode()
        for folder, shorten in ((TEXTS, short), (WORDS, short_word))
        for path in files
        if path.startswith(folder)
    }


def _started(path: str, files: Mapping[str, bytes]) -> bytes:
    # A private name is shortened on both sides.
    exports = _short_names(", ".join(_EXPORT.findall(files[path].decode())))
    return f"export function start(given) {{\n{_flat(path, files)}\nreturn {{ {exports} }};\n}}\n".encode()


def _short_colors(source: str) -> str:
    return _COLOR.sub(lambda name: f"--{COLORS.get(name[1], name[1])}", source)


def _short_names(source: str) -> str:
    return _WORD.sub(lambda word: short(word[0]) if word[0] in PRIVATE else word[0], source)


def _flat(path: str, files: Mapping[str, bytes]) -> str:
    # All in one function: then the program that shortens names may shorten those of the top level too.
    modules = [files[module].decode() for module in imported(path, files)]
    body = "\n".join(re.sub(r"^export ", "", _IMPORT.sub("", module), flags=re.MULTILINE) for module in modules)
    body = _USED_TEXT.sub(
        lambda used: f"{used[1]}.{short(used[2]) if used[1] == 'texts' else short_word(used[2])}", body
    )
    body = _short_colors(body)
    # The program shortens variables, but not properties and what browsers have.
    body = _short_names(body)
    times = Counter(_FREE_WORD.findall(body))
    often = [name for name in BROWSER if times[name] > 2]
    body = _FREE_WORD.sub(lambda word: f"${word[0]}" if word[0] in often else word[0], body)
    body = "".join(f"const ${name} = {name};\n" for name in often) + body
    # The program leaves `const`; `let` does the same, and is shorter.
    return _CONST.sub("let ", body)


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


def _together(modules: list[str], files: Mapping[str, bytes]) -> str:
    """Return these modules as one, with the exports of the last."""
    exports = ", ".join(_EXPORT.findall(_COMMENT.sub("", files[modules[-1]].decode())))
    return f"{_functions(modules, files)}\nexport const {{ {exports} }} = {_variable(modules[-1])};\n"


def _called(modules: list[str], files: Mapping[str, bytes], given: str) -> str:
    """Return these modules as a function that gets the modules that they use, and returns the exports of the last."""
    last = _variable(modules[-1])
    return f"export function start({{ {given} }}) {{\n{_functions(modules, files)}\nreturn {last};\n}}\n"


def _used(modules: list[str], files: Mapping[str, bytes]) -> set[str]:
    return {_resolved(module, match[2]) for module in modules for match in _IMPORT.finditer(files[module].decode())}


def _functions(modules: list[str], files: Mapping[str, bytes]) -> str:
    # Each module is a function of its own, so that two may use the same name.
    parts = []
    for module in modules:
        source = _COMMENT.sub("", files[module].decode())  # A third of what browsers would get.
        exports = _EXPORT.findall(source)
        code = _EXPORT.sub("", _IMPORT.sub(lambda match, module=module: _taken(module, match), source))  # type: ignore[misc]
        if unknown := _UNKNOWN.search(code):
            raise ValueError(f"{module}: only names can be imported and exported here, not: {unknown[0]}")
        parts.append(f"const {_variable(module)} = (() => {{\n{code}return {{ {', '.join(exports)} }};\n}})();\n")
    return "\n".join(parts)


def _taken(module: str, statement: re.Match[str]) -> str:
    names = statement[1].replace(" as ", ": ")
    return f"const {{{names}}} = {_variable(_resolved(module, statement[2]))};\n"


def _resolved(module: str, address: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(module), address))


def _variable(module: str) -> str:
    return re.sub(r"\W", "_", module.removesuffix(".js"))
