"""Compile each of Werkzeug's rules once in a process: each application would compile the same functions again."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from chatsupport import factory

_compiled: dict[tuple[object, ...], object] = {}
_compile_builder = Rule._compile_builder


def _compile_once(rule: Rule, append_unknown: bool = True) -> Any:
    key = (rule.rule, str(rule.defaults), str(rule._trace), append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile_builder(rule, append_unknown)
    return _compiled[key]


Rule._compile_builder = _compile_once  # type: ignore[method-assign]


def compile_all() -> None:
    """Compile the rules of all calls, for processes that are forked from this one."""
    factory.register_calls(Flask("chatsupport", static_folder=None))
