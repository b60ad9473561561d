"""The type of a file, by its bytes. Neither its name nor what its sender says of it counts.

A small table of our own: libraries that guess a type from its bytes know hundreds of formats and weigh likelihoods, but
these few have exact beginnings, and whatever is none of them is refused.
"""

from __future__ import annotations

import codecs
import os
import re
import struct
import zipfile
from typing import IO

from chatsupport.contract.text import trimmed
from chatsupport.features.files.models import invalid
from chatsupport.features.files.options import (
    CSV,
    DOCX,
    GIF,
    JPEG,
    M4A,
    MP3,
    MP4,
    PDF,
    PNG,
    TEXT,
    WEBM,
    WEBP,
    XLSX,
    ZIP,
    FileType,
)

HEAD_BYTES = 512
PIECE = 64 * 1024
MAX_DIRECTORY_BYTES = 256 * 1024
"""The longest list of members in a ZIP file, a few thousand: reading it takes time."""

_BEGINNINGS = (
    (re.compile(r"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(r"\xff\xd8\xff"), JPEG),
    (re.compile(r"GIF8[79]a"), GIF),
    (re.compile(r"RIFF.{4}WEBPVP8[ LX]", re.DOTALL), WEBP),
    (re.compile(r"%PDF-[0-9]"), PDF),
    (re.compile(r".{4}ftyp(M4A |M4B )", re.DOTALL), M4A),
    (re.compile(r".{4}ftyp(isom|iso[2-9]|mp4[12]|avc1|dash|M4V |MSNV)", re.DOTALL), MP4),
    (re.compile(r"\x1a\x45\xdf\xa3.{0,60}\x42\x82(?:\x84|\x40\x04|\x10\0\0\x04|\x01\0{6}\x04)webm", re.DOTALL), WEBM),
    # A tag, or the first frame: layer III, a possible bit rate and a possible sampling rate.
    (re.compile(r"ID3[\x02-\x04]\x00|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb]"), MP3),
    (re.compile(r"PK\x03\x04"), ZIP),
)
_NO_TEXT = ("<", "#!")
_PROGRAMS = re.compile(r"META-INF/MANIFEST\.MF|AndroidManifest\.xml|(?:.*/)?vbaProject\.bin", re.IGNORECASE)
"""Members of Java and Android programs, and of documents with macros."""


def detect(content: IO[bytes], name: str) -> FileType | None:
    """Return the type of a file, or None if it is none of ours. The name only tells CSV from plain text.

    Raises `InvalidInputError` for a file that its own type cannot read.
    """
    content.seek(0)
    head = content.read(HEAD_BYTES).decode("latin-1")  # A character for each byte.
    if not head:
        raise invalid("The file is empty.")
    found = next((kind for beginning, kind in _BEGINNINGS if beginning.match(head)), None)
    if found is ZIP:
        return _kind_of_zip(content)
    if found is not None:
        return found
    if not _is_text(content):
        return None
    return CSV if name.lower().endswith(CSV.endings) else TEXT


def _is_text(content: IO[bytes]) -> bool:
    """Tell whether a file is UTF-8 and begins neither like a page nor like a program."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    content.seek(0)
    start = ""
    try:
        while piece := content.read(PIECE):
            text = decoder.decode(piece)
            if "\0" in text:
                return False
            if not start:
                start = trimmed(text)
                if start.startswith(_NO_TEXT):
                    return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _kind_of_zip(content: IO[bytes]) -> FileType | None:
    """Return what a ZIP file holds: a document, or just files. None for a program."""
    try:
        if _directory_bytes(content) > MAX_DIRECTORY_BYTES:
            raise invalid("The ZIP file has too many files in it.")
        with zipfile.ZipFile(content) as opened:
            members = set(opened.namelist())
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OSError) as error:
        raise invalid("The ZIP file is damaged.") from error
    if any(_PROGRAMS.fullmatch(member) for member in members):
        return None
    if "[Content_Types].xml" in members:
        if "word/document.xml" in members:
            return DOCX
        if "xl/workbook.xml" in members:
            return XLSX
    return ZIP


def _directory_bytes(content: IO[bytes]) -> int:
    """Return the length of a ZIP file's list of members, as its last record says it."""
    content.seek(-min(content.seek(0, os.SEEK_END), 22 + 0xFFFF), os.SEEK_END)
    tail = content.read()
    size: int = struct.unpack_from("<I", tail, max(tail.rfind(b"PK\x05\x06"), 0) + 12)[0]
    return size
