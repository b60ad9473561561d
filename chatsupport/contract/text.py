"""What counts as text: how it is trimmed, and whether there is anything to see in it."""

from __future__ import annotations

import re

_WHITESPACE = (
    "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
"""What String.prototype.trim() of JavaScript takes off. Python's strip() differs in six characters."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and unpaired surrogates: no database, log or other client can be trusted with them."""

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
    """Return the text without white space around it, as browsers trim it too."""
    return text.strip(_WHITESPACE)


def is_visible(text: str) -> bool:
    """Tell whether there is any character to see: neither white space nor of no width or shape."""
    return _VISIBLE.search(text) is not None
