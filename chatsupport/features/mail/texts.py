"""The texts of the mails: those to visitors in the languages of the chat bubble, those to agents in English."""

from __future__ import annotations

from typing import Any

RIGHT_TO_LEFT = ("ar",)
DEFAULT = "en"

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "agent": "Support",
        "unread.subject": "{name} answered you in the chat",
        "unread.intro": "You have new messages in your chat with us ({site}):",
        "unread.more": "There are earlier messages in the chat.",
        "unread.link": "Continue the chat",
        "unread.token": "The link is valid for 7 days. Do not pass it on: it opens your chat.",
        "unread.why": "You get this mail because this address was given in our chat. If you want no such mails:",
        "unread.stop": "Stop these mails",
        "transcript.subject": "Your chat of {date}",
        "reset.subject": "Choose a new password",
        "reset.intro": "Somebody, probably you, has asked for a new password for the agents' console ({site}).",
        "reset.link": "Choose a new password",
        "reset.outro": "The link is valid for 30 minutes and works once. "
        "If you have not asked for it, ignore this mail: your password stays as it is.",
    },
    "de": {
        "agent": "Support",
        "unread.subject": "{name} hat Ihnen im Chat geantwortet",
        "unread.intro": "In Ihrem Chat mit uns ({site}) gibt es neue Nachrichten:",
        "unread.more": "Frühere Nachrichten stehen im Chat.",
        "unread.link": "Chat fortsetzen",
        "unread.token": "Der Link gilt 7 Tage. Geben Sie ihn nicht weiter: Er öffnet Ihren Chat.",
        "unread.why": "Sie erhalten diese E-Mail, weil diese Adresse in unserem Chat angegeben wurde. "
        "Wenn Sie keine solchen E-Mails möchten:",
        "unread.stop": "E-Mails abbestellen",
        "transcript.subject": "Ihr Chat vom {date}",
    },
    "ar": {
        "agent": "فريق الدعم",
        "unread.subject": "رد عليك {name} في المحادثة",
        "unread.intro": "لديك رسائل جديدة في محادثتك معنا ({site}):",
        "unread.more": "توجد رسائل أقدم في المحادثة.",
        "unread.link": "متابعة المحادثة",
        "unread.token": "الرابط صالح لمدة 7 أيام. لا تشاركه مع أحد: فهو يفتح محادثتك.",
        "unread.why": "وصلتك هذه الرسالة لأن هذا العنوان أُدخل في محادثتنا. إذا كنت لا تريد مثل هذه الرسائل:",
        "unread.stop": "إيقاف هذه الرسائل",
        "transcript.subject": "محادثتك بتاريخ {date}",
    },
}


def language_of(locale: str | None) -> str:
    """Return the language of the texts for a locale such as `de-AT`."""
    language = (locale or "").partition("-")[0].lower()
    return language if language in TEXTS else DEFAULT


def say(language: str, key: str, /, **values: Any) -> str:
    """Return a text with its values filled in, which are not searched for further ones."""
    said = TEXTS[language][key]
    for name, value in values.items():
        before, found, after = said.partition(f"{{{name}}}")
        said = f"{before}{value}{after}" if found else said
    return said
