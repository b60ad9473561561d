"""The variables of the feature, and the types of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chatsupport.config import Variable
from chatsupport.config import parsers as parse
from chatsupport.errors import NotFoundError
from chatsupport.extensions import settings


@dataclass(frozen=True)
class FileType:
    """A type of files: its name in FILE_TYPES, its media type, and the endings of such files' names."""

    name: str
    media_type: str
    endings: tuple[str, ...]

    @property
    def is_picture(self) -> bool:
        """Whether we decode it and encode it anew."""
        return self.media_type.startswith("image/")

    @property
    def is_shown(self) -> bool:
        """Whether a browser shows it in place, instead of saving it."""
        return self.media_type.startswith(("image/", "audio/", "video/"))


_OFFICE = "application/vnd.openxmlformats-officedocument"
PNG = FileType("png", "image/png", (".png",))
JPEG = FileType("jpeg", "image/jpeg", (".jpg", ".jpeg", ".jfif"))
GIF = FileType("gif", "image/gif", (".gif",))
WEBP = FileType("webp", "image/webp", (".webp",))
PDF = FileType("pdf", "application/pdf", (".pdf",))
TEXT = FileType("text", "text/plain", (".txt", ".log", ".text"))
CSV = FileType("csv", "text/csv", (".csv",))
ZIP = FileType("zip", "application/zip", (".zip",))
DOCX = FileType("docx", f"{_OFFICE}.wordprocessingml.document", (".docx",))
XLSX = FileType("xlsx", f"{_OFFICE}.spreadsheetml.sheet", (".xlsx",))
MP4 = FileType("mp4", "video/mp4", (".mp4", ".m4v"))
WEBM = FileType("webm", "video/webm", (".webm",))
MP3 = FileType("mp3", "audio/mpeg", (".mp3",))
M4A = FileType("m4a", "audio/mp4", (".m4a",))
TYPES = (PNG, JPEG, GIF, WEBP, PDF, TEXT, CSV, ZIP, DOCX, XLSX, MP4, WEBM, MP3, M4A)
BY_MEDIA_TYPE = {each.media_type: each for each in TYPES}

_BY_NAME = {**{each.name: each for each in TYPES}, **BY_MEDIA_TYPE, "jpg": JPEG, "txt": TEXT}


def _type(text: str) -> FileType:
    found = _BY_NAME.get(text.lower())
    if found is None:
        raise ValueError(f"types separated by commas, of {', '.join(each.name for each in TYPES)}")
    return found


def _types(text: str) -> tuple[FileType, ...]:
    found = parse.comma_list(_type)(text)
    if not found:
        _type("")
    return found


FILES: Variable[bool] = Variable("FILES", parse.boolean, True)
FILE_TYPES: Variable[tuple[FileType, ...]] = Variable("FILE_TYPES", _types, TYPES)
MAX_FILE_BYTES: Variable[int] = Variable("MAX_FILE_BYTES", parse.integer(1024, 50 * 2**20, "bytes"), 10 * 2**20)
FILES_PER_SESSION: Variable[int] = Variable("FILES_PER_SESSION", parse.integer(1, 10_000), 50)
FILE_URL_SECONDS: Variable[int] = Variable("FILE_URL_SECONDS", parse.integer(1, 7 * 86_400, "seconds"), 3600)
VARIABLES: list[Variable[Any]] = [FILES, FILE_TYPES, MAX_FILE_BYTES, FILES_PER_SESSION, FILE_URL_SECONDS]


def require_files() -> None:
    """Raise `NotFoundError` if FILES is off."""
    if not settings.config.value(FILES):
        raise NotFoundError("This server takes no files: FILES is off.")


def of_widget() -> dict[str, Any]:
    """Return the chat bubble's setting: how many bytes a file may have. Without it, the bubble sends no files."""
    return {"files": settings.config.value(MAX_FILE_BYTES)} if settings.config.value(FILES) else {}
