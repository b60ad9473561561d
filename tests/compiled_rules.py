"""Compile each of Werkzeug's rules once in a process: each application would read and compile the same rules again."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from chatsupport import factory

_compiled: dict[tuple[object, ...], dict[str, Any]] = {}
_compile = Rule.compile
_READ = ("_parts", "_trace", "_converters")
_BUILT = ("_build", "_build_unknown")


def _compile_once(rule: Rule) -> None:
    assert rule.map is not None
    key = (rule.rule, str(rule.defaults), rule.subdomain, rule.host, rule.merge_slashes, *rule.map.converters.values())
    if key not in _compiled:
        _compile(rule)
        read = {name: getattr(rule, name) for name in _READ}
        _compiled[key] = {**read, **{name: getattr(rule, name).__func__ for name in _BUILT}}
        return
    found = _compiled[key]
    for name in _READ:
        setattr(rule, name, found[name])
    for name in _BUILT:
        setattr(rule, name, found[name].__get__(rule))
    rule.arguments.update(rule._converters)


Rule.compile = _compile_once  # type: ignore[method-assign]


def compile_all() -> None:
    """Compile the rules of all calls, for processes that are forked from this one."""
    factory.register_calls(Flask("chatsupport", static_folder=None))
