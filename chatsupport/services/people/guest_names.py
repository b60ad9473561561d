"""What a guest without a name is called: a colour and an animal that follow from the id, as in the console.

The words, their order and the hash are those of the console (`web/console/parts/names.js`, `languages/en.js`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatsupport.identity import GUEST_PREFIX

COLOURS = (
    "Amber Apricot Azure Blue Bronze Cherry Coral Crimson Cyan Emerald Golden Green Indigo Ivory Jade Lemon Lilac Lime "
    "Magenta Maroon Mint Ochre Olive Orange Peach Pearl Pink Plum Purple Ruby Silver Teal"
).split()
ANIMALS = (
    "Badger Bat Bear Beaver Bee Bison Camel Cat Cheetah Crane Crow Deer Dolphin Dove Duck Eagle Elk Falcon Ferret "
    "Finch Flamingo Fox Frog Gazelle Gecko Giraffe Goose Hare Hawk Hedgehog Heron Horse Ibis Jaguar Kiwi Koala Lark "
    "Lemur Leopard Lion Lynx Magpie Marten Mole Moose Newt Orca Otter Owl Panda Parrot Penguin Puffin Rabbit Raven "
    "Robin Seal Sparrow Swan Tiger Turtle Walrus Wolf Zebra"
).split()


def visitor_name(session: Mapping[str, Any]) -> str:
    """Return the name of a shown session's visitor.

    It is the given one; otherwise a made one for a guest, and the id for anybody else.
    """
    given = session.get("context", {}).get("visitor", {}).get("name")
    user_id = str(session["userId"])
    return str(given or (guest_name(user_id) if user_id.startswith(GUEST_PREFIX) else user_id))


def guest_name(user_id: str) -> str:
    """Return the name of a guest, the same one each time."""
    hashed = _hashed(user_id)
    return f"Visitor · {COLOURS[hashed % len(COLOURS)]} {ANIMALS[hashed // len(COLOURS) % len(ANIMALS)]}"


def _hashed(text: str) -> int:
    """Return a whole number that depends on all of a text (FNV-1a)."""
    hashed = 0x811C9DC5
    for letter in text:
        hashed = (hashed ^ ord(letter)) * 0x01000193 % 2**32
    return hashed
