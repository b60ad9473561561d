"""A variable of the environment that belongs to a feature; the core's are in `model.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from chatsupport.config.parsers import Parser

T = TypeVar("T")


@dataclass(frozen=True)
class Variable(Generic[T]):
    """How a feature's variable is called and read. `Config.value` has its value."""

    name: str
    parse: Parser[T]
    default: T
    in_production: Parser[T] | None = None
    """Reads it in production, if that takes less."""
    requires: tuple[str, ...] = ()
    """The variables that must be set too if this one is."""
