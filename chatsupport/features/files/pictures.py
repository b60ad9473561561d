"""Pictures are decoded and encoded anew, so that nothing is left of a file but its pixels: no place where a photo was
taken, no comments, no second file behind the first.

They are turned upright. Animations (GIF and WebP) stay, if all their frames together are not too large. Decoding needs
4 bytes of memory for each pixel, and turning needs twice as much. So the size is checked before, by the file's header,
and one picture is decoded at a time (`realtime/native_threads.py`). This runs in native threads: while Pillow computes,
it lets the greenlets work.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, Any

from PIL import GifImagePlugin, Image, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from chatsupport.features.files.models import invalid
from chatsupport.features.files.options import GIF, JPEG, PNG, WEBP, FileType

MAX_IMAGE_PIXELS = 40_000_000
"""Of a picture, or of all frames of an animation together."""
MAX_FRAMES = 500
THUMBNAIL = 480

_FORMATS: dict[FileType, tuple[str, dict[str, Any]]] = {
    PNG: ("PNG", {"compress_level": 3}),
    JPEG: ("JPEG", {"quality": 90}),
    GIF: ("GIF", {"comment": b""}),
    WEBP: ("WEBP", {"quality": 90, "icc_profile": "", "exif": b"", "xmp": b""}),
}
_PLUGINS = (GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
"""Imported here, and not by Pillow in a native thread."""
_KEPT = ("transparency", "duration", "loop", "disposal", "background")
"""What Pillow must know to encode the picture as it was. It would also write comments and profiles."""

DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
)
"""Pillow raises all of these for files that are damaged on purpose."""

Image.MAX_IMAGE_PIXELS = None  # We check it ourselves, and refuse rather than warn.
# A picture is then one piece of memory, which goes back to the system if it is large. Many smaller ones would stay.
Image.core.set_block_size(1 << 30)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Picture:
    """A picture as it is stored. Its file and its thumbnail are those that `clean` was given."""

    width: int
    height: int
    thumbnail_type: FileType


def clean(content: IO[bytes], kind: FileType, to: IO[bytes], thumbnail_to: IO[bytes]) -> Picture:
    """Write a picture anew, and its thumbnail. Raises `InvalidInputError` for one that is damaged or too large."""
    name, options = _FORMATS[kind]
    content.seek(0)
    try:
        with Image.open(content, formats=[name]) as image:
            _check_size(image, 1)
            durations = _durations(image) if kind in (GIF, WEBP) else []
            if len(durations) > 1:
                loop = {"loop": image.info["loop"]} if "loop" in image.info else {}
                _scrub(image)
                image.save(to, name, save_all=True, duration=durations, **loop, **options)
                image.seek(0)
                return Picture(*image.size, _write_thumbnail(image, thumbnail_to))
            ImageOps.exif_transpose(image, in_place=True)
            upright = image.convert("RGB") if kind is JPEG and image.mode not in ("L", "RGB") else image
            _scrub(upright)
            upright.save(to, name, **options)
            return Picture(*upright.size, _write_thumbnail(upright, thumbnail_to))
    except DAMAGED as error:
        raise invalid("The picture is damaged, and cannot be read.") from error
    except MemoryError as error:
        raise invalid("The picture is too large.") from error


def _check_size(image: Image.Image, frames: int) -> None:
    if image.width * image.height * frames > MAX_IMAGE_PIXELS or frames > MAX_FRAMES:
        raise invalid(f"The picture has too many pixels. {MAX_IMAGE_PIXELS // 1_000_000} million are allowed.")


def _durations(image: Image.Image) -> list[int]:
    """Return how long each frame is shown, in milliseconds. Raises as soon as there are too many frames."""
    durations: list[int] = []
    while True:
        try:
            image.seek(len(durations))
        except EOFError:
            image.seek(0)
            return durations
        image.load()
        durations.append(int(image.info.get("duration", 0)))
        _check_size(image, len(durations))


def _scrub(image: Image.Image) -> None:
    image.info = {name: value for name, value in image.info.items() if name in _KEPT}


def _write_thumbnail(image: Image.Image, to: IO[bytes]) -> FileType:
    if image.mode.startswith(("I", "F")):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    has_alpha = image.has_transparency_data
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if has_alpha else "RGB")
    scale = min(1.0, THUMBNAIL / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Unlike `thumbnail`, this needs no copy of the whole picture.
    small = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if has_alpha:
        small = small.convert("RGBA")
    _scrub(small)
    kind = PNG if has_alpha else JPEG
    name, options = _FORMATS[kind]
    small.save(to, name, **{**options, **({} if has_alpha else {"quality": 80})})
    return kind
