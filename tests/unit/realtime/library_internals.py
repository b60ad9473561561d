"""Find the library internals that chatsupport/realtime/ relies on, by reading its sources, and fingerprint each.

That is
- methods of theirs that a class of ours overrides, and methods of the same class that call one of those;
- names of theirs that we replace, and functions of theirs that look such a name up;
- names of theirs that we use and that are private, or that belong to a Socket.IO or Engine.IO server or its manager.

`python -m tests.unit.realtime.library_internals` writes the fingerprints that the test compares with.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import engineio
import socketio
from engineio.base_socket import BaseSocket
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base_async import AsyncWorker
from redis.connection import Connection

import chatsupport.realtime

FINGERPRINTS = Path(__file__).with_name("library_internals.json")
LIBRARIES = ("engineio", "eventlet", "gunicorn", "socketio")
GONE = "gone"

_SERVERS = (socketio.Server, engineio.Server)
_OWNERS: dict[str, tuple[type, ...]] = {
    "server": (*_SERVERS, Arbiter),
    "_server": _SERVERS,
    "eio": (engineio.Server,),
    "manager": (socketio.Manager,),
    "worker": (AsyncWorker,),
}
"""The class of an attribute, by the last part of the expression before it."""
_OTHERS = (*_SERVERS, socketio.Manager, BaseSocket, Connection)
"""The modules that a private name may come from, whatever it is an attribute of."""
_MODULES = {"geventlet": "gunicorn.workers.geventlet"}
"""Modules that may not be imported here, because that patches the process: their names are found by their sources."""


def collect() -> dict[str, str]:
    """Return the used internals with their fingerprints, or `GONE` if the installed version lacks one."""
    found: set[str] = set()
    unknown: set[str] = set()
    for module in _modules(chatsupport.realtime):
        tree = ast.parse(inspect.getsource(module))
        found |= _overridden(module) | _replaced(module, tree)
        found |= _used_of_modules(tree)
        for owners, name in _used(tree, _defined(tree)):
            homes = {home for owner in owners if (home := _home(owner, name)) is not None}
            found |= homes
            if not homes:
                unknown.add(f"{owners[-1].__module__}.{owners[-1].__qualname__}.{name}")
    return {name: _fingerprint(name) for name in sorted(found)} | dict.fromkeys(sorted(unknown), GONE)


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


def _overridden(module: ModuleType) -> set[str]:
    """Return the methods that a class of ours overrides, and the methods of the same class that call them."""
    found = set()
    for ours in vars(module).values():
        if inspect.isclass(ours) and ours.__module__ == module.__name__:
            for base in ours.__mro__[1:]:
                theirs = f"{base.__module__}.{base.__qualname__}"
                for name in vars(ours):
                    if f"{theirs}.{name}" in _sources():
                        found |= {f"{theirs}.{name}", *_where(rf"\bself\.{re.escape(name)}\(", f"{theirs}.")}
    return found


def _replaced(module: ModuleType, tree: ast.Module) -> set[str]:
    """Return the names that we replace, and the functions that look them up."""
    found = set()
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Attribute):
                try:
                    owner = eval(ast.unparse(target.value), dict(vars(module)))
                except (AttributeError, NameError):
                    continue  # Something local, like self.
                if not (inspect.ismodule(owner) or inspect.isclass(owner)):
                    continue  # An object of ours.
                name = owner.__name__ if inspect.ismodule(owner) else f"{owner.__module__}.{owner.__qualname__}"
                if name.partition(".")[0] not in LIBRARIES:
                    continue
                found.add((inspect.isclass(owner) and _home(owner, target.attr)) or f"{name}.{target.attr}")
                home, last = name.rpartition(".")[::2]
                if inspect.ismodule(owner):
                    found |= _where(rf"\b{last}\.{target.attr}\b", f"{home.partition('.')[0]}.")
                    found |= _where(rf"(?<![.\w]){target.attr}\b", f"{name}.") - {f"{name}.{target.attr}"}
                else:
                    found |= _where(rf"\bself\.{target.attr}\b", f"{name}.")
    return found


def _used(tree: ast.Module, ours: set[str]) -> Iterator[tuple[tuple[type, ...], str]]:
    """Yield the names of theirs that we use, with the classes that they may belong to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
            last = ast.unparse(node.value).rpartition(".")[2]
            if last in _OWNERS and node.attr not in ours:
                yield _OWNERS[last], node.attr
            elif node.attr.startswith("_") and node.attr not in ours and last not in ("os", *_MODULES):
                yield _OTHERS, node.attr


def _used_of_modules(tree: ast.Module) -> set[str]:
    """Return what is used of `_MODULES`, and the functions there that call it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (module := _MODULES.get(ast.unparse(node.value))):
            found |= {f"{module}.{node.attr}", *_where(rf"(?<![.\w]){node.attr}\b", f"{module}.")}
    return found


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a module defines, or assigns to itself."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    stored = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    return functions | stored


def _home(owner: type, name: str) -> str | None:
    """Return the class that defines a name for this class, or None."""
    for base in owner.__mro__[:-1]:
        home = f"{base.__module__}.{base.__qualname__}"
        if f"{home}.{name}" in _sources() or re.search(
            rf"\bself\.{name}\b.* = |^    {name} = ", _sources()[home], re.M
        ):
            return f"{home}.{name}"
    return None


def _where(pattern: str, prefix: str) -> set[str]:
    """Return the functions and methods, named with this prefix, whose source has the pattern."""
    return {
        name
        for name, source in _sources().items()
        if name.startswith(prefix) and not source.startswith("class ") and re.search(pattern, source)
    }


def _fingerprint(name: str) -> str:
    """Return a hash of a function's source, or of the class if the name is an attribute of its objects."""
    source = _sources().get(name)
    return "there" if source is None else hashlib.sha256(source.encode()).hexdigest()[:12]


@functools.cache
def _sources() -> dict[str, str]:
    """Return the source of every class, function and method of the libraries, by its name, read from their files."""
    found: dict[str, str] = {}
    for library in (*LIBRARIES, "redis"):
        spec = importlib.util.find_spec(library)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        root = Path(spec.submodule_search_locations[0])
        for file in sorted(root.rglob("*.py")):
            parts = [library, *file.relative_to(root).with_suffix("").parts]
            text = file.read_text("utf-8")
            _read(ast.parse(text), ".".join(parts).removesuffix(".__init__"), text.splitlines(), found)
    return found


def _read(node: Any, name: str, lines: list[str], found: dict[str, str]) -> None:
    for child in node.body:
        if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
            inner = f"{name}.{child.name}"
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            # If a name has two definitions, as with a property and its setter, both count.
            source = "\n".join(
                line.strip() if isinstance(child, ast.FunctionDef) else line
                for line in lines[first - 1 : child.end_lineno]
            )
            found[inner] = f"{found[inner]}\n{source}" if inner in found else source
            if isinstance(child, ast.ClassDef):
                _read(child, inner, lines, found)
        elif isinstance(child, (ast.If, ast.Try)):
            _read(child, name, lines, found)


if __name__ == "__main__":
    FINGERPRINTS.write_text(json.dumps(collect(), indent=2) + "\n")
