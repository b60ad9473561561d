"""How text is trimmed, and whether it has any visible character."""

from __future__ import annotations

import re

_WHITESPACE = (
    "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
"""The characters that JavaScript's String.prototype.trim() removes. Python's strip() differs in six characters."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and unpaired surrogates: databases, logs and clients may fail on them."""

_VISIBLE = re.compile(
    "[^"
    "\x00-\x20\x7f-\xa0\xad"  # Controls, spaces, the soft hyphen
    "\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"  # Joiners, fillers and selectors of various scripts
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f"  # Spaces, zero-width characters, directions, invisible operators
    "\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"  # The empty Braille pattern, Hangul fillers, selectors
    "\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"  # Controls of scripts, music
    "\U000e0000-\U000e0fff"  # Tags, and more selectors
    "]"
)


def trimmed(text: str) -> str:
    """Return the text without surrounding white space, trimmed as browsers do it."""
    return text.strip(_WHITESPACE)


def is_visible(text: str) -> bool:
    """Tell whether the text has a visible character: one that is not white space and has a width and a shape."""
    return _VISIBLE.search(text) is not None
