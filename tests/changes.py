"""What commands of this process have changed since the last test, so that tests need not empty and check the rest."""

from __future__ import annotations

from typing import Any

from pymongo import monitoring

from chatsupport.config import Config

HARMLESS = {"find", "getMore", "count", "distinct", "delete", "explain", "listIndexes", "killCursors"}
"""After these, an empty collection is still empty."""
OF_INDEXES = {"createIndexes", "dropIndexes", "drop", "dropDatabase"}


class Changes(monitoring.CommandListener):
    """Which collections may have documents, and which databases have all indexes."""

    def __init__(self) -> None:
        self._empty: dict[tuple[str, str], set[str]] = {}
        self._complete: set[tuple[str, str]] = set()

    def take(self, config: Config, collection: str) -> bool:
        """Tell whether a collection may have documents, and count it as empty from now on."""
        empty = self._empty.setdefault((config.mongodb_db, str(config.mongodb_uri)), set())
        is_empty = collection in empty
        empty.add(collection)
        return not is_empty

    def may_have(self, config: Config, collection: str) -> bool:
        """Tell whether a collection may have documents."""
        return collection not in self._empty.get((config.mongodb_db, str(config.mongodb_uri)), ())

    def has_all_indexes(self, config: Config) -> bool:
        """Tell whether an application has found all indexes there, and no index was changed since."""
        return (config.mongodb_db, str(config.mongodb_uri)) in self._complete

    def note_all_indexes(self, config: Config) -> None:
        """Note that an application has found all indexes."""
        self._complete.add((config.mongodb_db, str(config.mongodb_uri)))

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Note what a command may change."""
        name, target = event.command_name, event.command.get(event.command_name)
        if name in OF_INDEXES:
            self._complete = {known for known in self._complete if known[0] != event.database_name}
        if name in HARMLESS or (name == "aggregate" and not _writes(event.command["pipeline"])):
            return
        for (database, _), empty in list(self._empty.items()):
            if database == event.database_name:
                empty.discard(target) if name != "aggregate" else empty.clear()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


def _writes(pipeline: Any) -> bool:
    return any(stage in ("$merge", "$out") for part in pipeline for stage in part)


CHANGES = Changes()
monitoring.register(CHANGES)
