"""The variables of the feature."""

from __future__ import annotations

import pytest

from chatsupport.config import Config, ConfigError
from chatsupport.features.mail import FEATURE
from chatsupport.features.mail.parsers import MAIL_FROM, SMTP_URL, MailServer, mail_server, sender

WHOLE = {
    "SMTP_URL": "smtp://user:p%40ss@mail.example.com",
    "MAIL_FROM": "chat@example.com",
    "PUBLIC_URL": "https://chat.example.com",
}


def read(**environ: str) -> Config:
    return Config.from_env({"JWT_SECRET": "test", **environ}, FEATURE.variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, "starttls", None, None)),
        ("smtp://u:p%40@mail.example.com:25", ("mail.example.com", 25, "starttls", "u", "p@")),
        ("smtps://u:p@mail.example.com", ("mail.example.com", 465, "at once", "u", "p")),
        ("smtp://localhost:1025", ("localhost", 1025, "none", None, None)),
        ("smtp://[::1]:1025/", ("::1", 1025, "none", None, None)),
        ("smtp://mailpit:1025?starttls=off", ("mailpit", 1025, "none", None, None)),
    ],
)
def test_mail_servers(text: str, expected: tuple[object, ...]) -> None:
    assert mail_server(text) == MailServer(*expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://mail.example.com:0",
        "smtp://mail.example.com:99999",
        "smtp://user@mail.example.com",
        "smtp://u:p%0d%0aRSET@mail.example.com",
        "smtp://mail.example.com/inbox",
        "smtp://mail.example.com?tls=off",
        "smtps://mail.example.com?starttls=off",
        "smtp://mail example.com",
        "smtp://mail.example.com\r\n",
    ],
)
def test_wrong_mail_servers(text: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        mail_server(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chat@example.com", "chat@example.com"),
        ("Example Support <chat@example.com>", "Example Support <chat@example.com>"),
        ('"Support, Example" <chat@example.com>', '"Support, Example" <chat@example.com>'),
    ],
)
def test_senders(text: str, expected: str) -> None:
    assert str(sender(text)) == expected


@pytest.mark.parametrize("text", ["chat", "a@b, c@d", "<>", "Support <chat>", "S\r\nBcc: x <a@b.c>", "ü@example.com"])
def test_wrong_senders(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        sender(text)


def test_the_password_is_not_shown() -> None:
    config = read(**WHOLE)

    assert config.value(MAIL_FROM) is not None
    assert "p@ss" not in f"{config!r}{config.value(SMTP_URL)!r}{config.value(SMTP_URL)}"


@pytest.mark.parametrize("missing", ["MAIL_FROM", "PUBLIC_URL"])
def test_a_mail_server_needs_a_sender_and_a_public_address(missing: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(**{name: text for name, text in WHOLE.items() if name != missing})

    assert refused.value.problems == [f"{missing} is required where SMTP_URL is set"]
