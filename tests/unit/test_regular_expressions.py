"""Every regular expression of the package takes time in proportion to the length of its input.

The expressions are found in the sources, so that a new one is not forgotten. For each, inputs are made of what the
expression itself looks for, repeated; those that cost most are measured at two lengths. No clock is looked at but the
processor's, and only the ratio counts.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

try:
    from re import _constants, _parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_constants as _constants
    import sre_parse as _parser

from chatsupport.observability.logs.redaction import redact_text
from tests import ROOT

SOURCES = [*sorted((ROOT / "chatsupport").rglob("*.py")), ROOT / "gunicorn.conf.py", ROOT / "wsgi.py"]
FUNCTIONS = {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
SHORT, LONG = 500, 64 * 1024
TIMES_MORE = 24.0
"""Eight times the length should cost eight times as much. A quadratic expression would cost 64 times as much."""
PAUSES = (0.0, 0.1, 0.5, 2.0, 5.0)
"""Seconds before each attempt. On a busy machine a search may take more of the processor's time, for a moment."""
CHARACTERS = "a1 :-/.@\t=,;\"'x_%[]\n\0ZJ"


@functools.lru_cache(maxsize=1)
def tree_of(source: Path) -> list[ast.AST]:
    """Return all parts of a file."""
    return list(ast.walk(ast.parse(source.read_text("utf-8"))))


def calls(source: Path) -> Iterator[ast.Call]:
    for node in tree_of(source):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), f"{source}: import re, to be found"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "re":
                yield node


def text_of(pattern: ast.expr) -> str:
    """Return a pattern. Parts that are put in at run time must be escaped, and are replaced by an example."""
    if isinstance(pattern, ast.JoinedStr):
        return "".join(text_of(part) for part in pattern.values)
    if isinstance(pattern, ast.FormattedValue):
        assert "re.escape" in ast.unparse(pattern.value), ast.unparse(pattern)
        return "https://example"
    assert isinstance(pattern, ast.Constant), f"not a constant: {ast.unparse(pattern)}"
    assert isinstance(pattern.value, str)
    return pattern.value


def uses(source: Path, call: ast.Call) -> set[str]:
    """Return the methods by which an expression is used, or all methods if its own file does not show that."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "compile":
        return {call.func.attr}
    tree = tree_of(source)
    names = {
        ast.unparse(node.targets[0])
        for node in tree
        if isinstance(node, ast.Assign) and node.value.__dict__.get("lineno") == call.lineno
    }
    used = {
        node.attr
        for node in tree
        if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS and ast.unparse(node.value) in names
    }
    return used or {"match", "search"}


def expressions() -> dict[str, tuple[str, int, set[str]]]:
    """Return each expression with its flags and its methods."""
    found: dict[str, tuple[str, int, set[str]]] = {}
    for source in SOURCES:
        if "import re" not in (text := source.read_text("utf-8")) and "from re " not in text:
            continue  # Reading all files as Python would take each process of the tests most of a second.
        for call in calls(source):
            assert isinstance(call.func, ast.Attribute)
            named = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
            given = named or (call.args[1:2] if call.func.attr == "compile" else [])
            flags = eval(ast.unparse(given[0]), {"re": re}) if given else 0
            where = f"{source.relative_to(ROOT)}:{call.lineno}"
            found[where] = (text_of(call.args[0]), int(flags), uses(source, call))
    return found


FOUND = expressions()


def samples(items: Any, found: set[str]) -> str:
    """Return a text that a part of an expression may match, and add all texts of its parts to `found`."""
    texts = [sample(operator, argument, found) for operator, argument in items]
    for first in range(len(texts)):
        for last in range(first + 1, len(texts) + 1):
            found.add("".join(texts[first:last]))
    return "".join(texts)


def sample(operator: Any, argument: Any, found: set[str]) -> str:
    if operator is _constants.LITERAL:
        return chr(argument)
    if operator in (_constants.IN, _constants.NOT_LITERAL, _constants.ANY):
        return characters_of(operator, argument, found)
    if operator in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) or operator.name == "POSSESSIVE_REPEAT":
        return samples(argument[2], found) * max(1, min(argument[0], 30))
    if operator is _constants.SUBPATTERN:
        return samples(argument[-1], found)
    if operator is _constants.BRANCH:
        first, *_ = [samples(branch, found) for branch in argument[1]]
        return first
    if operator in (_constants.ASSERT, _constants.ASSERT_NOT):
        samples(argument[1], found)
    return ""


def characters_of(operator: Any, argument: Any, found: set[str]) -> str:
    """Return a character of a class, and find some more."""
    items = [(operator, argument)]
    pattern = re.compile(_as_expression(items))
    inside = [character for character in CHARACTERS if pattern.match(character)]
    if operator is _constants.IN:
        inside += [chr(value) for kind, value in argument if kind is _constants.LITERAL]
        inside += [chr(value[0]) for kind, value in argument if kind is _constants.RANGE]
    found.update(inside[:6])
    return inside[0]


def _as_expression(items: Any) -> str:
    (operator, argument), *_ = items
    if operator is _constants.ANY:
        return "."
    if operator is _constants.NOT_LITERAL:
        return f"[^{re.escape(chr(argument))}]"
    parts = []
    for kind, value in argument:
        if kind is _constants.NEGATE:
            parts.append("^")
        elif kind is _constants.LITERAL:
            parts.append(re.escape(chr(value)))
        elif kind is _constants.RANGE:
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        else:
            names = {"DIGIT": r"\d", "NOT_DIGIT": r"\D", "SPACE": r"\s", "NOT_SPACE": r"\S", "WORD": r"\w"}
            parts.append(names.get(value.name.removeprefix("CATEGORY_"), r"\W"))
    return f"[{''.join(parts)}]"


def attacks(pattern: str, flags: int) -> Iterator[Callable[[int], str]]:
    """Make texts of any length from an expression's own texts: a beginning, a repeated part and an end."""
    found: set[str] = set()
    samples(_parser.parse(pattern, flags), found)
    short = sorted(text for text in found if 0 < len(text) <= 2)[:12]
    pumps = {*found, *("".join(pair) for pair in itertools.permutations(short, 2))} - {""}
    starts = ["", *sorted(found, key=len, reverse=True)[:4]]
    for pump, start, end in itertools.product(sorted(pumps), starts, ("", "\x00", "!")):
        # Whole parts only: texts of other lengths that end in another way might match, which costs much less.
        yield (
            lambda length, pump=pump, start=start, end=end: (  # type: ignore[misc]
                start + pump * ((length - len(start) - len(end)) // len(pump)) + end
            )
        )


def cost(search: Callable[[str], object], text: str) -> float:
    """Return the seconds of processor time that one search takes, the least of several measurements."""
    least, repeat = float("inf"), 1
    for _ in range(5):
        while True:
            started = time.thread_time()
            for _ in range(repeat):
                search(text)
            taken = time.thread_time() - started
            if taken > 0.001:
                break
            repeat *= 4
        least = min(least, taken / repeat)
    return least


def times_more(search: Callable[[str], object], attack: Callable[[int], str], length: int) -> float:
    """Return how many times more a text of eight times the length costs."""
    return cost(search, attack(8 * length)) / cost(search, attack(length))


def grows_little(search: Callable[[str], object], attack: Callable[[int], str], length: int, pause: float) -> bool:
    time.sleep(pause)
    return times_more(search, attack, length) < TIMES_MORE


def once(search: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    search(text)
    return time.thread_time() - started


def worst_of(pattern: str, flags: int, search: Callable[[str], object]) -> list[Callable[[int], str]]:
    """Return the attacks that cost most: three, because a busy machine may make another one seem the worst."""
    return sorted(attacks(pattern, flags), key=lambda attack: once(search, attack(SHORT)))[-3:]


@pytest.mark.parametrize("where", FOUND)
def test_the_cost_grows_as_the_input_does(where: str) -> None:
    pattern, flags, used = FOUND[where]
    compiled = re.compile(pattern, flags)
    anchored = {"match": compiled.match, "fullmatch": compiled.fullmatch}
    for search in {anchored.get(name, lambda text: compiled.sub("", text)) for name in used}:
        for attack in worst_of(pattern, flags, search):
            # The short ones first, so that a failure is found quickly.
            for length in (2 * SHORT, LONG // 8):
                assert any(grows_little(search, attack, length, pause) for pause in PAUSES), (pattern, attack(80))


def test_a_quadratic_expression_would_be_found() -> None:
    for pattern in (r"\b[a-z][a-z0-9+.-]*://", r"(^|[;\t])(?=\s*[=\t])", r"eyJ[\w-]{5,}\."):
        search = functools.partial(re.compile(pattern).sub, "")
        measured = (times_more(search, attack, 2 * SHORT) for attack in worst_of(pattern, 0, search))
        assert any(times > TIMES_MORE for times in measured), pattern


@pytest.mark.parametrize(
    "text",
    [
        "a-" * 32_000 + ":",
        "://a:" * 13_000,
        "eyJ" * 20_000,
        "token=" * 10_000,
        "token" + " " * 64_000,
        "x" * 64_000 + "=",
    ],
)
def test_a_long_text_in_the_log_costs_little_and_is_cut(text: str) -> None:
    assert cost(redact_text, text) / cost(redact_text, text[:16_000]) < 3
    assert len(redact_text(text)) < 17_000
