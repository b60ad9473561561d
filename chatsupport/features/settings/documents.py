"""The stored settings."""

from __future__ import annotations

from typing import Any, ClassVar

from mongoengine import DateTimeField, DictField, DynamicField, IntField, ListField, ObjectIdField, StringField

from chatsupport.documents.base import BaseDocument


class Settings(BaseDocument):
    """The one document of settings. Each change writes all of it, under the next version."""

    id = StringField(primary_key=True)
    version = IntField(required=True)
    hours = DynamicField()
    texts = DictField()
    widget = DictField()
    end_reasons = ListField(DictField(), db_field="endReasons")
    pre_chat = ListField(DictField(), db_field="preChat")
    bot_id = ObjectIdField(db_field="botId", null=True)
    updated_by = ObjectIdField(db_field="updatedBy")
    updated_at = DateTimeField(db_field="updatedAt", required=True)

    meta: ClassVar[dict[str, Any]] = {"collection": "settings"}
