"""What a word is: capitals and accents do not matter, and scripts without spaces have words too."""

from __future__ import annotations

import pytest

from chatsupport.features.search import words


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Where is my Parcel?", "PARCEL where"),
        ("Der F\u00fchrerschein, stra\u00dfe", "fuhrerschein STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u0130stanbul", "istanbul"),
        ("\uff26\uff55\uff4c\uff4c", "full"),
        ("\u6211\u60f3\u9000\u6b3e\u8c22\u8c22", "\u9000\u6b3e"),
        ("\u6211\u60f3\u9000\u6b3e", "\u9000"),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e04\u0e23\u0e31\u0e1a", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"),
        ("\u0645\u0631\u062d\u0628\u0627\u064b \u0628\u0643", "\u0645\u0631\u062d\u0628\u0627"),
        ("well \U0001f600done", "\U0001f600"),
        ("visitor-1", "Visitor-1"),
        ("x" * 1000, "x" * 100),
        ("a$where .* (b)", "$where .*"),
    ],
)
def test_a_text_is_found_by_its_words(text: str, query: str) -> None:
    looked_for = words.wanted(query)

    assert looked_for
    assert set(looked_for) <= words.of(text)
    assert words.count(text, [*looked_for, "nothing"]) == len(looked_for)


@pytest.mark.parametrize("query", ["parce", "arcel", "parcels", "\u6b3e\u9000"])
def test_other_words_do_not_find_it(query: str) -> None:
    assert not set(words.wanted(query)) <= words.of("my parcel \u6211\u60f3\u9000\u6b3e")


@pytest.mark.parametrize("query", ["", "?!.", "\u0301\u0302", "$", "\u200b"])
def test_what_has_no_words_looks_for_nothing(query: str) -> None:
    assert words.wanted(query) == []


def test_plain_text_has_the_words_that_the_same_text_has_among_other_letters() -> None:
    for code in range(128):
        text = f"Ab{chr(code)}cD"
        assert words.of(text) == words.of(f"{text} \u00e9") - {"e"}, code


def test_the_place_is_that_in_the_text_as_it_was_written() -> None:
    text = "\u00c4\u00df \ufb03 e\u0301 na\u00efve \u6211\u60f3\u9000\u6b3e"

    assert text[words.place(text, ["naive"]) :].startswith("na\u00efve")
    assert text[words.place(text, ["\u9000\u6b3e"]) :] == "\u9000\u6b3e"
    assert words.place(text, ["nothing"]) == 0
