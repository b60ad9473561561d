"""Addresses in messages become links whose text shows their target. Widget and console use the same function."""

from __future__ import annotations

from tests.browser.conftest import MakePerson
from tests.e2e.server import Server

WIKIPEDIA = "https://en.wikipedia.org/wiki/Foo_(bar)"
# A text, and its links as they are shown.
SHOWN = {
    f"see {WIKIPEDIA}, or ({WIKIPEDIA}).": [WIKIPEDIA, WIKIPEDIA],
    "(https://a.example/x)": ["https://a.example/x"],
    "看https://a.example/1。谢谢": ["https://a.example/1"],
    "“https://a.example/q” and 'https://a.example/r'": ["https://a.example/q", "https://a.example/r"],
    "https://a.example/… or https://a.example/1...": ["https://a.example/", "https://a.example/1"],
    "**https://a.example/?a=[1]&b=2!**": ["https://a.example/?a=[1]&b=2"],
    "HTTPS://A.Example:8443/B": ["HTTPS://A.Example:8443/B"],
    "https://münchen.de/ä https://пример.рф/x https://例え.jp/日本": [
        "https://münchen.de/ä",
        "https://пример.рф/x",
        "https://例え.jp/日本",
    ],
    "https://аррӏе.com/login": ["https://xn--80ak6aa92e.com/login"],
    "https://ɢoogle.com": ["https://xn--oogle-wmc.com"],
    "https://google.com⁄x.evil.example/": ["https://google.xn--comx-2g7a.evil.example/"],
    "https://%65vil.example/ http://2130706433/": ["https://evil.example/", "http://127.0.0.1/"],
    "\u202ehttps://a.example/\u202egpj.exe": ["https://a.example/gpj.exe"],
    "https://google.com@evil.example/ https:// https:///x javascript:alert(1) ftp://a.example": [],
}


def test_links_match_what_people_mean_and_show_their_target(server: Server, person: MakePerson) -> None:
    page = person().open(f"{server.url}/console")
    version = page.content().split("web/")[1].split("/")[0]
    script = """async ([module, texts]) => {
        const { linked } = await import(module);
        return texts.map((text) => linked(text).map((part) => typeof part === "string" ? part : {
            shown: part.textContent, rel: part.rel, target: part.target, dir: part.dir, host: new URL(part.href).host,
        }));
    }"""
    found = page.evaluate(script, [f"./web/{version}/shared/links.js", list(SHOWN)])

    for (text, shown), parts in zip(SHOWN.items(), found, strict=True):
        links = [part for part in parts if isinstance(part, dict)]
        assert [link["shown"] for link in links] == shown
        assert all(link["rel"] == "noopener noreferrer nofollow" for link in links)
        assert all((link["target"], link["dir"]) == ("_blank", "ltr") for link in links)
        plain = [part for part in parts if isinstance(part, str)]
        assert all(part in text for part in plain)
    assert found[list(SHOWN).index("https://аррӏе.com/login")][1]["host"] == "xn--80ak6aa92e.com"
