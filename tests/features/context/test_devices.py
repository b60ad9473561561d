"""What a User-Agent header says of a device."""

from __future__ import annotations

import pytest

from chatsupport.features.context import devices

M = "Mozilla/5.0 "
KHTML = "(KHTML, like Gecko)"
MAC, WINDOWS = "(Macintosh; Intel Mac OS X 10_15_7)", "(Windows NT 10.0; Win64; x64)"
WEBKIT = f"AppleWebKit/537.36 {KHTML}"
ANDROID = f"{M}(Linux; Android 14; {{}}) {WEBKIT} Chrome/126.0.0.0 {{}}Safari/537.36"
IOS = f"{M}({{}}) AppleWebKit/605.1.15 {KHTML}"


@pytest.mark.parametrize(
    ("user_agent", "browser", "os", "kind"),
    [
        (f"{M}{WINDOWS} {WEBKIT} Chrome/126.0.0.0 Safari/537.36", "Chrome", "Windows", "desktop"),
        (f"{M}{WINDOWS} {WEBKIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0", "Edge", "Windows", "desktop"),
        (f"{M}{WINDOWS} {WEBKIT} Chrome/126.0.0.0 Safari/537.36 OPR/111.0", "Opera", "Windows", "desktop"),
        (f"{M}{MAC} AppleWebKit/605.1.15 {KHTML} Version/17.5 Safari/605.1.15", "Safari", "macOS", "desktop"),
        (f"{M}(Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox", "Windows", "desktop"),
        (f"{M}(X11; CrOS x86_64 15662) {WEBKIT} Chrome/126.0 Safari/537.36", "Chrome", "ChromeOS", "desktop"),
        (ANDROID.format("Pixel 8", "Mobile "), "Chrome", "Android", "phone"),
        (ANDROID.format("SM-X910", ""), "Chrome", "Android", "tablet"),
        (
            f"{M}(Linux; Android 14; SM-S921B) {WEBKIT} SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
            *("Samsung Internet", "Android", "phone"),
        ),
        (f"{M}(Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0", "Firefox", "Android", "phone"),
        (
            IOS.format("iPhone; CPU iPhone OS 17_5 like Mac OS X") + " Version/17.5 Mobile/15E148 Safari/604.1",
            *("Safari", "iOS", "phone"),
        ),
        (
            IOS.format("iPhone; CPU iPhone OS 17_5 like Mac OS X") + " CriOS/126.0 Mobile/15E148 Safari/604.1",
            *("Chrome", "iOS", "phone"),
        ),
        (
            IOS.format("iPad; CPU OS 17_5 like Mac OS X") + " Version/17.5 Mobile/15E148 Safari/604.1",
            *("Safari", "iOS", "tablet"),
        ),
        (f"{M}(Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer", "Windows", "desktop"),
        (f"{M}{MAC} AppleWebKit/605.1.15 {KHTML}", None, "macOS", "desktop"),
        (f"{M}(compatible; Googlebot/2.1; +http://www.google.com/bot.html)", None, None, "bot"),
        (f"{M}(X11; Linux x86_64) {WEBKIT} HeadlessChrome/126.0 Safari/537.36", None, "Linux", "bot"),
        ("curl/8.5.0", None, None, "bot"),
        ("python-requests/2.32", None, None, "bot"),
    ],
)
def test_devices_are_recognized_by_their_header(
    user_agent: str, browser: str | None, os: str | None, kind: str
) -> None:
    assert devices.of(user_agent) == {"browser": browser, "os": os, "kind": kind}


@pytest.mark.parametrize("user_agent", ["", "-", "\x00", "OurApp/1.0", "x" * 100_000, "Version/" + "1." * 50_000])
def test_other_headers_are_unknown(user_agent: str) -> None:
    assert devices.of(user_agent) is None
