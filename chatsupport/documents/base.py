"""The base class of every document."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import Document
from pymongo.collection import Collection

REMOVED, CHANGED, KEPT = "removed", "changed", "kept"
"""What the erasure of a person does with a text of the person's sessions or messages (`erasure` of the field): removes
it by itself, changes it with code of its own, or keeps it because it names nobody.
"""


class BaseDocument(Document):
    """A document whose indexes are built by the server, and whose unknown fields are kept."""

    meta: ClassVar[dict[str, Any]] = {
        "abstract": True,
        "strict": False,
        "auto_create_index": False,
        "index_background": False,
    }

    @classmethod
    def collection(cls) -> Collection[Any]:
        """Return the driver's collection of these documents, for the hot paths."""
        collection: Collection[Any] = cls._get_collection()
        return collection


def removed_by_erasure(document: type[BaseDocument]) -> list[str]:
    """Return the stored names of the fields that an erasure removes."""
    return [field.db_field for field in document._fields.values() if getattr(field, "erasure", None) == REMOVED]
