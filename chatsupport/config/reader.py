"""Read variables one by one and remember every problem, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from chatsupport.config.parsers import Parser

T = TypeVar("T")

_ALMOST = 0.85
"""How similar a misspelling is to the right name: MONGODB_URL and MONGODB_URI, but not APP_NAME and APP_ENV."""


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds one line for each bad variable."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the lines; str() gives them one below the other."""
        super().__init__("\n".join(problems))
        self.problems = problems


class Reader:
    """Parses variables of one environment; a bad one adds a line to `problems` and reads as its default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read from `environ`, where an empty or blank value counts as not set.

        A pair of quotes around a value is removed, as from `.env`, because `docker run --env-file` keeps it.
        """
        plain = {name: unquoted(text) for name, text in environ.items()}
        self._values = {name: text for name, text in plain.items() if text}
        self._known: set[str] = set()
        self.problems: list[str] = []

    def misspelled(self) -> dict[str, str]:
        """Return the variables that are set and unknown but look like a known one, each with the known name."""
        found = {}
        for name in sorted(self._values.keys() - self._known):
            if close := get_close_matches(name, self._known, n=1, cutoff=_ALMOST):
                found[name] = close[0]
        return found

    def has(self, *names: str) -> bool:
        """Return whether any of the variables is set."""
        self._known.update(names)
        return any(name in self._values for name in names)

    def first_set(self, *names: str) -> str:
        """Return the first of the names that is set, or the first name."""
        self._known.update(names)
        return next((name for name in names if name in self._values), names[0])

    def read(self, name: str, parse: Parser[T], default: T) -> T:
        """Return the variable's value, or `default` if it is unset or bad."""
        self._known.add(name)
        if name not in self._values:
            return default
        try:
            return parse(self._values[name])
        except ValueError as error:
            self.problems.append(f"{name} must be {error}")
            return default

    def require(self, name: str, parse: Parser[T], default: T, where: str) -> T:
        """Return the variable's value. It is a problem if it is unset; `where` says where it is required."""
        self._known.add(name)
        if name not in self._values:
            try:
                parse("")
            except ValueError as error:
                self.problems.append(f"{name} is required {where}: it must be {error}")
            return default
        return self.read(name, parse, default)

    def check_required(self, name: str, others: Iterable[str]) -> None:
        """Note a problem for each of the other variables that is not set although this one is."""
        for other in others if name in self._values else ():
            if other not in self._values:
                self.problems.append(f"{other} is required where {name} is set")


def unquoted(text: str) -> str:
    """Return a value without surrounding blanks and without a pair of quotes around it."""
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]
    return text[1:-1].strip() if is_quoted else text
