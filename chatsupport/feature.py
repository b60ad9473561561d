"""What a feature is made of.

A feature is a package in `chatsupport/features/` and a line in its list. Its `FEATURE` names all that it adds, and
`create_app` puts each part in its place. The core imports no feature, and no feature imports another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from flask import Blueprint


@dataclass(frozen=True)
class TimedWork:
    """Work that one process at a time does every so often. It is told how to ask whether it may still go on."""

    work: Callable[[Callable[[], bool]], object]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Everything that a feature adds to the core."""

    name: str
    blueprint: Blueprint | None = None
    """Its calls over REST."""
    documents: Sequence[type[Any]] = ()
    """What it keeps, MongoEngine documents: their indexes are made with those of the core."""
    reactions: Mapping[type[Any], Sequence[Callable[[Any], None]]] = field(default_factory=dict)
    """What it does when something has happened, by the type of the event. The core's reactions come first."""
    timed_work: Sequence[TimedWork] = ()
    commands: Sequence[click.Command] = ()
    """What it adds to `flask --app wsgi …`."""
    reset: Callable[[], None] | None = None
    """Forgets what an earlier application of this process left in memory."""


def load(names: Iterable[str]) -> tuple[Feature, ...]:
    """Import these features, in this order."""
    return tuple(_load(name) for name in names)


def _load(name: str) -> Feature:
    feature = importlib.import_module(f"chatsupport.features.{name}.feature").FEATURE
    if not isinstance(feature, Feature):
        raise TypeError(f"FEATURE of chatsupport.features.{name} must be a Feature.")
    return feature
