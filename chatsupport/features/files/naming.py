"""Names of files: what people may see of the name that a sender gave."""

from __future__ import annotations

import re
import unicodedata

from chatsupport.contract.text import is_visible

MOST = 120
UNNAMED = "file"

_NOT_SHOWN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Control characters, those that change the direction, surrogates, and ends of lines."""
_JOINERS = "\u200c\u200d"
"""They belong to words of some scripts, and to emoji."""


def safe(name: str, ending: str) -> str:
    """Return the last part of a path, in one line, with at most `MOST` characters. A short ending of it stays.

    If nothing is left, the file is named after its type's `ending`.
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    shown = "".join(letter for letter in last if letter in _JOINERS or unicodedata.category(letter) not in _NOT_SHOWN)
    shown = " ".join(shown.split()).strip(f". {_JOINERS}")
    if not is_visible(shown):
        return f"{UNNAMED}{ending}"
    if len(shown) <= MOST:
        return shown
    stem, dot, last_ending = shown.rpartition(".")
    if not dot or len(last_ending) > 10:
        return shown[:MOST].rstrip()
    return f"{stem[: MOST - len(last_ending) - 1].rstrip()}.{last_ending}"
