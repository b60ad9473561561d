"""Read the browser, the system and the kind of device from a User-Agent header.

Browsers also name other browsers, so the order of the tables matters. Anything that is not in them stays unknown.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 500
"""The number of characters of the header that are read."""

_BROWSERS = (
    (re.compile(r"\bEdg(?:e|A|iOS)?/"), "Edge"),
    (re.compile(r"\b(?:OPR|OPT|OPiOS)/|\bOpera\b"), "Opera"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\bYaBrowser/"), "Yandex Browser"),
    (re.compile(r"\bVivaldi/"), "Vivaldi"),
    (re.compile(r"\bDuckDuckGo/|\bDdg/"), "DuckDuckGo"),
    (re.compile(r"\bUCBrowser/"), "UC Browser"),
    (re.compile(r"\b(?:Firefox|FxiOS|Focus)/"), "Firefox"),
    (re.compile(r"\b(?:Chrome|CriOS|Chromium)/"), "Chrome"),
    (re.compile(r"\bVersion/[\d.]+ (?:Mobile/\w+ )?Safari/"), "Safari"),
    (re.compile(r"\bMSIE |\bTrident/"), "Internet Explorer"),
)
_SYSTEMS = (
    (re.compile(r"\b(?:iPhone|iPad|iPod)\b"), "iOS"),
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\bWindows\b"), "Windows"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bMac OS X\b|\bMacintosh\b"), "macOS"),
    (re.compile(r"\bLinux\b|\bX11\b"), "Linux"),
)
_BOT = re.compile(
    r"bot\b|crawl|spider|slurp|headless|lighthouse|facebookexternalhit|^(?:curl|wget|python|okhttp|java|go-http|node|axios|"
    r"postman|insomnia|apache-httpclient|libwww|ruby|php|werkzeug)\b",
    re.IGNORECASE,
)
_TABLET = re.compile(r"\biPad\b|\bTablet\b|\bKindle\b|\bSilk/|\bPlayBook\b")
_PHONE = re.compile(r"\bMobi|\biPhone\b|\biPod\b|\bWindows Phone\b")

Device = dict[str, str | None]


@lru_cache(maxsize=1024)
def _known(user_agent: str) -> tuple[str | None, str | None, str] | None:
    browser = next((name for pattern, name in _BROWSERS if pattern.search(user_agent)), None)
    system = next((name for pattern, name in _SYSTEMS if pattern.search(user_agent)), None)
    if _BOT.search(user_agent):
        return browser, system, "bot"
    if browser is None and system is None:
        return None
    if _TABLET.search(user_agent) or (system == "Android" and not _PHONE.search(user_agent)):
        return browser, system, "tablet"
    return browser, system, "phone" if _PHONE.search(user_agent) else "desktop"


def of(user_agent: str) -> Device | None:
    """Return the browser, the system and the kind of device (phone, tablet, desktop, bot), or None if unknown."""
    known = _known(user_agent[:LONGEST])
    return None if known is None else dict(zip(("browser", "os", "kind"), known, strict=True))
