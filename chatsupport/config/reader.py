"""Read variables one by one and remember every problem, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from chatsupport.config.parsers import Parser

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds one line for each bad variable."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the lines; str() gives them one below the other."""
        super().__init__("\n".join(problems))
        self.problems = problems


class Reader:
    """Parses variables of one environment; a bad one adds a line to `problems` and reads as its default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read from `environ`, where an empty or blank value is the same as none."""
        self._values = {name: text.strip() for name, text in environ.items() if text.strip()}
        self.problems: list[str] = []

    def has(self, *names: str) -> bool:
        """Return whether any of the variables is set."""
        return any(name in self._values for name in names)

    def first_set(self, *names: str) -> str:
        """Return the first of the names that is set, or the first name."""
        return next((name for name in names if name in self._values), names[0])

    def read(self, name: str, parse: Parser[T], default: T) -> T:
        """Return the variable's value, or `default` where it is unset or bad."""
        if name not in self._values:
            return default
        try:
            return parse(self._values[name])
        except ValueError as error:
            self.problems.append(f"{name} takes {error}")
            return default

    def require(self, name: str, parse: Parser[T], default: T, where: str) -> T:
        """Return the variable's value; it is a problem when it is unset (`where` says where it must be)."""
        if name not in self._values:
            try:
                parse("")
            except ValueError as error:
                self.problems.append(f"{name} is required {where}: it takes {error}")
            return default
        return self.read(name, parse, default)
