"""The parts of a feature.

A feature is a package in `chatsupport/features/` and a line in its list. Its `FEATURE` names everything that it adds,
and `create_app` registers each part. The core imports no feature, and no feature imports another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click
from bson import ObjectId
from flask import Blueprint

from chatsupport import recording, session_parts
from chatsupport.background import Every
from chatsupport.config import Config, Variable
from chatsupport.contract.socket_events import Emitted
from chatsupport.documents import Index
from chatsupport.orders import Handlers
from chatsupport.personal_data import PersonalData
from chatsupport.recording import Recorded, Recorder
from chatsupport.services.assignment.staffing import Hours
from chatsupport.session_parts import SessionPart
from chatsupport.sockets.dispatch import SocketEvents

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """The result of a check of `doctor`, and what to do about it."""

    state: str
    what: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.what} -> {self.todo}" if self.todo else self.what


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Everything that a feature adds to the core."""

    name: str
    blueprint: Blueprint | None = None
    """Its REST calls."""
    socket_events: SocketEvents = field(default_factory=SocketEvents)
    """The events of clients that it handles, with their models."""
    emitted: Mapping[str, Emitted] = field(default_factory=dict)
    """The events that it emits to clients (by `broadcasts.emit`), with their models."""
    documents: Sequence[type[Any]] = ()
    """Its MongoEngine documents. Their indexes are made with those of the core."""
    reactions: Mapping[type[Any], Sequence[Callable[[Any], object]]] = field(default_factory=dict)
    """Its reactions by the type of the event. The core's reactions come first."""
    session_part: SessionPart | None = None
    """Its part of sessions: the fields of a start, the stored data, and the fields that sessions show."""
    indexes: Sequence[Index] = ()
    """Indexes on its data in sessions. The indexes of its own documents are declared there."""
    variables: Sequence[Variable[Any]] = ()
    """Its variables of the environment. `settings.config.value` returns the value of each."""
    orders: Handlers = field(default_factory=dict)
    """Its orders between processes, each with the function that carries it out."""
    timed_work: Sequence[Every] = ()
    """Its timed work, in addition to the core's (`timed_work.CORE`)."""
    commands: Sequence[click.Command] = ()
    """Its commands for `flask --app wsgi …`."""
    examinations: Mapping[str, Callable[[Config], Iterator[Finding]]] = field(default_factory=dict)
    """Its checks for `doctor`, by their titles. They change nothing."""
    personal_data: PersonalData | None = None
    """How it exports and erases its data about a person."""
    recorder: Recorder | None = None
    """How it records all changes, if it does."""
    recorded: Sequence[Recorded] = ()
    """Its documents about sessions that are recorded."""
    widget: Callable[[], Mapping[str, Any]] | None = None
    """Returns the chat bubble's settings for pages that do not set them by `data-*` attributes."""
    hours: Hours | None = None
    """Returns whether the chat is open at a time, and when it opens. It sends no command."""
    bot: Callable[[], ObjectId | None] | None = None
    """Returns the bot that gets new sessions of departments without a bot, and of none. It sends no command."""
    report: Callable[[datetime, datetime], Callable[[ObjectId | None], Mapping[str, Any]]] | None = None
    """Returns the feature's figures for reports on [start, end): of an agent, or with None of all agents."""
    transcript: Callable[[ObjectId, str], Iterator[str]] | None = None
    """Returns a session's transcript for its user, as "text" or "html", part by part. It checks no access."""
    needs_ended_since: Callable[[], datetime | None] | None = None
    """Returns the time from which on it still needs ended sessions, or None if it needs all of them."""


_installed: list[Feature] = []


def installed() -> tuple[Feature, ...]:
    """Return the features of this process's application, in their order."""
    return tuple(_installed)


def install(names: Iterable[str]) -> tuple[Feature, ...]:
    """Import these features, and let `installed` return them from now on, in this order."""
    _installed[:] = load(names)
    session_parts.bind({each.name: each.session_part for each in _installed if each.session_part is not None})
    recording.bind([each.recorder for each in _installed if each.recorder is not None])
    return installed()


def variables(features: Iterable[Feature]) -> list[Variable[Any]]:
    """Return the variables of the environment that these features read."""
    return [variable for each in features for variable in each.variables]


def load(names: Iterable[str]) -> tuple[Feature, ...]:
    """Import these features, in this order."""
    return tuple(_load(name) for name in names)


def _load(name: str) -> Feature:
    feature = importlib.import_module(f"chatsupport.features.{name}").FEATURE
    if not isinstance(feature, Feature):
        raise TypeError(f"FEATURE of chatsupport.features.{name} must be a Feature.")
    return feature
