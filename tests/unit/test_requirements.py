"""All requirements are pinned by hash, to the same versions for servers and tests."""

from __future__ import annotations

import re

import pytest

from tests import ROOT

NAMES = ("requirements", "requirements-embedded", "requirements-dev", "requirements-tools")
HASH = re.compile(r" +--hash=sha256:[0-9a-f]{64}( \\)?")


def pins(name: str) -> dict[str, set[str]]:
    """Return the pinned versions of a file by package; there may be one for each Python."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / f"{name}.txt").read_text("utf-8").splitlines():
        match = re.match(r"([a-z0-9-]+)==(\S+)", line)
        if match:
            found.setdefault(match[1], set()).add(match[2])
    return found


def wanted(name: str) -> set[str]:
    """Return the packages that a file names itself."""
    lines = (ROOT / f"{name}.in").read_text("utf-8").splitlines()
    return {match[0].lower().replace("_", "-") for line in lines if (match := re.match(r"[A-Za-z][\w-]*", line))}


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_pinned_by_hash_and_nothing_names_an_index(name: str) -> None:
    lines = [
        line for line in (ROOT / f"{name}.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")
    ]

    assert lines
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith(" "):
            assert HASH.fullmatch(line), line
        else:
            assert re.match(r"[a-z0-9-]+==[^ ]+ (; .* )?\\$", line), line
            assert not before.endswith("\\"), before
    assert HASH.fullmatch(lines[-1])


@pytest.mark.parametrize("name", NAMES)
def test_every_requirement_is_pinned(name: str) -> None:
    assert wanted(name)
    missing = wanted(name) - pins(name).keys()
    assert not missing, "run `make lock`"


def test_tests_use_the_same_versions_as_servers() -> None:
    tested = pins("requirements-dev")
    for name in ("requirements", "requirements-embedded"):
        for package, versions in pins(name).items():
            assert tested.get(package) == versions, f"{package}: run `make lock`"
