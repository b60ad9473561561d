"""The words of a text: without capitals and accents.

Scripts without spaces between words (Chinese, Japanese, Thai, …) are read by single characters and by pairs. An emoji
is a word of its own.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

LONGEST_WORD = 40
"""Longer words are found by their beginning."""
CHARACTERS_AT_ONCE = 20_000
"""How much of messages is read before others get their turn: with accents it takes some 5 ms."""

_ASCII = {code: (chr(code).lower() if chr(code).isalnum() or chr(code) == "_" else " ") for code in range(128)}
"""Small letters, and a space for each character that is in no word. Three times as fast as a regular expression."""
_WORD = re.compile(
    r"(?P<unspaced>[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
    r"|(?P<emoji>[\u2600-\u27bf\U0001f000-\U0001faff])"
    r"|[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def folded(text: str) -> str:
    """Return the text in small letters without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in unicodedata.normalize("NFKD", decomposed) if not unicodedata.combining(letter))


def of(text: str) -> set[str]:
    """Return the words by which a text is found."""
    if text.isascii():
        return {word[:LONGEST_WORD] for word in set(text.translate(_ASCII).split())}
    found: set[str] = set()
    for match in _WORD.finditer(folded(text)):
        word = match[0]
        if match["unspaced"]:
            found.update(word)
            found.update(_pairs(word))
        else:
            found.add(word[:LONGEST_WORD])
    return found


def wanted(query: str) -> list[str]:
    """Return the words that somebody looks for, each once: a text with all of them is found."""
    found: list[str] = []
    for match in _WORD.finditer(folded(query)):
        word = match[0]
        found += _pairs(word) if match["unspaced"] and len(word) > 1 else [word[:LONGEST_WORD]]
    return list(dict.fromkeys(found))


def count(text: str, looked_for: Sequence[str]) -> int:
    """Return how many of these words a text has."""
    plain = folded(text)
    # A word is a part of its text, and most texts have none of them.
    may_be = [word for word in looked_for if word in plain]
    return len(of(text).intersection(may_be)) if may_be else 0


def place(text: str, looked_for: Sequence[str]) -> int:
    """Return where in a text the first of these words is; 0 where none is."""
    parts = [folded(letter) for letter in text]
    ends = list(accumulate(map(len, parts)))
    for match in _WORD.finditer("".join(parts)):
        word = match[0]
        if match["unspaced"]:
            offsets = [word.find(one) for one in looked_for if one in word]
            if offsets:
                return bisect_right(ends, match.start() + min(offsets))
        elif word[:LONGEST_WORD] in looked_for:
            return bisect_right(ends, match.start())
    return 0


def _pairs(word: str) -> Iterator[str]:
    return (word[start : start + 2] for start in range(len(word) - 1))
