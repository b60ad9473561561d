"""Files of every kind, made here, and some that pretend to be what they are not."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image

SECRET = b"<script>alert(1)</script> 52.5200N 13.4050E"


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 32), mode: str = "RGB", **options: Any) -> bytes:
    """Return a picture: red on the left, blue on the right."""
    image = Image.new(mode, size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    to = io.BytesIO()
    image.save(to, kind, **options)
    return to.getvalue()


def photo(orientation: int = 6, size: tuple[int, int] = (64, 32)) -> bytes:
    """Return a JPEG that lies on its side, with the coordinates of the place where it was taken, and a comment."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return picture("JPEG", size, exif=exif.tobytes(), comment=SECRET, quality=95)


def animation(kind: str = "GIF", frames: int = 3) -> bytes:
    """Return an animation with a comment."""
    images = [Image.new("RGB", (20, 10), (40 * number, 0, 0)) for number in range(frames)]
    to = io.BytesIO()
    more = {"comment": SECRET} if kind == "GIF" else {"xmp": SECRET}
    images[0].save(to, kind, save_all=True, append_images=images[1:], duration=120, loop=0, **more)
    return to.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """Return a small PNG whose header promises a very large picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def archive(*names: str) -> bytes:
    """Return a ZIP file with members of these names."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w") as opened:
        for name in names:
            opened.writestr(name, "x")
    return to.getvalue()


PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
DOCX = archive("[Content_Types].xml", "word/document.xml")
XLSX = archive("[Content_Types].xml", "xl/workbook.xml")
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00" * 64
M4A = b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00isomiso2" + b"\x00" * 64
WEBM = (
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm"
    + b"\x00" * 64
)
MKV = WEBM.replace(b"\x84webm", b"\x88matroska")
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x64" + b"\x00" * 400

GOOD = {
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG"),
    "image/gif": picture("GIF"),
    "image/webp": picture("WEBP"),
    "application/pdf": PDF,
    "text/plain": "Grüße\n".encode(),
    "application/zip": archive("a.txt"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": DOCX,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": XLSX,
    "video/mp4": MP4,
    "video/webm": WEBM,
    "audio/mpeg": MP3,
    "audio/mp4": M4A,
}
REFUSED = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "svg after spaces": b"\xef\xbb\xbf \r\n\t<?xml version='1.0'?><svg/>",
    "svg after many spaces": b" " * 70_000 + b"<svg/>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "script": b"#!/bin/sh\nrm -rf /\n",
    "exe": b"MZ\x90\x00" + b"\x00" * 60,
    "elf": b"\x7fELF\x02\x01\x01" + b"\x00" * 60,
    "jar": archive("META-INF/MANIFEST.MF", "A.class"),
    "apk": archive("AndroidManifest.xml", "classes.dex"),
    "docm": archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
    "tiff": picture("TIFF"),
    "bmp": picture("BMP"),
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + b"\x00" * 64,
    "mkv": MKV,
    "utf-16": "text".encode("utf-16"),
    "nul": b"text\x00text",
    "latin-1": b"Gr\xfc\xdfe",
    "cut utf-8": "ü".encode()[:1],
}
DAMAGED = {
    "cut png": picture("PNG")[:60],
    "cut jpeg": photo()[:500],
    "only a beginning of a gif": b"GIF89a",
    "webp without a picture": b"RIFF\x10\x00\x00\x00WEBPVP8 \x00\x00\x00\x00",
    "png with a cut exif": picture("PNG", exif=b"II*\0"),
    "cut zip": archive("a.txt")[:-30],
    "bomb": png_that_claims(50_000, 50_000),
    "gif that is a script": b"GIF89a/*" + b"\x00" * 10 + b"*/=1;alert(1)",
}
