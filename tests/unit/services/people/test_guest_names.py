"""Guests are called the same by the server and by the console."""

from __future__ import annotations

import re

from chatsupport.services.people import guest_names
from chatsupport.web.assets import FOLDER


def test_the_words_are_those_of_the_console() -> None:
    table = (FOLDER / "console/languages/en.js").read_text("utf-8")
    for name, words in (("colours", guest_names.COLOURS), ("animals", guest_names.ANIMALS)):
        lines = re.search(rf"{name}: \((.*?)\)\.split", table, re.DOTALL)
        assert lines is not None
        assert "".join(re.findall(r'"(.*)"', lines[1])).split() == words


def test_a_name_follows_from_the_id() -> None:
    assert guest_names.guest_name("guest-abc") == "Visitor · Jade Parrot"
    assert guest_names.visitor_name({"userId": "u1"}) == "u1"
    named = {"userId": "u1", "context": {"visitor": {"name": "Grace"}}}
    assert guest_names.visitor_name(named) == "Grace"
