"""Text is trimmed as in JavaScript, and counts as visible if people can see it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator

import pytest

from chatsupport.contract.text import _WHITESPACE, is_visible, trimmed

PREPENDED = {chr(number) for number in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)}
"""Format characters with a visible shape: signs before Arabic, Syriac and Kaithi numbers."""


def all_characters() -> Iterator[str]:
    return (chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF)


def test_trimming_removes_the_listed_characters() -> None:
    assert {character for character in all_characters() if not trimmed(character)} == set(_WHITESPACE)
    assert trimmed("\ufeff a b\u3000\n") == "a b"
    assert trimmed("\x1c\x85a") == "\x1c\x85a"


@pytest.mark.node
def test_trimming_agrees_with_javascript() -> None:
    script = """
        const taken = [];
        for (let point = 0; point < 0x110000; point++) {
            const text = String.fromCodePoint(point);
            if (text.trim() === "" && `a${text}`.trim() === "a" && `${text}a`.trim() === "a") taken.push(point);
        }
        console.log(JSON.stringify(taken));
    """
    answer = subprocess.run(["node", "-e", script], capture_output=True, check=True, timeout=60)

    assert set(map(chr, json.loads(answer.stdout))) == set(_WHITESPACE)


def test_characters_without_a_shape_are_not_visible() -> None:
    for character in all_characters():
        category = unicodedata.category(character)
        if category in ("Cc", "Zs", "Zl", "Zp") or (category == "Cf" and character not in PREPENDED):
            assert not is_visible(character), hex(ord(character))
        elif category[0] in "LNPS" and is_visible(character) is False:
            name = unicodedata.name(character)
            assert re.search("FILLER|BRAILLE PATTERN BLANK|NULL NOTEHEAD|VOWEL INHERENT", name), name


@pytest.mark.parametrize(
    "text",
    [
        "a",
        ".",
        "👍",
        "👩‍💻",
        "1️⃣",
        "❤️",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "ü",
        "u\u0308",
        "שלום",
        "नमस्ते",
        "中",
        "한",
        "⠁",
        "\u200ba\u200b",
        "\U0001fae8",
    ],
)
def test_normal_texts_are_visible(text: str) -> None:
    assert is_visible(text)


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "\u2800", "\u3164", "\uffa0", "\u180e", "\x00", "\u00ad\u2060\ufe0f"]
)
def test_invisible_texts_are_not(text: str) -> None:
    assert not is_visible(text)
