"""What every document has in common."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import Document
from pymongo.collection import Collection


class BaseDocument(Document):
    """A document whose indexes the server builds itself, and whose unknown fields are left alone."""

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
